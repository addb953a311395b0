//! Requests as clients send them, whole and one byte at a time: their parts, refusals, and each limit at its
//! value and one past it.

use nuthatch_wire::redis::{Limits, ProtocolError, Request, RequestScanner, Scan, encode, encode_inline};

/// Scans `bytes` whole and one byte at a time; both must give the same result.
fn check(bytes: &[u8], limits: &Limits) -> Scan {
    let whole = RequestScanner::new().scan(bytes, limits);
    let mut scanner = RequestScanner::new();
    for len in 0..=bytes.len() {
        match scanner.scan(&bytes[..len], limits) {
            Scan::NeedMore { want } => {
                assert!(want > len, "wants {want} of {len} bytes: {}", bytes.escape_ascii());
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
    for word in words {
        encode::bulk(&mut out, word);
    }
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
        assert_eq!(args.iter().map(nuthatch_wire::redis::Argument::bytes).collect::<Vec<_>>(), *words);
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

#[test]
fn nothing_to_do_is_skipped() {
    for bytes in
        [&b"*0\r\n"[..], b"*-1\r\n", b"*-999999999999999999\r\n", b"\r\n", b"\n", b" \t \r\n", b"\0PING\r\n"]
    {
        assert_eq!(
            check(bytes, &Limits::default()),
            Scan::Skip { len: bytes.len() },
            "{}",
            bytes.escape_ascii()
        );
    }
}

#[test]
fn malformed() {
    let multibulk = "invalid multibulk length";
    let bulk = "invalid bulk length";
    let unterminated = "expected CRLF after bulk";
    let cases: &[(&[u8], &str)] = &[
        (b"*x\r\n", multibulk),
        (b"*\r\n", multibulk),
        (b"*+1\r\n", multibulk),
        (b"* 1\r\n", multibulk),
        (b"*01\r\n", multibulk),
        (b"*00\r\n", multibulk),
        (b"*-0\r\n", multibulk),
        (b"*1.0\r\n", multibulk),
        (b"*0x1\r\n", multibulk),
        (b"*1\n$4\nPING\n", multibulk),
        (b"*1\r\r\n", multibulk),
        (b"*1\rx", multibulk),
        (b"*4294967297\r\n", multibulk),
        (b"*18446744073709551617\r\n", multibulk),
        (b"*1\r\nPING\r\n", "expected '$', got 'P'"),
        (b"*1\r\n*1\r\n", "expected '$', got '*'"),
        (b"*2\r\n:1\r\n", "expected '$', got ':'"),
        (b"*1\r\n\r\n", "expected '$', got ' '"),
        (b"*1\r\n\xff", "expected '$', got ' '"),
        (b"*2\r\n$3\r\nGET\r\n\0", "expected '$', got ' '"),
        (b"*1\r\n$x\r\n", bulk),
        (b"*1\r\n$\r\n", bulk),
        (b"*1\r\n$-1\r\n", bulk),
        (b"*1\r\n$-0\r\n", bulk),
        (b"*1\r\n$+4\r\n", bulk),
        (b"*1\r\n$04\r\nPING\r\n", bulk),
        (b"*1\r\n$4\nPING\r\n", bulk),
        (b"*1\r\n$4\r\r\n", bulk),
        (b"*1\r\n$4294967300\r\nPING\r\n", bulk),
        (b"*1\r\n$18446744073709551620\r\n", bulk),
        (b"*1\r\n$3\r\nPING\r\n", unterminated),
        (b"*1\r\n$5\r\nPING\r\n*1\r\n", unterminated),
        (b"*1\r\n$4\r\nPING\r\r", unterminated),
        (b"*1\r\n$4\r\nPING\n\n", unterminated),
        (b"POST / HTTP/1.1\r\n", "HTTP spoken to a Redis port"),
        (b"host: localhost\r\n", "HTTP spoken to a Redis port"),
    ];
    for (bytes, text) in cases {
        let Scan::Bad(error) = check(bytes, &Limits::default()) else { panic!("{}", bytes.escape_ascii()) };
        let mut reply = Vec::new();
        error.write(&mut reply);
        let expected = format!("-ERR Protocol error: {text}\r\n");
        assert_eq!(reply.escape_ascii().to_string(), expected.as_bytes().escape_ascii().to_string());
    }
}

/// Scans a request up to the header of its first argument, the first place where its size is known.
fn head(count: usize, len: usize, limits: &Limits) -> Scan {
    RequestScanner::new().scan(format!("*{count}\r\n${len}\r\n").as_bytes(), limits)
}

#[test]
fn each_limit_and_one_past_it() {
    let limits = Limits::default();
    let megabytes_512 = 512 * 1024 * 1024;
    assert_eq!(head(1_048_576, megabytes_512, &limits), Scan::NeedMore { want: 10 + 12 + megabytes_512 + 2 });
    assert_eq!(head(1_048_577, 1, &limits), Scan::Bad(ProtocolError::InvalidMultibulkLength));
    assert_eq!(head(1, megabytes_512 + 1, &limits), Scan::Bad(ProtocolError::InvalidBulkLength));

    let limits = Limits::unauthenticated();
    assert_eq!(head(10, 16384, &limits), Scan::NeedMore { want: 5 + 8 + 16384 + 2 });
    assert_eq!(head(11, 1, &limits), Scan::Bad(ProtocolError::UnauthenticatedMultibulkLength));
    assert_eq!(head(1, 16385, &limits), Scan::Bad(ProtocolError::UnauthenticatedBulkLength));

    let bytes = request(&[b"SET", b"k", &[b'v'; 100]]);
    let exact = Limits { request_bytes_max: bytes.len(), ..Limits::default() };
    assert!(matches!(check(&bytes, &exact), Scan::Done(_)));
    let less = Limits { request_bytes_max: bytes.len() - 1, ..Limits::default() };
    assert_eq!(check(&bytes, &less), Scan::Bad(ProtocolError::TooBigRequest));

    let no_limit = Limits {
        arguments_max: usize::MAX,
        bulk_bytes_max: usize::MAX,
        inline_bytes_max: usize::MAX,
        request_bytes_max: usize::MAX,
        authenticated: true,
    };
    let four_gigabytes = u32::MAX as usize;
    let want = four_gigabytes - 2;
    assert_eq!(head(1, want - 4 - 13 - 2, &no_limit), Scan::NeedMore { want });
    assert_eq!(head(1, four_gigabytes - 4 - 13 - 2 + 1, &no_limit), Scan::Bad(ProtocolError::TooBigRequest));
    assert_eq!(head(1, four_gigabytes + 1, &no_limit), Scan::Bad(ProtocolError::InvalidBulkLength));
    assert_eq!(head(four_gigabytes + 1, 1, &no_limit), Scan::Bad(ProtocolError::InvalidMultibulkLength));
}

#[test]
fn the_longest_inline_command_and_one_past_it() {
    let limits = Limits::default();
    let mut line = b"ECHO ".to_vec();
    line.resize(65536, b'x');
    let unfinished = RequestScanner::new().scan(&line, &limits);
    assert_eq!(unfinished, Scan::NeedMore { want: 65537 });
    line.push(b'\n');
    assert_eq!(check(&line, &limits), Scan::Inline { len: 65537 });
    line.insert(5, b'x');
    assert_eq!(check(&line, &limits), Scan::Bad(ProtocolError::TooBigInline));
    let endless = vec![b'x'; 65537];
    assert_eq!(check(&endless, &limits), Scan::Bad(ProtocolError::TooBigInline));
}

#[test]
fn a_hundred_thousand_arguments_in_small_pieces() {
    let words: Vec<Vec<u8>> = (0..100_000).map(|i| format!("key:{i}").into_bytes()).collect();
    let words: Vec<&[u8]> = std::iter::once(&b"DEL"[..]).chain(words.iter().map(|word| &word[..])).collect();
    let bytes = request(&words);
    let mut scanner = RequestScanner::new();
    for len in (0..bytes.len()).step_by(7) {
        let found = scanner.scan(&bytes[..len], &Limits::default());
        assert!(matches!(found, Scan::NeedMore { .. }));
    }
    let Scan::Done(found) = scanner.scan(&bytes, &Limits::default()) else { panic!() };
    assert_eq!(found.argument_count(), 100_001);
    assert_eq!(found.args(&bytes).last().unwrap().bytes(), b"key:99999");
}

#[test]
fn inline_commands_are_split_as_redis_splits_them() {
    let cases: &[(&[u8], &[&[u8]])] = &[
        (b"PING\r\n", &[b"PING"]),
        (b"PING\n", &[b"PING"]),
        (b"  GET \t k  \r\n", &[b"GET", b"k"]),
        (b"SET k \"a b\"\r\n", &[b"SET", b"k", b"a b"]),
        (b"SET k ''\r\n", &[b"SET", b"k", b""]),
        (b"\"\" k\r\n", &[b"", b"k"]),
        (b"SET k \"\\x41\\xfF\\n\\r\\t\\b\\a\\q\\\"\\\\\"\r\n", &[b"SET", b"k", b"A\xff\n\r\t\x08\x07q\"\\"]),
        (b"SET k \"\\x4g\"\r\n", &[b"SET", b"k", b"x4g"]),
        (b"SET k 'a\\'b\\n'\r\n", &[b"SET", b"k", b"a'b\\n"]),
        (b"SET k a\"b c\"\r\n", &[b"SET", b"k", b"ab c"]),
        (b"SET k a\x0bb\r\n", &[b"SET", b"k", b"a\x0bb"]),
        (b"\x0b\x0cPING\r\n", &[b"PING"]),
        (b"SET k\\n \xff\r\n", &[b"SET", b"k\\n", b"\xff"]),
        (b"GET k\0 more\r\n", &[b"GET", b"k"]),
    ];
    for (line, words) in cases {
        assert_eq!(check(line, &Limits::default()), Scan::Inline { len: line.len() });
        let mut frame = Vec::new();
        assert_eq!(encode_inline(line, &mut frame), Ok(words.len()), "{}", line.escape_ascii());
        assert_eq!(frame.escape_ascii().to_string(), request(words).escape_ascii().to_string());
        let found = scanned(&frame);
        assert_eq!((found.len(), found.argument_count()), (frame.len(), words.len()));
    }
}

#[test]
fn unbalanced_quotes() {
    for line in [
        &b"SET k \"a\r\n"[..],
        b"SET k 'a\r\n",
        b"SET k \"a\"b\r\n",
        b"SET k 'a'b\r\n",
        b"\"\\\"\n",
        b"'\0'\n",
        b"\"a\"'b'\n",
    ] {
        let mut frame = Vec::new();
        assert_eq!(
            encode_inline(line, &mut frame),
            Err(ProtocolError::UnbalancedQuotes),
            "{}",
            line.escape_ascii()
        );
        assert!(frame.is_empty());
    }
    assert_eq!(ProtocolError::UnbalancedQuotes.to_string(), "unbalanced quotes in request");
    assert_eq!(ProtocolError::TooBigInline.to_string(), "too big inline request");
}
