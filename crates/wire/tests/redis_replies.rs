//! Replies as servers send them, whole and one byte at a time: kinds, values, elements, malformed ones, and
//! each limit at its value and one past it.

use nuthatch_wire::redis::{Kind, Reply, ReplyError, ReplyLimits, ReplyScan, ReplyScanner};

/// Scans `bytes` whole and one byte at a time; both must give the same result.
fn check(bytes: &[u8], limits: &ReplyLimits) -> ReplyScan {
    let whole = ReplyScanner::new().scan(bytes, limits);
    let mut scanner = ReplyScanner::new();
    for len in 0..=bytes.len() {
        match scanner.scan(&bytes[..len], limits) {
            ReplyScan::NeedMore { want } => assert!(want > len, "{}", bytes.escape_ascii()),
            found => {
                assert_eq!(found, whole, "{}", bytes[..len].escape_ascii());
                return whole;
            }
        }
    }
    assert!(
        matches!(whole, ReplyScan::NeedMore { .. }),
        "{whole:?} only when whole: {}",
        bytes.escape_ascii()
    );
    whole
}

fn scanned(bytes: &[u8]) -> Reply {
    match check(bytes, &ReplyLimits::default()) {
        ReplyScan::Done(reply) => reply,
        other => panic!("{other:?}: {}", bytes.escape_ascii()),
    }
}

#[test]
fn kinds_and_bodies() {
    let cases: &[(&[u8], Kind, &[u8])] = &[
        (b"+OK\r\n", Kind::Simple, b"OK"),
        (b"+\r\n", Kind::Simple, b""),
        (b"+a\rb\nc\r\n", Kind::Simple, b"a\rb\nc"),
        (b"+a\r\r\n", Kind::Simple, b"a\r"),
        (b"-ERR no\r\n", Kind::Error, b"ERR no"),
        (b":12\r\n", Kind::Integer, b"12"),
        (b"$0\r\n\r\n", Kind::Bulk, b""),
        (b"$5\r\na\r\nbc\r\n", Kind::Bulk, b"a\r\nbc"),
        (b"$-1\r\n", Kind::Null, b""),
        (b"*-1\r\n", Kind::Null, b""),
        (b"_\r\n", Kind::Null, b""),
        (b"*0\r\n", Kind::Array, b""),
        (b"*2\r\n:1\r\n$1\r\na\r\n", Kind::Array, b":1\r\n$1\r\na\r\n"),
        (b"#t\r\n", Kind::Boolean, b"t"),
        (b"#f\r\n", Kind::Boolean, b"f"),
        (b",3.25e10\r\n", Kind::Double, b"3.25e10"),
        (b",-inf\r\n", Kind::Double, b"-inf"),
        (b"(12345678901234567890123\r\n", Kind::BigNumber, b"12345678901234567890123"),
        (b"!8\r\nERR a\r\nb\r\n", Kind::BulkError, b"ERR a\r\nb"),
        (b"=6\r\ntxt:ab\r\n", Kind::Verbatim, b"txt:ab"),
        (b"%1\r\n+k\r\n:1\r\n", Kind::Map, b"+k\r\n:1\r\n"),
        (b"%0\r\n", Kind::Map, b""),
        (b"~2\r\n:1\r\n:2\r\n", Kind::Set, b":1\r\n:2\r\n"),
        (b">2\r\n+invalidate\r\n_\r\n", Kind::Push, b"+invalidate\r\n_\r\n"),
    ];
    for (bytes, kind, body) in cases {
        let reply = scanned(bytes);
        assert_eq!(
            (reply.len(), reply.kind(), reply.body(bytes), reply.head()),
            (bytes.len(), *kind, *body, 0)
        );
        let mut more = bytes.to_vec();
        more.extend_from_slice(b"+NEXT\r\n");
        assert_eq!(scanned(&more), reply, "what follows a reply is left alone");
    }
}

#[test]
fn integers() {
    let cases: &[(&[u8], Option<i64>)] = &[
        (b":0\r\n", Some(0)),
        (b":-42\r\n", Some(-42)),
        (b":+7\r\n", Some(7)),
        (b":007\r\n", Some(7)),
        (b":9223372036854775807\r\n", Some(i64::MAX)),
        (b":-9223372036854775808\r\n", Some(i64::MIN)),
        (b":9223372036854775808\r\n", None),
        (b":99999999999999999999\r\n", None),
        (b"+7\r\n", None),
        (b"$1\r\n7\r\n", None),
    ];
    for (bytes, value) in cases {
        assert_eq!(scanned(bytes).integer(), *value, "{}", bytes.escape_ascii());
    }
}

#[test]
fn error_codes() {
    let cases: &[(&[u8], Option<&[u8]>)] = &[
        (b"-OOM command not allowed\r\n", Some(b"OOM")),
        (b"-LOADING\r\n", Some(b"LOADING")),
        (b"-\r\n", Some(b"")),
        (b"!8\r\nBUSY now\r\n", Some(b"BUSY")),
        (b"+OOM x\r\n", None),
    ];
    for (bytes, code) in cases {
        assert_eq!(scanned(bytes).error_code(bytes), *code);
    }
}

#[test]
fn elements_of_an_array() {
    use Kind::{Array, Bulk, Error, Map, Null};

    let parts: &[&[u8]] = &[
        b"$3\r\nabc\r\n",
        b"$-1\r\n",
        b"*2\r\n:1\r\n*1\r\n+x\r\n",
        b"-ERR no\r\n",
        b"|1\r\n+ttl\r\n:5\r\n$1\r\nv\r\n",
        b"%1\r\n+a\r\n~0\r\n",
        b"_\r\n",
    ];
    let mut bytes = b"*7\r\n".to_vec();
    for part in parts {
        bytes.extend_from_slice(part);
    }
    let reply = scanned(&bytes);
    assert_eq!(reply.element_count(), Some(7));
    let found: Vec<_> = reply.elements(&bytes).map(|(_, element)| element).collect();
    assert_eq!(found, parts);
    let kinds: Vec<_> = reply.elements(&bytes).map(|(inner, _)| inner.kind()).collect();
    assert_eq!(kinds, [Bulk, Null, Array, Error, Bulk, Map, Null]);
    assert_eq!(scanned(b"+OK\r\n").elements(b"+OK\r\n").count(), 0);
    assert_eq!(scanned(b"%2\r\n:1\r\n:2\r\n:3\r\n:4\r\n").element_count(), Some(4));
}

#[test]
fn attributes_belong_to_the_reply_that_follows() {
    let cases: &[(&[u8], usize, Kind)] = &[
        (b"|1\r\n+k\r\n*1\r\n:1\r\n:7\r\n", 16, Kind::Integer),
        (b"|0\r\n+OK\r\n", 4, Kind::Simple),
        (b"|0\r\n|1\r\n:1\r\n:2\r\n*0\r\n", 16, Kind::Array),
        (b"|1\r\n|0\r\n+k\r\n+v\r\n>1\r\n:1\r\n", 16, Kind::Push),
    ];
    for (bytes, head, kind) in cases {
        let reply = scanned(bytes);
        assert_eq!(
            (reply.len(), reply.head(), reply.kind()),
            (bytes.len(), *head, *kind),
            "{}",
            bytes.escape_ascii()
        );
    }
}

#[test]
fn malformed() {
    use ReplyError::{InvalidNumber, Misplaced, UnknownType, UnterminatedBulk};
    let cases: &[(&[u8], ReplyError)] = &[
        (b"junk\r\n", UnknownType(b'j')),
        (b"HTTP/1.1 400 Bad Request\r\n", UnknownType(b'H')),
        (b"\r\n", UnknownType(b'\r')),
        (b"\0", UnknownType(0)),
        (b"$?\r\n", InvalidNumber),
        (b"$-2\r\n", InvalidNumber),
        (b"$-5\r\n", InvalidNumber),
        (b"*-2\r\n", InvalidNumber),
        (b"*1\r\n$-5\r\n", InvalidNumber),
        (b"$x\r\n", InvalidNumber),
        (b"$01\r\na\r\n", InvalidNumber),
        (b"$\r\n", InvalidNumber),
        (b"$1\n", InvalidNumber),
        (b"$99999999999999999999\r\n", InvalidNumber),
        (b"*x\r\n", InvalidNumber),
        (b"*?\r\n", InvalidNumber),
        (b"*99999999999999999999\r\n", InvalidNumber),
        (b"%-1\r\n", InvalidNumber),
        (b"~-1\r\n", InvalidNumber),
        (b">-1\r\n", InvalidNumber),
        (b"|-1\r\n", InvalidNumber),
        (b"!-1\r\n", InvalidNumber),
        (b"=-1\r\n", InvalidNumber),
        (b":\r\n", InvalidNumber),
        (b":-\r\n", InvalidNumber),
        (b":1x\r\n", InvalidNumber),
        (b":--1\r\n", InvalidNumber),
        (b"$1\r\nabc\r\n", UnterminatedBulk),
        (b"$3\r\nab\r\n+OK\r\n", UnterminatedBulk),
        (b"#x\r\n", Misplaced),
        (b"#\r\n", Misplaced),
        (b"_x\r\n", Misplaced),
        (b"*1\r\n>1\r\n", Misplaced),
        (b"|1\r\n>1\r\n", Misplaced),
        (b"*2\r\n:1\r\njunk", UnknownType(b'j')),
    ];
    for (bytes, error) in cases {
        assert_eq!(check(bytes, &ReplyLimits::default()), ReplyScan::Bad(*error), "{}", bytes.escape_ascii());
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn unfinished() {
    for bytes in
        [&b"+OK\n"[..], b"+OK\r", b"$5\r\nhe", b"*2\r\n:1\r\n", b"|0\r\n", b"%1\r\n:1\r\n", b"-", b""]
    {
        assert!(matches!(check(bytes, &ReplyLimits::default()), ReplyScan::NeedMore { .. }));
    }
    let want = |bytes: &[u8]| check(bytes, &ReplyLimits::default());
    assert_eq!(want(b"$100\r\nab"), ReplyScan::NeedMore { want: 108 });
    assert_eq!(want(b"*2\r\n$10\r\n"), ReplyScan::NeedMore { want: 21 });
}

fn nested(depth: usize) -> Vec<u8> {
    let mut bytes = b"*1\r\n".repeat(depth);
    bytes.extend_from_slice(b":1\r\n");
    bytes
}

#[test]
fn each_limit_and_one_past_it() {
    let limits = ReplyLimits::default();
    let too_big = ReplyScan::Bad(ReplyError::TooBig);
    assert!(matches!(check(&nested(8192), &limits), ReplyScan::Done(_)));
    assert_eq!(check(&nested(8193), &limits), too_big);
    let flat = ReplyLimits { depth_max: 1, ..limits };
    assert!(matches!(check(&nested(1), &flat), ReplyScan::Done(_)));
    assert_eq!(check(&nested(2), &flat), too_big);

    let more = |bytes: &[u8]| matches!(check(bytes, &limits), ReplyScan::NeedMore { .. });
    assert!(more(b"*268435456\r\n") && more(b"%134217728\r\n") && more(b"$536870912\r\n"));
    for bytes in
        [&b"*268435457\r\n"[..], b"%134217729\r\n", b"|134217729\r\n", b"$536870913\r\n", b"=536870913\r\n"]
    {
        assert_eq!(check(bytes, &limits), too_big, "{}", bytes.escape_ascii());
    }

    let line = ReplyLimits { line_bytes_max: 4, ..limits };
    assert!(matches!(check(b"+abcd\r\n", &line), ReplyScan::Done(_)));
    assert_eq!(check(b"+abcde\r\n", &line), too_big);
    assert_eq!(check(b"+abcdefgh", &line), too_big);

    let whole = ReplyLimits { reply_bytes_max: 16, ..limits };
    assert!(matches!(
        check(b"$10\r\n0123456789\r\n", &ReplyLimits { reply_bytes_max: 17, ..limits }),
        ReplyScan::Done(_)
    ));
    assert_eq!(check(b"$10\r\n0123456789\r\n", &whole), too_big);
    assert_eq!(check(b"*4\r\n:1\r\n:1\r\n:1\r\n:1\r\n", &whole), too_big);

    let none = ReplyLimits {
        elements_max: usize::MAX,
        bulk_bytes_max: usize::MAX,
        line_bytes_max: usize::MAX,
        depth_max: usize::MAX,
        reply_bytes_max: usize::MAX,
    };
    let four_gigabytes = u32::MAX as usize;
    let want = |len: usize| check(format!("${len}\r\n").as_bytes(), &none);
    assert_eq!(want(four_gigabytes - 15), ReplyScan::NeedMore { want: four_gigabytes });
    assert!(matches!(want(four_gigabytes + 1), ReplyScan::Bad(ReplyError::TooBig)));
}

#[test]
fn a_scanner_goes_on_after_a_reply_and_after_an_error() {
    let limits = ReplyLimits::default();
    let mut scanner = ReplyScanner::new();
    for bytes in [&b"*2\r\n:1\r\n:2\r\n"[..], b"+OK\r\n", b"*1\r\nx", b"$-1\r\n", b"*1\r\n*1\r\n:1\r\n"] {
        let found = scanner.scan(bytes, &limits);
        assert_eq!(found, ReplyScanner::new().scan(bytes, &limits));
        assert!(!matches!(found, ReplyScan::NeedMore { .. }));
    }
}

#[test]
fn a_line_that_came_in_two_pieces_leaves_nothing_behind() {
    let limits = ReplyLimits::default();
    for first in [&b"*1\r\n+abcdefghijkl\r\n"[..], b"+abcdefghijklmnop\r\n", b"*1\r\n:123456789012345x\r\n"] {
        let mut scanner = ReplyScanner::new();
        let cut = first.len() - 1;
        assert!(matches!(scanner.scan(&first[..cut], &limits), ReplyScan::NeedMore { .. }));
        assert!(!matches!(scanner.scan(first, &limits), ReplyScan::NeedMore { .. }));
        let next = b"+a\r\n+bcdefghijklmnopqrstuvwxyz\r\n";
        assert!(matches!(scanner.scan(next, &limits), ReplyScan::Done(reply) if reply.len() == 4));
    }
}
