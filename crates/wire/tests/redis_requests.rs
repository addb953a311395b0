//! Requests as clients send them, whole and one byte at a time: what is found in them, what is refused, and each limit at
//! its value and one past it.

use nuthatch_wire::redis::{Limits, ProtocolError, Request, RequestScanner, Scan, encode, encode_inline};

/// Scans `bytes` whole, and again as they would come in one by one; both must say the same.
fn check(bytes: &[u8], limits: &Limits) -> Scan {
    let whole = RequestScanner::new().scan(bytes, limits);
    let mut scanner = RequestScanner::new();
    for len in 0..=bytes.len() {
        match scanner.scan(&bytes[..len], limits) {
            Scan::NeedMore { want } => {
                assert!(want > len, "wants {want} of {len} bytes: {}", bytes.escape_ascii())
            }
            found => {
                assert_eq!(found, whole, "{}", bytes[..len].escape_ascii());
                return whole;
            }
        }
    }
    assert!(matches!(whole, Scan::NeedMore { .. }), "{whole:?} only when whole: {}", bytes.escape_ascii());
    whole
}

fn scanned(bytes: &[u8]) -> Request {
    match check(bytes, &Limits::default()) {
        Scan::Done(request) => request,
        other => panic!("{other:?}: {}", bytes.escape_ascii()),
    }
}

fn request(words: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    encode::array(&mut out, words.len());
    words.iter().for_each(|word| encode::bulk(&mut out, word));
    out
}

#[test]
fn well_formed() {
    let long = vec![b'v'; 70_000];
    let cases: &[&[&[u8]]] = &[
        &[b"PING"],
        &[b"get", b"k"],
        &[b"GET", b""],
        &[b""],
        &[b"nosuch", b"a\r\nb", b"$3\r\nxyz\r\n"],
        &[b"SET", b"k", &long],
        &[b"MSET", b"a", b"1", b"b", b"2", b"c", b"3", b"d", b"4", b"e", b"5", b"f", b"6"],
    ];
    for words in cases {
        let bytes = request(words);
        let found = scanned(&bytes);
        assert_eq!(found.len(), bytes.len());
        assert_eq!(found.argument_count(), words.len());
        assert_eq!(found.name(&bytes), words[0]);
        assert_eq!(found.first(&bytes).map(|a| a.bytes()), words.get(1).copied());
        let args: Vec<_> = found.args(&bytes).collect();
        assert_eq!(args.iter().map(|a| a.bytes()).collect::<Vec<_>>(), *words);
        let name = words[0].to_ascii_lowercase();
        assert_eq!(
            found.command().map(|c| c.name.as_bytes()),
            (name != b"" && name != b"nosuch").then_some(&name[..])
        );
        let copied: Vec<u8> = args.iter().flat_map(|a| a.encoded().to_vec()).collect();
        assert_eq!(copied, bytes[4.max(bytes.len() - copied.len())..]);
        assert!(args.iter().all(|a| &bytes[a.range()] == a.bytes()));
    }
}

#[test]
fn what_follows_a_request_is_left_alone() {
    let mut bytes = request(&[b"GET", b"a"]);
    let len = bytes.len();
    bytes.extend(request(&[b"GET", b"b"]));
    let mut scanner = RequestScanner::new();
    let Scan::Done(first) = scanner.scan(&bytes, &Limits::default()) else { panic!() };
    assert_eq!(first.len(), len);
    let Scan::Done(second) = scanner.scan(&bytes[len..], &Limits::default()) else { panic!() };
    assert_eq!(second.first(&bytes[len..]).unwrap().bytes(), b"b");
}
