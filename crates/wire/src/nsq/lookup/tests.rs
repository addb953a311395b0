use super::request::{write_identify, write_ping, write_register, write_unregister};
use super::*;

const NODE: &str = r#"{"broadcast_address":"n1.example","hostname":"h1","http_port":4151,"tcp_port":4150,"topology_region":"r","topology_zone":"z","version":"1.3.0"}"#;

fn node() -> Node {
    Node {
        broadcast_address: "n1.example".into(),
        hostname: "h1".into(),
        http_port: 4151,
        tcp_port: 4150,
        topology_region: "r".into(),
        topology_zone: "z".into(),
        version: "1.3.0".into(),
    }
}

fn identify(body: &[u8]) -> Vec<u8> {
    [b"IDENTIFY\n", &u32::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()
}

/// The final error of `bytes`, fed whole and byte by byte; an empty text for none.
fn error(bytes: &[u8], identified: bool) -> String {
    let text = |refusal: Refusal<'_>| {
        let mut out = Vec::new();
        refusal.write(&mut out);
        out.iter().map(|byte| char::from(*byte)).collect::<String>()
    };
    let outcome = |scan: Scan<'_>| match scan {
        Scan::Bad(refusal) => text(refusal),
        Scan::LineTooLong => "too long".into(),
        Scan::Done { .. } | Scan::NeedMore { .. } => String::new(),
    };
    let whole = outcome(Scanner::default().scan(bytes, identified));
    let mut scanner = Scanner::default();
    let mut stepwise = String::new();
    for end in 1..=bytes.len() {
        stepwise = outcome(scanner.scan(&bytes[..end], identified));
        if !stepwise.is_empty() {
            break;
        }
    }
    assert_eq!(whole, stepwise, "{}", bytes.escape_ascii());
    whole
}

#[test]
fn written_requests() {
    let mut out = Vec::new();
    write_identify(&mut out, &node());
    assert_eq!(out, identify(NODE.as_bytes()));
    out.clear();
    write_register(&mut out, "t", None);
    write_register(&mut out, "t", Some("c"));
    write_unregister(&mut out, "t", Some("c"));
    write_unregister(&mut out, "t", None);
    write_ping(&mut out);
    assert_eq!(out, b"REGISTER t\nREGISTER t c\nUNREGISTER t c\nUNREGISTER t\nPING\n");
    out.clear();
    node().write_answer(&mut out);
    let answer = r#"{"broadcast_address":"n1.example","hostname":"h1","http_port":4151,"tcp_port":4150,"version":"1.3.0"}"#;
    assert_eq!(String::from_utf8(out).unwrap(), answer);
}

#[test]
fn what_one_side_writes_the_other_reads_byte_by_byte() {
    let mut bytes = Vec::new();
    write_ping(&mut bytes);
    write_identify(&mut bytes, &node());
    write_register(&mut bytes, "t", Some("c#ephemeral"));
    write_unregister(&mut bytes, "t", None);
    let expected = [
        Command::Ping,
        Command::Identify(node()),
        Command::Register { topic: "t", channel: Some("c#ephemeral") },
        Command::Unregister { topic: "t", channel: None },
    ];
    let (mut start, mut identified, mut scanner) = (0, false, Scanner::default());
    let mut expected = expected.iter();
    for end in 0..=bytes.len() {
        match scanner.scan(&bytes[start..end], identified) {
            Scan::NeedMore { want } => assert!(want > end - start),
            Scan::Done { command, len } => {
                assert_eq!(Some(&command), expected.next());
                assert_eq!(start + len, end);
                identified |= matches!(command, Command::Identify(_));
                start = end;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(expected.next(), None);
}

#[test]
fn accepted_lines() {
    let cases: [(&[u8], Command<'_>); 6] = [
        (b"  PING \t\r\n", Command::Ping),
        ("\u{a0}\u{2003}PING\u{85}\n".as_bytes(), Command::Ping),
        (b"PING x\n", Command::Ping),
        (b"REGISTER t  c\n", Command::Register { topic: "t", channel: None }),
        (b"REGISTER t c extra\n", Command::Register { topic: "t", channel: Some("c") }),
        (b"UNREGISTER t\r\n", Command::Unregister { topic: "t", channel: None }),
    ];
    for (line, command) in cases {
        let scan = Scanner::default().scan(line, true);
        assert_eq!(scan, Scan::Done { command, len: line.len() }, "{}", line.escape_ascii());
    }
}

#[test]
fn refused() {
    let cases: [(&[u8], bool, &str); 13] = [
        (b"FOO bar\n", false, "E_INVALID invalid command FOO"),
        (b"  \t \n", false, "E_INVALID invalid command "),
        (b"\xff\0\n", false, "E_INVALID invalid command \u{ff}\0"),
        (b"REGISTER t\n", false, "E_INVALID client must IDENTIFY"),
        (b"REGISTER\n", false, "E_INVALID client must IDENTIFY"),
        (b"REGISTER\n", true, "E_INVALID REGISTER insufficient number of params"),
        (b"UNREGISTER  t\n", true, "E_BAD_TOPIC UNREGISTER topic name '' is not valid"),
        (b"REGISTER a'b\n", true, "E_BAD_TOPIC REGISTER topic name 'a'b' is not valid"),
        (b"REGISTER t b!d\n", true, "E_BAD_CHANNEL REGISTER channel name 'b!d' is not valid"),
        (b"IDENTIFY\n", true, "E_INVALID cannot IDENTIFY again"),
        (b"IDENTIFY\n\xff\xff\xff\xff", false, "E_BAD_BODY IDENTIFY invalid body size -1"),
        (b"IDENTIFY\n\0\x10\0\x01", false, "E_BAD_BODY IDENTIFY body too big 1048577 > 1048576"),
        (b"IDENTIFY\n\0\0\0\0", false, "E_BAD_BODY IDENTIFY failed to decode JSON body"),
    ];
    for (bytes, identified, text) in cases {
        assert_eq!(error(bytes, identified), text);
    }
    for body in ["{}", "null", r#"{"broadcast_address":"","tcp_port":1,"http_port":2,"version":"v"}"#] {
        assert_eq!(error(&identify(body.as_bytes()), false), "E_BAD_BODY IDENTIFY missing fields");
    }
    assert_eq!(
        error(&identify(br#"{"tcp_port":1.5}"#), false),
        "E_BAD_BODY IDENTIFY failed to decode JSON body"
    );
}

#[test]
fn line_limit() {
    let mut line = vec![b' '; crate::nsq::LINE_BYTES_MAX - 5];
    line.extend_from_slice(b"PING\n");
    assert_eq!(error(&line, false), "");
    line.insert(0, b' ');
    assert_eq!(error(&line, false), "too long");
}

#[test]
fn ended_early() {
    for (bytes, expected) in [
        (&b"IDENTI"[..], None),
        (b"IDENTIFY\n\0\0", Some(Refusal::SizeEnded)),
        (b"IDENTIFY\n\0\0\0\x32{}", Some(Refusal::BodyEnded)),
    ] {
        let mut scanner = Scanner::default();
        assert!(matches!(scanner.scan(bytes, false), Scan::NeedMore { .. }));
        assert_eq!(scanner.ended(), expected);
    }
}

#[test]
fn responses() {
    let mut out = Vec::new();
    write_response(&mut out, OK);
    assert_eq!(out, b"\0\0\0\x02OK");
    for end in 0..out.len() {
        assert!(matches!(read_response(&out[..end], 2), ReadResponse::NeedMore { .. }));
    }
    assert_eq!(read_response(&out, 2), ReadResponse::Done { data: OK, len: 6 });
    assert_eq!(read_response(&out, 1), ReadResponse::Bad);
    assert_eq!(read_response(b"\xff\xff\xff\xff", usize::MAX), ReadResponse::Bad);
    assert_eq!(read_response(b"\0\0\0\0x", 0), ReadResponse::Done { data: b"", len: 4 });
}
