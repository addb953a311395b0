//! Requests: the parsed form of each line, fed whole and one byte at a time; malformed ones with memcached
//! 1.6.18's error line; limits at the maximum and one past it.

use nuthatch_wire::memcache::{
    BadRequest, Command, KEY_BYTES_MAX, Limits, Request, RequestScanner, Route, Scan, fuzzing,
};

/// Scans `frame` whole and one byte at a time, with the same outcome.
fn scan_with(frame: &[u8], limits: &Limits) -> Scan<Request, BadRequest> {
    let whole = RequestScanner::new().scan(frame, limits);
    let mut scanner = RequestScanner::new();
    for shown in 0..frame.len() {
        match scanner.scan(&frame[..shown], limits) {
            Scan::NeedMore { want } => assert!(want > shown),
            early => {
                assert_eq!(early, whole, "after {shown} bytes of {:?}", frame.escape_ascii().to_string());
                return whole;
            }
        }
    }
    assert_eq!(scanner.scan(frame, limits), whole, "{:?}", frame.escape_ascii().to_string());
    whole
}

fn scan(frame: &[u8]) -> Scan<Request, BadRequest> {
    scan_with(frame, &Limits::default())
}

fn done(frame: &[u8]) -> Request {
    fuzzing::request(frame);
    match scan(frame) {
        Scan::Done(request) => request,
        other => panic!("{:?}: {other:?}", frame.escape_ascii().to_string()),
    }
}

fn bad(frame: &[u8]) -> BadRequest {
    fuzzing::request(frame);
    match scan(frame) {
        Scan::Bad(bad) => bad,
        other => panic!("{:?}: {other:?}", frame.escape_ascii().to_string()),
    }
}

/// Bytes as text.
fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

#[test]
fn keys_of_the_get_family() {
    let cases: [(&str, Command, &[&str], &str); 9] = [
        ("get k\r\n", Command::Get, &["k"], "get "),
        ("get k\n", Command::Get, &["k"], "get "),
        ("get a b c\r\n", Command::Get, &["a", "b", "c"], "get "),
        ("  get  a   b  \r\n", Command::Get, &["a", "b"], "get  "),
        ("gets a a\r\n", Command::Gets, &["a", "a"], "gets "),
        ("gat 0 a b\r\n", Command::Gat, &["a", "b"], "gat 0 "),
        ("gats -1 a\r\n", Command::Gats, &["a"], "gats -1 "),
        ("get a\tb \u{7f} \r\r\n", Command::Get, &["a\tb", "\u{7f}", "\r"], "get "),
        ("get noreply\r\n", Command::Get, &["noreply"], "get "),
    ];
    for (frame, command, keys, head) in cases {
        let bytes = frame.as_bytes();
        let request = done(bytes);
        assert_eq!(request.command(), command, "{frame:?}");
        assert_eq!(request.frame_len(), bytes.len());
        let found: Vec<&[u8]> = request.keys(bytes).map(|key| key.of(bytes)).collect();
        assert_eq!(found, keys.iter().map(|key| key.as_bytes()).collect::<Vec<_>>(), "{frame:?}");
        assert_eq!(request.key_count(), keys.len());
        assert_eq!(text(request.head(bytes)), head, "{frame:?}");
        assert!(!request.noreply() && !request.quiet());
        assert_eq!(request.row().route, Route::EachKey);
    }
}

#[test]
fn storage_commands_and_their_data() {
    let cases: [(&str, Command, &str, bool); 17] = [
        ("set k 0 0 5\r\nhello\r\n", Command::Set, "hello", false),
        ("set k 0 0 0\r\n\r\n", Command::Set, "", false),
        ("set k 0 0 1\nx\r\n", Command::Set, "x", false),
        ("set k 0 0 4\r\n\r\n\r\n\r\n", Command::Set, "\r\n\r\n", false),
        ("set k 4294967295 0 1\r\nx\r\n", Command::Set, "x", false),
        ("set k 18446744073709551615 0 1\r\nx\r\n", Command::Set, "x", false),
        ("set k 0 -1 1\r\nx\r\n", Command::Set, "x", false),
        ("set k 0 99999999999 1\r\nx\r\n", Command::Set, "x", false),
        ("set k 0 0 1 noreply\r\nx\r\n", Command::Set, "x", true),
        ("set k 0 0 1  noreply  \r\nx\r\n", Command::Set, "x", true),
        ("set k 0 0 1 NOREPLY\r\nx\r\n", Command::Set, "x", false),
        ("set k 0 0 1 junk\r\nx\r\n", Command::Set, "x", false),
        ("set noreply 0 0 1\r\nx\r\n", Command::Set, "x", false),
        ("add k 0 0 1\r\nx\r\n", Command::Add, "x", false),
        ("cas k 0 0 1 5\r\nx\r\n", Command::Cas, "x", false),
        ("cas k 0 0 1 5 noreply\r\nx\r\n", Command::Cas, "x", true),
        ("ms k 1 T0 F5\r\nx\r\n", Command::MetaSet, "x", false),
    ];
    for (frame, command, data, noreply) in cases {
        let bytes = frame.as_bytes();
        let request = done(bytes);
        assert_eq!(request.command(), command, "{frame:?}");
        assert_eq!(text(request.data().of(bytes)), text(data.as_bytes()), "{frame:?}");
        assert_eq!(request.noreply(), noreply, "{frame:?}");
        assert_eq!(request.frame_len(), bytes.len());
        assert!(request.key_count() == 1 && !request.retry_safe());
    }
}

#[test]
fn other_commands() {
    let cases: [(&str, Command, &str, bool); 26] = [
        ("incr k 1\r\n", Command::Incr, "k", false),
        ("incr k 1 2\r\n", Command::Incr, "k", false),
        ("decr k 18446744073709551615 noreply\r\n", Command::Decr, "k", true),
        ("touch k -1\r\n", Command::Touch, "k", false),
        ("touch k 1 2\r\n", Command::Touch, "k", false),
        ("touch k 1 noreply\r\n", Command::Touch, "k", true),
        ("delete k\r\n", Command::Delete, "k", false),
        ("delete k 0\r\n", Command::Delete, "k", false),
        ("delete k noreply\r\n", Command::Delete, "k", true),
        ("delete k 0 noreply\r\n", Command::Delete, "k", true),
        ("delete noreply\r\n", Command::Delete, "noreply", false),
        ("flush_all\r\n", Command::FlushAll, "", false),
        ("flush_all 0 0\r\n", Command::FlushAll, "", false),
        ("flush_all -5 noreply\r\n", Command::FlushAll, "", true),
        ("flush_all noreply\r\n", Command::FlushAll, "", true),
        ("verbosity 99999999999\r\n", Command::Verbosity, "", false),
        ("verbosity 1 noreply\r\n", Command::Verbosity, "", true),
        ("version\r\n", Command::Version, "", false),
        ("version noreply\r\n", Command::Version, "", false),
        ("quit x\r\n", Command::Quit, "", false),
        ("stats\r\n", Command::Stats, "", false),
        ("stats items\r\n", Command::StatsItems, "", false),
        ("stats  reset x\r\n", Command::StatsReset, "", false),
        ("mn\r\n", Command::MetaNoop, "", false),
        ("me aw== b\r\n", Command::MetaDebug, "aw==", false),
        ("watch fetchers noreply\r\n", Command::Watch, "", true),
    ];
    for (frame, command, key, noreply) in cases {
        let bytes = frame.as_bytes();
        let request = done(bytes);
        assert_eq!(request.command(), command, "{frame:?}");
        assert_eq!(text(request.key().of(bytes)), key, "{frame:?}");
        assert_eq!(request.noreply(), noreply, "{frame:?}");
        assert_eq!(request.key_count(), usize::from(!key.is_empty()));
    }
}

#[test]
fn meta_flags_are_read() {
    let frame = b"mg a2V5 b v k O123 q T30 t\r\n";
    let request = done(frame);
    let flags: Vec<(u8, &[u8])> = request.meta_flags(frame).collect();
    let expected: [(u8, &[u8]); 7] =
        [(b'b', b""), (b'v', b""), (b'k', b""), (b'O', b"123"), (b'q', b""), (b'T', b"30"), (b't', b"")];
    assert_eq!(flags, expected);
    assert!(request.quiet() && request.binary_key() && request.flags().has(b'O'));
    assert_eq!(request.routing_key(frame, &mut [0; KEY_BYTES_MAX]), b"key");
    assert_eq!(request.key().of(frame), b"a2V5");

    let frame = b"ms k 2 q c\r\nhi\r\n";
    let request = done(frame);
    assert_eq!(request.meta_flags(frame).map(|(letter, _)| letter).collect::<Vec<_>>(), b"qc");
    assert_eq!(request.routing_key(frame, &mut [0; KEY_BYTES_MAX]), b"k");

    // memcached reads at most seventeen flags after a key
    for frame in
        ["mg k v q k c f s t h l u O P L T0 N0 R0 I\r\n", "ms k 1 q k c f s t h l u O P L T0 N0 R0\r\nx\r\n"]
    {
        done(frame.as_bytes());
    }
}

#[test]
fn what_may_be_repeated() {
    let cases = [
        ("get k\r\n", true),
        ("gets a b\r\n", true),
        ("gat 0 k\r\n", false),
        ("mg k v\r\n", true),
        ("mg k v T30\r\n", false),
        ("mg k N30\r\n", false),
        ("mg k R30\r\n", false),
        ("mg k E30\r\n", false),
        ("me k\r\n", true),
        ("version\r\n", true),
        ("delete k\r\n", false),
        ("touch k 1\r\n", false),
        ("incr k 1\r\n", false),
        ("ma k\r\n", false),
        ("flush_all\r\n", false),
    ];
    for (frame, safe) in cases {
        assert_eq!(done(frame.as_bytes()).retry_safe(), safe, "{frame:?}");
    }
}

#[test]
fn forwarded_without_noreply_and_q() {
    let cases = [
        ("get k\r\n", "get k\r\n"),
        ("get  a  b \r\n", "get  a  b \r\n"),
        ("get k\n", "get k\r\n"),
        ("set k 0 0 1 noreply\r\nx\r\n", "set k 0 0 1\r\nx\r\n"),
        ("set k 0 0 1   noreply  \nx\r\n", "set k 0 0 1  \r\nx\r\n"),
        ("delete k 0 noreply\r\n", "delete k 0\r\n"),
        ("delete noreply\r\n", "delete noreply\r\n"),
        ("flush_all noreply\r\n", "flush_all\r\n"),
        ("mg k q\r\n", "mg k\r\n"),
        ("mg k v  q k\r\n", "mg k v k\r\n"),
        ("mg q qO\r\n", "mg q\r\n"),
        ("ms k 1 q\nx\r\n", "ms k 1\r\nx\r\n"),
        ("md k O5 q\r\n", "md k O5\r\n"),
    ];
    for (frame, sent) in cases {
        let request = done(frame.as_bytes());
        assert_eq!(text(&request.forward(frame.as_bytes()).concat()), text(sent.as_bytes()));
        assert_eq!(request.is_verbatim(), frame == sent, "{frame:?}");
    }
}

/// Recovery after a bad request.
#[derive(Debug, PartialEq)]
enum Then {
    /// The next line is the next request.
    Line,
    /// Number of bytes after the line that are swallowed.
    Swallow(u64),
    Close,
}

const FORMAT: &str = "CLIENT_ERROR bad command line format";
const EXPTIME: &str = "CLIENT_ERROR invalid exptime argument";
const DELTA: &str = "CLIENT_ERROR invalid numeric delta argument";
const DELETE: &str = "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]";
const FLAG: &str = "CLIENT_ERROR invalid or duplicate flag";
const TOKEN: &str = "CLIENT_ERROR bad token in command line format";
const KEY: &str = "CLIENT_ERROR error decoding key";

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn malformed() {
    use Then::*;
    let long = "k".repeat(KEY_BYTES_MAX + 1);
    let opaque = "x".repeat(32);
    let many = "v ".repeat(18);
    let cases: Vec<(String, &str, Then)> = [
        ("\r\n", "ERROR", Line),
        ("\n", "ERROR", Line),
        (" \r\n", "ERROR", Line),
        ("g\r\n", "ERROR", Line),
        ("foo\r\n", "ERROR", Line),
        ("GET k\r\n", "ERROR", Line),
        ("versionx\r\n", "ERROR", Line),
        ("mx k\r\n", "ERROR", Line),
        ("mnx\r\n", "ERROR", Line),
        ("get\r\n", "ERROR", Line),
        ("get \r\n", "ERROR", Line),
        ("gat\r\n", "ERROR", Line),
        ("gat 0\r\n", "END", Line),
        ("gat x\r\n", EXPTIME, Line),
        ("gat x k\r\n", EXPTIME, Line),
        ("get LONG\r\n", FORMAT, Line),
        ("get k LONG j\r\n", FORMAT, Line),
        ("get k\0j\r\n", FORMAT, Close),
        ("\0", FORMAT, Close),
        ("\u{80}\u{1}", "CLIENT_ERROR the binary protocol is not supported", Close),
        ("set\r\n", "ERROR", Line),
        ("set k\r\n", "ERROR", Line),
        ("set k 0\r\n", "ERROR", Line),
        ("set k 0 0\r\n", "ERROR", Close),
        ("set  0 0 5\r\n", "ERROR", Close),
        ("set k 0 0 1 2 3\r\n", "ERROR", Close),
        ("set my key 0 0 5\r\n", FORMAT, Close),
        ("set k 0 0 a\r\n", FORMAT, Close),
        ("set k 0 0 -1\r\n", FORMAT, Close),
        ("set k 0 0 +1\r\n", FORMAT, Close),
        ("set k 0 0 2147483646\r\n", FORMAT, Close),
        ("set k 0 0 4294967297\r\n", FORMAT, Close),
        ("set k 0 0 noreply\r\n", FORMAT, Close),
        ("set k a 0 7\r\n", FORMAT, Swallow(9)),
        ("set k -1 0 7\r\n", FORMAT, Swallow(9)),
        ("set k 18446744073709551616 0 7\r\n", FORMAT, Swallow(9)),
        ("set k 0 a 7\r\n", FORMAT, Swallow(9)),
        ("set LONG 0 0 7\r\n", FORMAT, Swallow(9)),
        ("set LONG 0 0 7 noreply\r\n", "", Swallow(9)),
        ("set k a 0 7 noreply\r\n", "", Swallow(9)),
        ("set k 0 0 3\r\nabcdef\r\n", "CLIENT_ERROR bad data chunk", Close),
        ("set k 0 0 3 noreply\r\nabcdef\r\n", "CLIENT_ERROR bad data chunk", Close),
        ("set k 0 0 1\r\nx\nget k\r\n", "CLIENT_ERROR bad data chunk", Close),
        ("ms k 1\r\nxyz\r\n", "CLIENT_ERROR bad data chunk", Close),
        ("cas k 0 0 1\r\n", "ERROR", Close),
        ("cas k 0 0\r\n", "ERROR", Line),
        ("cas k 0 0 1 -5\r\n", FORMAT, Swallow(3)),
        ("cas k 0 0 1 noreply\r\n", "", Swallow(3)),
        ("cas k 0 0 1 99999999999999999999 noreply\r\n", "", Swallow(3)),
        ("cas k 0 0 1 x y\r\n", FORMAT, Close),
        ("cas k 0 0 1 5 6 noreply\r\n", "ERROR", Close),
        ("incr\r\n", "ERROR", Line),
        ("incr k\r\n", "ERROR", Line),
        ("incr k x\r\n", DELTA, Line),
        ("incr k -1\r\n", DELTA, Line),
        ("incr k 1.5\r\n", DELTA, Line),
        ("incr k 18446744073709551616\r\n", DELTA, Line),
        ("incr k noreply\r\n", "", Line),
        ("incr k 1 2 noreply\r\n", "ERROR", Line),
        ("incr LONG 1\r\n", FORMAT, Line),
        ("touch k\r\n", "ERROR", Line),
        ("touch k x\r\n", EXPTIME, Line),
        ("touch k x noreply\r\n", "", Line),
        ("touch LONG x\r\n", FORMAT, Line),
        ("delete\r\n", "ERROR", Line),
        ("delete k 1\r\n", DELETE, Line),
        ("delete k 00\r\n", DELETE, Line),
        ("delete k junk\r\n", DELETE, Line),
        ("delete k 0 junk\r\n", DELETE, Line),
        ("delete k 1 noreply\r\n", "", Line),
        ("delete k 0 0 noreply\r\n", "ERROR", Line),
        ("delete LONG\r\n", FORMAT, Line),
        ("delete LONG noreply\r\n", "", Line),
        ("flush_all x\r\n", EXPTIME, Line),
        ("flush_all x noreply\r\n", "", Line),
        ("flush_all noreply 5\r\n", EXPTIME, Line),
        ("flush_all 0 0 0\r\n", "ERROR", Line),
        ("verbosity\r\n", "ERROR", Line),
        ("verbosity x\r\n", FORMAT, Line),
        ("verbosity -1\r\n", FORMAT, Line),
        ("verbosity noreply\r\n", "", Line),
        ("verbosity 0 1 2\r\n", "ERROR", Line),
        (
            "stats detail on\r\n",
            "CLIENT_ERROR stats with this argument is not available through a proxy",
            Line,
        ),
        ("mg\r\n", "ERROR", Line),
        ("mg LONG\r\n", FORMAT, Line),
        ("mg k MANY\r\n", "CLIENT_ERROR options flags are too long", Line),
        ("md k MANY\r\n", "CLIENT_ERROR options flags too long", Line),
        ("ma k MANY\r\n", "CLIENT_ERROR options flags too long", Line),
        ("mg k v v\r\n", "CLIENT_ERROR duplicate flag", Line),
        ("mg k v vx\r\n", "CLIENT_ERROR duplicate flag", Line),
        ("mg k \u{ff}\r\n", "CLIENT_ERROR duplicate flag", Line),
        ("mg k y\r\n", "CLIENT_ERROR invalid flag", Line),
        ("mg k S\r\n", "CLIENT_ERROR invalid flag", Line),
        ("mg k 5\r\n", "CLIENT_ERROR invalid flag", Line),
        ("mg k Tx\r\n", TOKEN, Line),
        ("mg k T\r\n", TOKEN, Line),
        ("mg k N\r\n", TOKEN, Line),
        ("mg k Tx y\r\n", "CLIENT_ERROR invalid flag", Line),
        ("mg k Tx Jx\r\n", "CLIENT_ERROR invalid numeric initial value", Line),
        ("mg k Tx Fx\r\n", TOKEN, Line),
        ("mg k Fx\r\n", FORMAT, Line),
        ("mg k Cx\r\n", TOKEN, Line),
        ("mg k D\r\n", "CLIENT_ERROR invalid numeric delta value", Line),
        ("mg k M\r\n", "CLIENT_ERROR incorrect length for M token", Line),
        ("mg k MZZ\r\n", "CLIENT_ERROR incorrect length for M token", Line),
        ("mg k OOPAQUE\r\n", "CLIENT_ERROR opaque token too long", Line),
        ("mg k b\r\n", KEY, Line),
        ("mg aw b\r\n", KEY, Line),
        ("ms\r\n", "ERROR", Line),
        ("ms k\r\n", FORMAT, Close),
        ("ms k x\r\n", FORMAT, Close),
        ("ms k S1\r\n", FORMAT, Close),
        ("ms k -1\r\n", FORMAT, Close),
        ("ms k 2147483646\r\n", FORMAT, Close),
        ("ms LONG 1\r\n", FORMAT, Swallow(3)),
        ("ms k 1 MANY\r\n", "CLIENT_ERROR options flags too long", Swallow(3)),
        ("ms k 1 y\r\n", "CLIENT_ERROR invalid flag", Swallow(3)),
        ("ms k 1 q q\r\n", "CLIENT_ERROR duplicate flag", Swallow(3)),
        ("ms k 1 Tx q\r\n", TOKEN, Swallow(3)),
        ("ms k 1 MZ\r\n", "CLIENT_ERROR invalid mode for ms M token", Swallow(3)),
        ("ms k 1 b\r\n", KEY, Swallow(3)),
        ("ms k 1 OOPAQUE\r\n", "CLIENT_ERROR opaque token too long", Swallow(3)),
        ("md\r\n", "ERROR", Line),
        ("md LONG\r\n", FORMAT, Line),
        ("md k y\r\n", FLAG, Line),
        ("md k q q\r\n", FLAG, Line),
        ("md k Tx\r\n", FLAG, Line),
        ("ma\r\n", "ERROR", Line),
        ("ma k Dx\r\n", FLAG, Line),
        ("ma k MX\r\n", "CLIENT_ERROR invalid mode for ma M token", Line),
        ("me\r\n", FORMAT, Line),
        ("me LONG\r\n", FORMAT, Line),
        ("me a%% b\r\n", FORMAT, Line),
    ]
    .into_iter()
    .map(|(frame, reply, then)| {
        let frame = frame.replace("LONG", &long).replace("OPAQUE", &opaque).replace("MANY", &many);
        (frame, reply, then)
    })
    .collect();
    for (frame, reply, then) in cases {
        // characters up to U+00FF stand for bytes
        let bytes: Vec<u8> = frame.chars().map(|c| c as u8).collect();
        let bad = bad(&bytes);
        let line = bytes.iter().position(|&byte| byte == b'\n').map_or(0, |at| at as u64 + 1);
        let expected = if reply.is_empty() { String::new() } else { format!("{reply}\r\n") };
        assert_eq!(text(bad.reply), text(expected.as_bytes()), "{frame:?}");
        let found = match (bad.close, bad.skip.saturating_sub(line)) {
            (true, _) => Close,
            (false, 0) => Line,
            (false, more) => Swallow(more),
        };
        assert_eq!(found, then, "{frame:?}");
    }
}

#[test]
fn limits_at_the_maximum_and_one_past_it() {
    let limits =
        Limits { line_bytes_max: 40, get_line_bytes_max: 90, value_bytes_max: 10, ..Limits::default() };
    let too_long = |frame: &str| {
        let outcome = scan_with(frame.as_bytes(), &limits);
        matches!(outcome, Scan::Bad(bad) if bad.close && bad.reply == b"CLIENT_ERROR line too long\r\n")
    };
    let is_done = |frame: &str| matches!(scan_with(frame.as_bytes(), &limits), Scan::Done(_));
    assert!(is_done(&format!("mg {}\r\n", "k".repeat(36))));
    assert!(too_long(&format!("mg {}\r\n", "k".repeat(37))));
    // a bare LF is forwarded as CR LF, which must be within the limit
    assert!(is_done(&format!("mg {}\n", "k".repeat(36))));
    assert!(too_long(&format!("mg {}\n", "k".repeat(37))));
    assert!(is_done(&format!("get {}\r\n", "k".repeat(85))));
    assert!(too_long(&format!("get {}\r\n", "k".repeat(86))));
    assert!(too_long(&format!("gat 0 {}\r\n", "k ".repeat(20))));
    assert!(too_long(&"x".repeat(50)));
    assert!(is_done("set k 0 0 10\r\n0123456789\r\n"));
    let outcome = scan_with(b"set k 0 0 11\r\n", &limits);
    assert!(matches!(outcome, Scan::Bad(bad) if bad.reply == b"SERVER_ERROR object too large for cache\r\n"
        && bad.skip == 14 + 11 + 2 && !bad.close));
    let outcome = scan_with(b"ms k 11 q\r\n", &limits);
    assert!(matches!(outcome, Scan::Bad(bad) if bad.reply == b"SERVER_ERROR object too large for cache\r\n"));

    let key = "k".repeat(KEY_BYTES_MAX);
    for frame in ["get KEY\r\n", "set KEY 0 0 1\r\nx\r\n", "mg KEY\r\n", "delete KEY\r\n", "incr KEY 1\r\n"] {
        done(frame.replace("KEY", &key).as_bytes());
        assert_eq!(
            bad(frame.replace("KEY", &format!("{key}k")).as_bytes()).reply,
            format!("{FORMAT}\r\n").as_bytes()
        );
    }
    done(format!("mg k O{}\r\n", "x".repeat(31)).as_bytes());

    // spaces before a long get: a server would disconnect
    let get = format!("{}get {}\r\n", " ".repeat(100), "k ".repeat(1500));
    assert!(matches!(scan(get.as_bytes()), Scan::Done(_)));
    assert!(matches!(scan(format!(" {get}").as_bytes()), Scan::Bad(bad) if bad.close));
}

#[test]
fn large_values_are_waited_for_by_their_length() {
    let mut scanner = RequestScanner::new();
    let head = b"set k 0 0 1000000\r\n";
    let whole = head.len() + 1_000_002;
    assert_eq!(scanner.scan(head, &Limits::default()), Scan::NeedMore { want: whole });
    let mut frame = head.to_vec();
    frame.resize(whole - 2, b'v');
    assert_eq!(scanner.scan(&frame, &Limits::default()), Scan::NeedMore { want: whole });
    frame.extend_from_slice(b"\r\n");
    let Scan::Done(request) = scanner.scan(&frame, &Limits::default()) else { panic!() };
    assert_eq!(request.data().len(), 1_000_000);
    assert!(matches!(scanner.scan(b"get k\r\n", &Limits::default()), Scan::Done(_)));
}
