use proptest::prelude::*;

use super::*;

fn messages() -> Vec<Message> {
    let hello = Hello { format: FORMAT, version: "0.1.0".into(), process: 4711 };
    let client = Client {
        pool: "cache".into(),
        number: 1 << 40,
        has_authenticated: true,
        resp3: true,
        name: Some(b"w\xf6rker".to_vec()),
        user: Some(b"web".to_vec()),
        address: Some(b"[::1]:4711".to_vec()),
    };
    vec![
        Message::Hello(hello),
        Message::Sockets { more: true },
        Message::Sockets { more: false },
        Message::Pool(Pool { name: "cache".into(), protocol: "redis".into() }),
        Message::Ready,
        Message::Data(Data { directory: true, lookup: false }),
        Message::Data(Data { directory: false, lookup: true }),
        Message::Opened,
        Message::Serve(Serve { client_number: 9 }),
        Message::Serving,
        Message::Client(Client { pool: "p".into(), ..Client::default() }),
        Message::Client(Client { name: Some(Vec::new()), user: None, ..client.clone() }),
        Message::Client(client),
        Message::Failed { reason: "port 1 is taken".into() },
        Message::Unknown { kind: 999 },
    ]
}

#[test]
fn messages_survive_the_way() {
    for message in messages() {
        assert_eq!(Message::decode(&message.encode().unwrap()), Ok(message));
    }
}

#[test]
fn the_bytes_of_a_message() {
    let bytes = Message::Pool(Pool { name: "ab".into(), protocol: String::new() }).encode().unwrap();
    assert_eq!(bytes, b"\0\x03\0\x05\0\0\0\x02ab\0\x06\0\0\0\0");
    assert_eq!(Message::Ready.encode().unwrap(), b"\0\x04");
}

#[test]
fn what_a_later_version_adds_is_skipped() {
    for message in messages() {
        let mut bytes = message.encode().unwrap();
        bytes.extend_from_slice(b"\xff\xee\0\0\0\x03new");
        assert_eq!(Message::decode(&bytes), Ok(message));
    }
    assert_eq!(Message::decode(b"\xff\xff\0\x01\0\0\0\x01x"), Ok(Message::Unknown { kind: 0xffff }));
}

#[test]
fn what_an_earlier_version_lacks_has_a_default() {
    let Ok(Message::Client(client)) = Message::decode(b"\0\x09\0\x0a\0\0\0\x01p") else { panic!("a client") };
    assert_eq!(client, Client { pool: "p".into(), ..Client::default() });
}

#[test]
fn malformed_messages() {
    let long = |length: usize| {
        let mut bytes = b"\0\x0a\0\x0e".to_vec();
        bytes.extend_from_slice(&(length as u32).to_be_bytes());
        bytes.resize(bytes.len() + length, b'x');
        bytes
    };
    let cases: &[(&[u8], Malformed)] = &[
        (b"", Malformed::Truncated),
        (b"\0", Malformed::Truncated),
        (b"\0\x04\0", Malformed::Truncated),
        (b"\0\x04\0\x05\0\0\0", Malformed::Truncated),
        (b"\0\x03\0\x05\0\0\0\x02a", Malformed::Truncated),
        (b"\0\x03\0\x05\xff\xff\xff\xff", Malformed::TooLong),
        (b"\0\x03\0\x05\0\0\0\x01\xff\0\x06\0\0\0\0", Malformed::Field(5)),
        (b"\0\x03\0\x05\0\0\0\x01a", Malformed::Missing(6)),
        (b"\0\x02\0\x04\0\0\0\x01\x01", Malformed::Field(4)),
        (b"\0\x01\0\x01\0\0\0\x01\x01", Malformed::Field(1)),
        (b"\0\x01", Malformed::Missing(1)),
        (b"\0\x09", Malformed::Missing(10)),
        (&long(FIELD_BYTES_MAX + 1), Malformed::TooLong),
        (&vec![0; MESSAGE_BYTES_MAX + 1], Malformed::TooLong),
    ];
    for (bytes, malformed) in cases {
        assert_eq!(
            Message::decode(bytes),
            Err(*malformed),
            "{}",
            bytes[..bytes.len().min(40)].escape_ascii()
        );
    }
    assert!(matches!(Message::decode(&long(FIELD_BYTES_MAX)), Ok(Message::Failed { .. })), "at the limit");
}

#[test]
fn a_text_that_is_too_long_is_not_written() {
    let failed = |length| Message::Failed { reason: "x".repeat(length) }.encode();
    assert_eq!(failed(FIELD_BYTES_MAX + 1), Err(Malformed::TooLong));
    assert!(failed(FIELD_BYTES_MAX).is_ok());
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = Message::decode(&bytes) {
            prop_assert_eq!(Message::decode(&message.encode().unwrap()), Ok(message));
        }
    }
}
