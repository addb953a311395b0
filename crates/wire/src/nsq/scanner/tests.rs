use proptest::prelude::*;

use super::*;
use crate::nsq::{Messages, command};

const INIT: Gate = Gate { state: ClientState::Init, tls_missing: false, heartbeats_off: false };
const SUBSCRIBED: Gate = Gate { state: ClientState::Subscribed, ..INIT };
const CLOSING: Gate = Gate { state: ClientState::Closing, ..INIT };

fn limits() -> Limits {
    Limits { message_bytes_max: 20, body_bytes_max: 64, ..Limits::default() }
}

/// Outcome of one command, in words.
fn outcome(scan: Scan<'_>) -> Option<String> {
    match scan {
        Scan::NeedMore { .. } | Scan::Topic(_) => None,
        Scan::Done { command: Command::Mpub { topic, messages }, len } => {
            let messages: Vec<_> = messages.map(|message| message.escape_ascii().to_string()).collect();
            Some(format!("MPUB {topic} {messages:?} / {len}"))
        }
        Scan::Done { command, len } => Some(format!("{command:?} / {len}")),
        Scan::Bad(refusal) => {
            let mut out = Vec::new();
            refusal.write(&mut out);
            assert!(refusal.fatal());
            Some(out.iter().map(|byte| char::from(*byte)).collect())
        }
        Scan::LineTooLong => Some("too long".into()),
    }
}

fn scan_whole(bytes: &[u8], limits: &Limits, gate: Gate) -> Option<String> {
    let mut scanner = Scanner::default();
    match scanner.scan(bytes, limits, gate) {
        Scan::Topic(_) => outcome(scanner.scan(bytes, limits, gate)),
        scan => outcome(scan),
    }
}

fn scan_stepwise(bytes: &[u8], limits: &Limits, gate: Gate) -> Option<String> {
    let mut scanner = Scanner::default();
    let (mut topics, mut wanted) = (0, 0);
    for end in 0..=bytes.len() {
        let mut scan = scanner.scan(&bytes[..end], limits, gate);
        if matches!(scan, Scan::Topic(_)) {
            topics += 1;
            scan = scanner.scan(&bytes[..end], limits, gate);
        }
        if let Scan::NeedMore { want } = scan {
            assert!(want > end, "wants no more than there is");
            wanted = want;
        } else if outcome(scan).is_some() {
            assert!(topics <= 1);
            assert!(end >= wanted, "wanted {wanted}, but {end} were enough");
            return outcome(scan);
        }
    }
    None
}

#[track_caller]
fn check(bytes: &[u8], gate: Gate, expected: &str) {
    let whole = scan_whole(bytes, &limits(), gate);
    assert_eq!(whole.as_deref().unwrap_or("more"), expected, "{}", bytes.escape_ascii());
    assert_eq!(scan_stepwise(bytes, &limits(), gate), whole, "byte by byte: {}", bytes.escape_ascii());
}

#[test]
fn commands() {
    let id = "[48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 97, 98, 99, 100, 101, 102]";
    check(b"NOP\n", INIT, "Nop / 4");
    check(b"NOP x y\r\n", INIT, "Nop / 9");
    check(b"IDENTIFY a b\n\0\0\0\x02{}", INIT, "Identify { body: [123, 125] } / 19");
    check(b"AUTH\n\0\0\0\x01s", INIT, "Auth { secret: SecretBytes(…) } / 10");
    check(b"SUB t c#ephemeral x\n", INIT, "Sub { topic: \"t\", channel: \"c#ephemeral\" } / 20");
    check(b"RDY\n", SUBSCRIBED, "Rdy { count: 1 } / 4");
    check(b"RDY \n", SUBSCRIBED, "Rdy { count: 0 } / 5");
    check(b"RDY 2500\n", SUBSCRIBED, "Rdy { count: 2500 } / 9");
    check(b"RDY 18446744073709551617\n", SUBSCRIBED, "Rdy { count: 1 } / 25");
    check(b"RDY junk\n", CLOSING, "Nop / 9");
    check(b"FIN 0123456789abcdef\n", SUBSCRIBED, &format!("Fin {{ id: {id} }} / 21"));
    check(b"FIN 0123456789abcdef\n", CLOSING, &format!("Fin {{ id: {id} }} / 21"));
    check(b"TOUCH 0123456789abcdef\n", CLOSING, &format!("Touch {{ id: {id} }} / 23"));
    check(b"REQ 0123456789abcdef 90\n", CLOSING, &format!("Req {{ id: {id}, delay_ms: 90 }} / 24"));
    check(
        b"REQ 0123456789abcdef 3600001\n",
        SUBSCRIBED,
        &format!("Req {{ id: {id}, delay_ms: 3600000 }} / 29"),
    );
    check(
        b"REQ 0123456789abcdef 9223372036854775807\n",
        SUBSCRIBED,
        &format!("Req {{ id: {id}, delay_ms: 0 }} / 41"),
    );
    check(b"CLS\n", SUBSCRIBED, "Cls / 4");
    check(b"PUB t \r\n\0\0\0\x01x", CLOSING, "Pub { topic: \"t\", body: [120] } / 13");
    check(b"DPUB t 007\n\0\0\0\x01x", SUBSCRIBED, "Dpub { topic: \"t\", delay_ms: 7, body: [120] } / 16");
    check(
        b"DPUB t 18446744073709551617\n\0\0\0\x01x",
        INIT,
        "Dpub { topic: \"t\", delay_ms: 1, body: [120] } / 33",
    );
    check(b"MPUB t\n\0\0\0\x0e\0\0\0\x02\0\0\0\x01a\0\0\0\x01b", INIT, "MPUB t [\"a\", \"b\"] / 25");
    // the outer length is not checked against the parsed bytes
    check(b"MPUB t\n\0\0\0\x01\0\0\0\x02\0\0\0\x01a\0\0\0\x01b", INIT, "MPUB t [\"a\", \"b\"] / 25");
    check(b"MPUB t\n\0\0\0\x40\0\0\0\x01\0\0\0\x01aPUB", INIT, "MPUB t [\"a\"] / 20");
}

#[test]
fn at_the_limit_and_one_past_it() {
    check(
        b"PUB t\n\0\0\0\x14xxxxxxxxxxxxxxxxxxxx",
        INIT,
        &format!("Pub {{ topic: \"t\", body: {:?} }} / 30", [120; 20]),
    );
    check(b"PUB t\n\0\0\0\x15", INIT, "E_BAD_MESSAGE PUB message too big 21 > 20");
    check(b"DPUB t 0\n\0\0\0\x15", INIT, "E_BAD_MESSAGE DPUB message too big 21 > 20");
    check(b"DPUB t 3600001\n", INIT, "E_INVALID DPUB timeout 3600001 out of range 0-3600000");
    check(b"IDENTIFY\n\0\0\0\x41", INIT, "E_BAD_BODY IDENTIFY body too big 65 > 64");
    check(b"AUTH\n\0\0\0\x41", INIT, "E_BAD_BODY AUTH body too big 65 > 64");
    check(b"RDY 2501\n", SUBSCRIBED, "E_INVALID RDY count 2501 out of range 0-2500");
    check(b"MPUB t\n\0\0\0\x41", INIT, "E_BAD_BODY MPUB body too big 65 > 64");
    check(b"MPUB t\n\0\0\0\x40\0\0\0\x0d", INIT, "E_BAD_BODY MPUB invalid message count 13");
    let twelve = [&b"MPUB t\n\0\0\0\x40\0\0\0\x0c"[..], &b"\0\0\0\x01x".repeat(12)].concat();
    check(&twelve, INIT, &format!("MPUB t {:?} / 75", ["x"; 12]));
    // the parsed bytes count too: 2 messages of 20 fit, 3 do not
    let three = [&b"MPUB t\n\0\0\0\x01\0\0\0\x03"[..], &b"\0\0\0\x14xxxxxxxxxxxxxxxxxxxx".repeat(2)].concat();
    check(&three, INIT, "more");
    check(&[&three[..], b"\0\0\0\x0d"].concat(), INIT, "E_BAD_BODY MPUB body too big 69 > 64");
}

#[test]
fn line_limit() {
    let mut line = vec![b'y'; LINE_BYTES_MAX - 1];
    line.push(b'\n');
    let word: String = "y".repeat(LINE_BYTES_MAX - 1);
    check(&line, INIT, &format!("E_INVALID invalid command {word}"));
    line.insert(0, b'y');
    check(&line, INIT, "too long");
    check(&line[..LINE_BYTES_MAX], INIT, "too long");
    check(&line[..LINE_BYTES_MAX - 1], INIT, "more");
}

#[test]
fn malformed() {
    check(b"\n", INIT, "E_INVALID invalid command ");
    check(b"\r\n", INIT, "E_INVALID invalid command ");
    check(b" NOP\n", INIT, "E_INVALID invalid command ");
    check(b"NOP\r\r\n", INIT, "E_INVALID invalid command NOP\r");
    check(b"pub t\n", INIT, "E_INVALID invalid command pub");
    check(b"\xff%s\n", INIT, "E_INVALID invalid command \u{ff}%s");
    check(b"PUB\n", INIT, "E_INVALID PUB insufficient number of parameters");
    check(b"MPUB\n", INIT, "E_INVALID MPUB insufficient number of parameters");
    check(b"DPUB t\n", INIT, "E_INVALID DPUB insufficient number of parameters");
    check(b"SUB t\n", INIT, "E_INVALID SUB insufficient number of parameters");
    check(b"FIN\n", SUBSCRIBED, "E_INVALID FIN insufficient number of params");
    check(b"TOUCH\n", SUBSCRIBED, "E_INVALID TOUCH insufficient number of params");
    check(b"REQ 0123456789abcdef\n", SUBSCRIBED, "E_INVALID REQ insufficient number of params");
    check(b"REQ short abc\n", SUBSCRIBED, "E_INVALID invalid message ID");
    check(b"FIN \n", SUBSCRIBED, "E_INVALID invalid message ID");
    check(b"FIN 0123456789abcdef0\n", SUBSCRIBED, "E_INVALID invalid message ID");
    check(b"REQ 0123456789abcdef -1\n", SUBSCRIBED, "E_INVALID REQ could not parse timeout -1");
    check(b"RDY -1\n", SUBSCRIBED, "E_INVALID RDY could not parse count -1");
    check(
        b"RDY 9223372036854775808\n",
        SUBSCRIBED,
        "E_INVALID RDY count -9223372036854775808 out of range 0-2500",
    );
    check(b"PUB  t\n", INIT, "E_BAD_TOPIC PUB topic name \"\" is not valid");
    check(b"PUB a\"b\n", INIT, "E_BAD_TOPIC PUB topic name \"a\\\"b\" is not valid");
    check(b"MPUB b!d\n", INIT, "E_BAD_TOPIC E_BAD_TOPIC MPUB topic name \"b!d\" is not valid");
    check(b"DPUB b!d x\n", INIT, "E_BAD_TOPIC DPUB topic name \"b!d\" is not valid");
    check(b"DPUB t 1.5\n", INIT, "E_INVALID DPUB could not parse timeout 1.5");
    check(
        b"DPUB t 9223372036854775807\n",
        INIT,
        "E_INVALID DPUB timeout 9223372036854775807 out of range 0-3600000",
    );
    check(b"SUB b!d b!d\n", INIT, "E_BAD_TOPIC SUB topic name \"b!d\" is not valid");
    check(b"SUB t #ephemeral\n", INIT, "E_BAD_CHANNEL SUB channel name \"#ephemeral\" is not valid");
    check(b"PUB t\n\0\0\0\0", INIT, "E_BAD_MESSAGE PUB invalid message body size 0");
    check(b"DPUB t 0\n\xff\xff\xff\xff", INIT, "E_BAD_MESSAGE DPUB invalid message body size -1");
    check(b"IDENTIFY\n\x80\0\0\0", INIT, "E_BAD_BODY IDENTIFY invalid body size -2147483648");
    check(b"AUTH x\n", INIT, "E_INVALID AUTH invalid number of parameters");
    check(b"AUTH \n", INIT, "E_INVALID AUTH invalid number of parameters");
    check(b"AUTH\n\0\0\0\0", INIT, "E_BAD_BODY AUTH invalid body size 0");
    check(b"MPUB t\n\0\0\0\0", INIT, "E_BAD_BODY MPUB invalid body size 0");
    check(b"MPUB t\n\0\0\0\x09\xff\xff\xff\xff", INIT, "E_BAD_BODY MPUB invalid message count -1");
    check(
        b"MPUB t\n\0\0\0\x0d\0\0\0\x02\0\0\0\x01a\0\0\0\0",
        INIT,
        "E_BAD_MESSAGE MPUB invalid message(1) body size 0",
    );
    check(b"MPUB t\n\0\0\0\x0d\0\0\0\x01\0\0\0\x15", INIT, "E_BAD_MESSAGE MPUB message too big 21 > 20");
}

#[test]
fn states() {
    for verb in ["IDENTIFY", "AUTH", "SUB"] {
        for gate in [SUBSCRIBED, CLOSING] {
            check(format!("{verb}\n").as_bytes(), gate, &format!("E_INVALID cannot {verb} in current state"));
        }
    }
    for verb in ["RDY", "FIN", "REQ", "TOUCH", "CLS"] {
        check(format!("{verb}\n").as_bytes(), INIT, &format!("E_INVALID cannot {verb} in current state"));
    }
    check(b"CLS\n", CLOSING, "E_INVALID cannot CLS in current state");
    let no_heartbeats = Gate { heartbeats_off: true, ..INIT };
    check(b"SUB\n", no_heartbeats, "E_INVALID cannot SUB with heartbeats disabled");
    let no_tls = Gate { tls_missing: true, ..SUBSCRIBED };
    for verb in ["NOP", "SUB", "PUB", "foo", ""] {
        let text = format!("E_INVALID cannot {verb} in current state (TLS required)");
        check(format!("{verb}\n").as_bytes(), no_tls, &text);
    }
    let no_tls = Gate { tls_missing: true, ..INIT };
    check(b"IDENTIFY\n\0\0\0\x01x", no_tls, "Identify { body: [120] } / 14");
}

#[test]
fn a_topic_is_shown_once_and_before_the_sizes() {
    let bytes = b"MPUB t\n\0\0\0\0";
    let mut scanner = Scanner::default();
    assert!(matches!(scanner.scan(&bytes[..6], &limits(), INIT), Scan::NeedMore { want: 7 }));
    assert_eq!(scanner.scan(&bytes[..7], &limits(), INIT), Scan::Topic("t"));
    assert!(matches!(scanner.scan(&bytes[..7], &limits(), INIT), Scan::NeedMore { .. }));
    assert_eq!(scanner.scan(bytes, &limits(), INIT), Scan::Bad(Refusal::SizeInvalid(Verb::Mpub, 0)));
}

#[test]
fn ended_early() {
    let cases: [(&[u8], &str); 11] = [
        (b"", ""),
        (b"PUB t", ""),
        (b"PUB t\n\0\0", "E_BAD_MESSAGE PUB failed to read message body size"),
        (b"PUB t\n\0\0\0\x0aabc", "E_BAD_MESSAGE PUB failed to read message body"),
        (b"DPUB t 5\n\0", "E_BAD_MESSAGE DPUB failed to read message body size"),
        (b"IDENTIFY\n\0", "E_BAD_BODY IDENTIFY failed to read body size"),
        (b"AUTH\n\0\0\0\x05a", "E_BAD_BODY AUTH failed to read body"),
        (b"MPUB t\n\0\0\0", "E_BAD_BODY MPUB failed to read body size"),
        (b"MPUB t\n\0\0\0\x14\0\0", "E_BAD_BODY MPUB failed to read message count"),
        (
            b"MPUB t\n\0\0\0\x14\0\0\0\x02\0\0\0\x01a",
            "E_BAD_MESSAGE MPUB failed to read message(1) body size",
        ),
        (b"MPUB t\n\0\0\0\x14\0\0\0\x01\0\0\0\x02a", "E_BAD_MESSAGE MPUB failed to read message body"),
    ];
    for (bytes, text) in cases {
        let mut scanner = Scanner::default();
        while let Scan::Topic(_) = scanner.scan(bytes, &limits(), INIT) {}
        let mut out = Vec::new();
        if let Some(refusal) = scanner.ended() {
            refusal.write(&mut out);
        }
        assert_eq!(String::from_utf8_lossy(&out), text);
        assert_eq!(scanner.in_body(), !text.is_empty());
    }
}

#[test]
fn first_bytes() {
    for (bytes, expected) in [
        (&b""[..], Magic::NeedMore),
        (b"GET", Magic::NeedMore),
        (b"  V2", Magic::V2),
        (b"  V2PUB", Magic::V2),
        (b"  V1", Magic::Bad),
        (b"  v2", Magic::Bad),
        (b"GET /", Magic::Bad),
    ] {
        assert_eq!(magic(bytes), expected);
    }
}

fn name() -> impl Strategy<Value = String> {
    "[.a-zA-Z0-9_-]{1,20}(#ephemeral)?"
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 1..20)
}

/// A command as a client writes it, with the state it needs.
fn written() -> impl Strategy<Value = (Vec<u8>, String, Gate)> {
    let of = |command: Command<'_>, gate| {
        let mut out = Vec::new();
        command.write(&mut out);
        let text = format!("{command:?} / {}", out.len());
        (out, text, gate)
    };
    prop_oneof![
        (name(), name()).prop_map(move |(t, c)| of(Command::Sub { topic: &t, channel: &c }, INIT)),
        (0..=2500u64).prop_map(move |count| of(Command::Rdy { count }, SUBSCRIBED)),
        "[!-~]{16}".prop_map(move |id| of(Command::Fin { id: id.into_bytes().try_into().unwrap() }, CLOSING)),
        ("[!-~]{16}", 0..=3_600_000u64).prop_map(move |(id, delay_ms)| {
            of(Command::Req { id: id.into_bytes().try_into().unwrap(), delay_ms }, SUBSCRIBED)
        }),
        (name(), body()).prop_map(move |(t, body)| of(Command::Pub { topic: &t, body: &body }, INIT)),
        (name(), 0..=3_600_000u64, body()).prop_map(move |(t, delay_ms, body)| of(
            Command::Dpub { topic: &t, delay_ms, body: &body },
            INIT
        )),
        body().prop_map(move |secret| of(Command::Auth { secret: SecretBytes(&secret) }, INIT)),
        (name(), proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..8), 1..5)).prop_map(
            |(t, messages)| {
                let mut out = Vec::new();
                command::write_mpub(&mut out, &t, messages.iter().map(Vec::as_slice));
                let messages: Vec<_> =
                    messages.iter().map(|message| message.escape_ascii().to_string()).collect();
                let text = format!("MPUB {t} {messages:?} / {}", out.len());
                (out, text, INIT)
            }
        ),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_scanned((bytes, text, gate) in written()) {
        prop_assert_eq!(scan_whole(&bytes, &limits(), gate), Some(text.clone()));
        prop_assert_eq!(scan_stepwise(&bytes, &limits(), gate), Some(text));
    }

    #[test]
    fn any_bytes_give_the_same_whole_and_byte_by_byte(
        verb in proptest::sample::select(vec!["PUB t\n", "MPUB t\n", "DPUB t 1\n", "IDENTIFY\n", "AUTH\n", "", "FIN "]),
        tail in proptest::collection::vec(prop_oneof![3 => Just(0u8), 2 => 0..30u8, 1 => any::<u8>()], 0..40),
        state in 0..3usize,
    ) {
        let gate = [INIT, SUBSCRIBED, CLOSING][state];
        let bytes = [verb.as_bytes(), &tail].concat();
        prop_assert_eq!(scan_whole(&bytes, &limits(), gate), scan_stepwise(&bytes, &limits(), gate));
    }
}

#[test]
fn messages_know_their_number_and_size() {
    let bytes = b"MPUB t\n\0\0\0\x10\0\0\0\x02\0\0\0\x03abc\0\0\0\x01d";
    let mut scanner = Scanner::default();
    assert!(matches!(scanner.scan(bytes, &limits(), INIT), Scan::Topic("t")));
    let Scan::Done { command: Command::Mpub { messages, .. }, .. } = scanner.scan(bytes, &limits(), INIT)
    else {
        panic!("not whole")
    };
    let check = |messages: &Messages<'_>, count, bytes| {
        assert_eq!((messages.len(), messages.body_bytes()), (count, bytes));
    };
    let mut messages = messages;
    check(&messages, 2, 4);
    assert_eq!(messages.next(), Some(&b"abc"[..]));
    check(&messages, 1, 1);
    assert_eq!(messages.next(), Some(&b"d"[..]));
    check(&messages, 0, 0);
    assert_eq!(messages.next(), None);
}
