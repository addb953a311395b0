//! Replies: their ends and statuses, fed whole and one byte at a time; bytes that are no reply to the
//! request; limits; blocks parsed and merged; quiet mode.

use nuthatch_wire::memcache::{
    BadReply, Blocks, Command, Expect, Limits, Reply, ReplyKind, ReplyScanner, RequestScanner, Scan, Status,
    suppressed,
};

fn scan_with(bytes: &[u8], (expect, asked): (Expect, &str), limits: &Limits) -> Scan<Reply, BadReply> {
    let asked = asked.as_bytes();
    let whole = ReplyScanner::new().scan(bytes, expect, asked, limits);
    let mut scanner = ReplyScanner::new();
    for shown in 0..bytes.len() {
        match scanner.scan(&bytes[..shown], expect, asked, limits) {
            Scan::NeedMore { want } => assert!(want > shown),
            early => {
                assert_eq!(early, whole, "after {shown} bytes of {:?}", bytes.escape_ascii().to_string());
                return whole;
            }
        }
    }
    assert_eq!(scanner.scan(bytes, expect, asked, limits), whole);
    whole
}

/// The expected form of a reply to `frame`, and the requested keys.
fn expect(frame: &str) -> (Expect, &str) {
    match RequestScanner::new().scan(frame.as_bytes(), &Limits::default()) {
        Scan::Done(request) => (request.expect(), &frame[request.asked().range()]),
        other => panic!("{frame:?}: {other:?}"),
    }
}

fn scan(request: &str, bytes: &str) -> Scan<Reply, BadReply> {
    scan_with(bytes.as_bytes(), expect(request), &Limits::default())
}

#[test]
fn whole_replies() {
    let cases = [
        ("get k\r\n", "END\r\n", Status::End, 0),
        ("get k\r\n", "VALUE k 0 5\r\nhello\r\nEND\r\n", Status::End, 1),
        ("get a b\r\n", "VALUE a 0 0\r\n\r\nVALUE b 4294967295 4\r\n\r\n\r\n\r\nEND\r\n", Status::End, 2),
        ("get a b\r\n", "VALUE a 0 1\r\nx\r\nSERVER_ERROR out of memory\r\n", Status::ServerError, 1),
        ("gets k\r\n", "VALUE k 0 1 18446744073709551615\r\nx\r\nEND\r\n", Status::End, 1),
        ("gat 0 k\r\n", "VALUE k 0 1\r\nx\r\nEND\r\n", Status::End, 1),
        ("gats 0 k\r\n", "VALUE k 0 1 7\r\nx\r\nEND\r\n", Status::End, 1),
        ("set k 0 0 1\r\nx\r\n", "STORED\r\n", Status::Stored, 0),
        ("add k 0 0 1\r\nx\r\n", "NOT_STORED\r\n", Status::NotStored, 0),
        ("cas k 0 0 1 1\r\nx\r\n", "EXISTS\r\n", Status::Exists, 0),
        ("cas k 0 0 1 1\r\nx\r\n", "NOT_FOUND\r\n", Status::NotFound, 0),
        ("incr k 1\r\n", "18446744073709551615\r\n", Status::Number, 0),
        ("decr k 1\r\n", "9 \r\n", Status::Number, 0),
        ("decr k 1\r\n", "NOT_FOUND\r\n", Status::NotFound, 0),
        ("touch k 1\r\n", "TOUCHED\r\n", Status::Touched, 0),
        ("delete k\r\n", "DELETED\r\n", Status::Deleted, 0),
        ("flush_all\r\n", "OK\r\n", Status::Ok, 0),
        ("verbosity 1\r\n", "OK\r\n", Status::Ok, 0),
        ("version\r\n", "VERSION 1.6.18\r\n", Status::Version, 0),
        ("stats\r\n", "END\r\n", Status::End, 0),
        ("stats\r\n", "STAT pid 1\r\nSTAT version 1 2 3\r\nSTAT empty\r\nEND\r\n", Status::End, 0),
        ("mg k v\r\n", "EN\r\n", Status::Miss, 0),
        ("mg k k O1\r\n", "EN kk O1\r\n", Status::Miss, 0),
        ("mg a2V5 b k v\r\n", "VA 1 ka2V5 b\r\nx\r\n", Status::Value, 0),
        ("get a b c\r\n", "VALUE c 0 1\r\nx\r\nVALUE a 0 1\r\ny\r\nEND\r\n", Status::End, 2),
        ("mg k\r\n", "HD\r\n", Status::Header, 0),
        ("mg k t\r\n", "HD t-1 W\r\n", Status::Header, 0),
        ("mg k v\r\n", "VA 5 kk f0\r\nhello\r\n", Status::Value, 0),
        ("mg k v\r\n", "VA 0\r\n\r\n", Status::Value, 0),
        ("ms k 1\r\nx\r\n", "HD kk\r\n", Status::Header, 0),
        ("ms k 1\r\nx\r\n", "NS\r\n", Status::MetaNotStored, 0),
        ("ms k 1\r\nx\r\n", "EX\r\n", Status::MetaExists, 0),
        ("ms k 1\r\nx\r\n", "NF\r\n", Status::MetaNotFound, 0),
        ("md k\r\n", "NF knone O5\r\n", Status::MetaNotFound, 0),
        ("ma k v\r\n", "VA 2\r\n10\r\n", Status::Value, 0),
        ("ma k\r\n", "HD\r\n", Status::Header, 0),
        ("me k\r\n", "ME k exp=-1 la=0 cas=50\r\n", Status::Debug, 0),
        ("me k\r\n", "EN\r\n", Status::Miss, 0),
        ("get k\r\n", "ERROR\r\n", Status::Error, 0),
        ("get k\r\n", "ERROR Too many open connections\r\n", Status::Error, 0),
        ("set k 0 0 1\r\nx\r\n", "CLIENT_ERROR \r\n", Status::ClientError, 0),
        ("stats\r\n", "SERVER_ERROR\r\n", Status::ServerError, 0),
        ("ma k\r\n", "CLIENT_ERROR cannot increment\r\n", Status::ClientError, 0),
    ];
    for (request, bytes, status, blocks) in cases {
        let Scan::Done(reply) = scan(request, bytes) else { panic!("{request:?} {bytes:?}") };
        assert_eq!((reply.status, reply.len, reply.blocks), (status, bytes.len(), blocks), "{bytes:?}");
        // the following bytes belong to the next reply
        let more = format!("{bytes}END\r\n");
        assert_eq!(scan(request, &more), Scan::Done(reply.clone()));
        // before its end there is no reply
        assert!(matches!(scan(request, &bytes[..bytes.len() - 1]), Scan::NeedMore { .. }));
        let last = &bytes[reply.last_line.clone()];
        assert!(last.ends_with("\r\n") && last.matches('\n').count() == 1, "{last:?}");
    }
}

#[test]
fn not_a_reply_to_the_request() {
    use BadReply::*;
    let long = "k".repeat(251);
    let cases = [
        ("get k\r\n", "STORED\r\n", Unexpected),
        ("get k\r\n", "OK\r\n", Unexpected),
        ("get k\r\n", "HD\r\n", Unexpected),
        ("get k\r\n", "STAT pid 1\r\n", Unexpected),
        ("get k\r\n", "END \r\n", Unexpected),
        ("get k\r\n", "END\n", Line),
        ("get k\r\n", "\r\n", Unexpected),
        ("get k\r\n", "12x\r\n", Unexpected),
        ("get k\r\n", "VALUE\r\n", Unexpected),
        ("get k\r\n", "VALUE k\r\n", Unexpected),
        ("get k\r\n", "VALUE k 0\r\n", Unexpected),
        ("get k\r\n", "VALUE  0 1\r\n", Unexpected),
        ("get k\r\n", "VALUE k 0 x\r\n", Length),
        ("get k\r\n", "VALUE k x 1\r\n", Length),
        ("get k\r\n", "VALUE k 0 -1\r\n", Length),
        ("get k\r\n", "VALUE k 0 99999999999\r\n", Length),
        ("get k\r\n", "VALUE k 0 18446744073709551616\r\n", Length),
        ("get k\r\n", "VALUE k 0 1 5\r\n", Unexpected),
        ("gets k\r\n", "VALUE k 0 1\r\n", Unexpected),
        ("gets k\r\n", "VALUE k 0 1 2 3\r\n", Unexpected),
        ("get k\r\n", "VALUE k 0 1\r\nxyz", Data),
        ("get k\r\n", "VALUE LONG 0 1\r\n", Unexpected),
        ("get k\r\n", "VALUE k 0 1\r\nx\r\nVALUE k 0 1\r\n", TooManyBlocks),
        ("get k\r\n", "VALUE other 0 1\r\n", NotAsked),
        ("get k\r\n", "VALUE kk 0 1\r\n", NotAsked),
        ("get kk\r\n", "VALUE k 0 1\r\n", NotAsked),
        ("gets a b\r\n", "VALUE b 0 1 1\r\nx\r\nVALUE c 0 1 1\r\n", NotAsked),
        ("gat 60 k\r\n", "VALUE 60 0 1\r\n", NotAsked),
        ("mg k k v\r\n", "VA 1 kother\r\n", NotAsked),
        ("mg k O12\r\n", "HD O1\r\n", NotAsked),
        ("ms k 1 k O12\r\nx\r\n", "HD kj O12\r\n", NotAsked),
        ("md k k q\r\n", "NF kj\r\n", NotAsked),
        ("ma k k v\r\n", "VA 1 kj\r\n", NotAsked),
        ("me k\r\n", "ME j exp=-1\r\n", NotAsked),
        ("get k\r\n", "ERRORS\r\n", Unexpected),
        ("get k\r\n", "stored\r\n", Unexpected),
        ("get k\r\n", "+OK\r\n", Unexpected),
        ("set k 0 0 1\r\nx\r\n", "END\r\n", Unexpected),
        ("set k 0 0 1\r\nx\r\n", "STORED x\r\n", Unexpected),
        ("incr k 1\r\n", "-5\r\n", Unexpected),
        ("incr k 1\r\n", "18446744073709551616\r\n", Unexpected),
        ("touch k 1\r\n", "STORED\r\n", Unexpected),
        ("delete k\r\n", "TOUCHED\r\n", Unexpected),
        ("version\r\n", "VERSION\r\n", Unexpected),
        ("stats\r\n", "STAT \r\n", Unexpected),
        ("mg k\r\n", "NF\r\n", Unexpected),
        ("mg k\r\n", "HDx\r\n", Unexpected),
        ("mg k v\r\n", "VA\r\n", Length),
        ("mg k v\r\n", "VA x\r\n", Length),
        ("mg k v\r\n", "VA 1\r\nxyz", Data),
        ("ms k 1\r\nx\r\n", "VA 1\r\n", Unexpected),
        ("ms k 1\r\nx\r\n", "STORED\r\n", Unexpected),
        ("md k\r\n", "NS\r\n", Unexpected),
        ("me k\r\n", "HD\r\n", Unexpected),
        ("quit\r\n", "OK\r\n", Unexpected),
    ];
    for (request, bytes, fault) in cases {
        let bytes = bytes.replace("LONG", &long);
        assert_eq!(scan(request, &bytes), Scan::Bad(fault), "{request:?} {bytes:?}");
    }
}

/// nutcracker 0.5.0 forwards any well-formed text reply, whatever the request.
#[test]
fn any_text_reply_can_be_let_through() {
    let any = (Expect { kind: ReplyKind::AnyText, keys: 1 }, "k");
    for bytes in [
        "STORED\r\n",
        "NOT_STORED\r\n",
        "EXISTS\r\n",
        "NOT_FOUND\r\n",
        "DELETED\r\n",
        "TOUCHED\r\n",
        "END\r\n",
        "123\r\n",
        "VERSION 9.9\r\n",
        "VALUE k 0 1\r\nx\r\nVALUE k 0 1\r\ny\r\nEND\r\n",
        "VALUE k 0 1 5\r\nx\r\nEND\r\n",
        "SERVER_ERROR\r\n",
        "CLIENT_ERROR \r\n",
        "ERROR\r\n",
    ] {
        let outcome = scan_with(bytes.as_bytes(), any, &Limits::default());
        assert!(matches!(outcome, Scan::Done(reply) if reply.len == bytes.len()), "{bytes:?}");
    }
    for bytes in [
        "OK\r\n",
        "HD\r\n",
        "STAT pid 1\r\nEND\r\n",
        "BUSY x\r\n",
        "RESET\r\n",
        "VALUE k 0 1\r\nx\r\nSTORED\r\n",
    ] {
        assert!(matches!(scan_with(bytes.as_bytes(), any, &Limits::default()), Scan::Bad(_)), "{bytes:?}");
    }
}

#[test]
fn limits_at_the_maximum_and_one_past_it() {
    let limits = Limits { value_bytes_max: 3, stats_bytes_max: 40, ..Limits::default() };
    let values = (Expect { kind: ReplyKind::Values, keys: 2 }, "k k");
    let is_done = |bytes: &str, expect| matches!(scan_with(bytes.as_bytes(), expect, &limits), Scan::Done(_));
    assert!(is_done("VALUE k 0 3\r\nabc\r\nEND\r\n", values));
    assert_eq!(scan_with(b"VALUE k 0 4\r\n", values, &limits), Scan::Bad(BadReply::Length));
    assert!(is_done("VALUE k 0 0\r\n\r\nVALUE k 0 0\r\n\r\nEND\r\n", values));
    let meta = (Expect { kind: ReplyKind::MetaGet, keys: 1 }, "");
    assert!(is_done("VA 3\r\nabc\r\n", meta));
    assert_eq!(scan_with(b"VA 4\r\n", meta, &limits), Scan::Bad(BadReply::Length));
    let stats = (Expect { kind: ReplyKind::Stats, keys: 0 }, "");
    assert!(is_done(&format!("STAT {}\r\nEND\r\n", "x".repeat(34)), stats));
    let outcome = scan_with(format!("STAT {}\r\nEND\r\n", "x".repeat(36)).as_bytes(), stats, &limits);
    assert_eq!(outcome, Scan::Bad(BadReply::TooLong));
    let error = |len: usize| format!("SERVER_ERROR {}\r\n", "x".repeat(len));
    assert!(is_done(&error(2048 - 14), values));
    assert_eq!(scan_with(error(2048 - 13).as_bytes(), values, &limits), Scan::Bad(BadReply::Line));
    assert_eq!(scan_with(&[b'x'; 2050], values, &limits), Scan::Bad(BadReply::Line));
}

#[test]
fn blocks_of_two_servers_in_request_order() {
    let frame = b"get a x b c a d\r\n";
    let Scan::Done(request) = RequestScanner::new().scan(frame, &Limits::default()) else { panic!() };
    // a, b and d live on the first server, x and c on the second; b and x are misses
    let replies: [&[u8]; 2] = [
        b"VALUE a 0 2\r\n\r\n\r\nVALUE a 0 2\r\n\r\n\r\nVALUE d 7 1\r\nD\r\nEND\r\n",
        b"VALUE c 0 1\r\nC\r\nEND\r\n",
    ];
    let mut blocks = replies.map(Blocks::new);
    let mut merged = Vec::new();
    for key in request.keys(frame) {
        let key = key.of(frame);
        let server = usize::from(key == b"x" || key == b"c");
        if let Some(block) = blocks[server].next_for(key) {
            merged.extend_from_slice(&replies[server][block.whole]);
        }
    }
    let expected = "VALUE a 0 2\r\n\r\n\r\nVALUE c 0 1\r\nC\r\nVALUE a 0 2\r\n\r\n\r\nVALUE d 7 1\r\nD\r\n";
    assert_eq!(merged.escape_ascii().to_string(), expected.as_bytes().escape_ascii().to_string());
    for (reply, blocks) in replies.iter().zip(&blocks) {
        assert_eq!(&reply[blocks.position()..], b"END\r\n");
    }
    assert_eq!(Blocks::resume(replies[0], blocks[0].position()).next(), None);
    let block = Blocks::new(replies[1]).next().unwrap();
    assert_eq!((&replies[1][block.key], &replies[1][block.data]), (&b"c"[..], &b"C"[..]));
}

#[test]
fn quiet_mode_hides_what_memcached_hides() {
    let cases = [
        ("mg k q\r\n", Command::MetaGet, &[Status::Miss][..]),
        ("ms k 1 q\r\nx\r\n", Command::MetaSet, &[Status::Header]),
        ("md k q\r\n", Command::MetaDelete, &[Status::Header]),
        ("ma k v q\r\n", Command::MetaArithmetic, &[Status::Header, Status::Value]),
        ("mg k v\r\n", Command::MetaGet, &[]),
        ("get q\r\n", Command::Get, &[]),
        ("set k 0 0 1\r\nx\r\n", Command::Set, &[]),
    ];
    let all = [
        Status::Miss,
        Status::Header,
        Status::Value,
        Status::MetaNotStored,
        Status::MetaExists,
        Status::MetaNotFound,
        Status::ClientError,
        Status::ServerError,
        Status::Stored,
        Status::End,
    ];
    for (frame, command, hidden) in cases {
        let Scan::Done(request) = RequestScanner::new().scan(frame.as_bytes(), &Limits::default()) else {
            panic!("{frame:?}");
        };
        assert_eq!(request.command(), command);
        for status in all {
            assert_eq!(suppressed(&request, status), hidden.contains(&status), "{frame:?} {status:?}");
        }
    }
    let Scan::Done(request) = RequestScanner::new().scan(b"set k 0 0 1 noreply\r\nx\r\n", &Limits::default())
    else {
        panic!();
    };
    assert!(all.iter().all(|&status| suppressed(&request, status)));
}
