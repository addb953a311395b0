use proptest::prelude::*;
use rustls::pki_types::ServerName;

use super::*;
use crate::tls::{ClientAuth, MinVersion, client_config, server_config};

/// Sizes around every border: chunks, steps, gathering, records.
const SIZES: [usize; 14] =
    [1, 2, 63, 1_000, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 131_072, 200_000, 1 << 20, 5];

/// Bytes that compress a little, and differently along the way.
fn content(size: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut byte = |i: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if (i / 5_000).is_multiple_of(2) { b'a' + (i % 7) as u8 } else { (state >> 24) as u8 }
    };
    (0..size).map(&mut byte).collect()
}

/// [`Stack::receive`], which changes its input.
fn take(
    stack: &mut Stack,
    wire: &[u8],
    plain: &mut BytesMut,
    plain_max: usize,
    out: &mut Vec<u8>,
) -> Result<Received, LayerError> {
    stack.receive(&mut wire.to_vec(), plain, plain_max, out)
}

/// Feeds `wire` in pieces of `step` bytes as the loop does; the plain bytes, and the most from one call.
fn receive(
    stack: &mut Stack,
    wire: &[u8],
    step: usize,
    plain_max: usize,
) -> Result<(Vec<u8>, usize), LayerError> {
    let (mut all, mut most) = (Vec::new(), 0);
    let mut pieces = wire.chunks(step);
    let mut piece = pieces.next();
    while let Some(bytes) = piece {
        let mut plain = BytesMut::new();
        let mut out = Vec::new();
        let received = take(stack, bytes, &mut plain, plain_max, &mut out)?;
        most = most.max(plain.len());
        all.extend_from_slice(&plain);
        piece = if received.more { Some(&[][..]) } else { pieces.next() };
    }
    Ok((all, most))
}

fn compressed(layer: &Layer) -> Stack {
    let mut stack = Stack::default();
    stack.push(layer, &[]).unwrap();
    stack
}

fn compressions() -> [Layer; 4] {
    [Layer::Snappy, Layer::Deflate(1), Layer::Deflate(6), Layer::Deflate(9)]
}

#[test]
fn round_trips_at_all_sizes() {
    for layer in compressions() {
        let (mut to, mut from) = (compressed(&layer), compressed(&layer));
        for size in SIZES {
            let plain = content(size);
            let mut wire = Vec::new();
            to.send(&plain, &mut wire);
            to.flush(&mut wire);
            assert_eq!(to.gathered(), 0);
            let (got, most) = receive(&mut from, &wire, 64 * 1024, PLAIN_MAX).unwrap();
            assert!(got == plain, "{layer:?} {size}");
            assert!(most < 2 * PLAIN_MAX, "{layer:?} {size}: {most} at once");
            assert_eq!(from.held(), 0);
        }
    }
}

#[test]
fn round_trip_byte_by_byte() {
    for layer in compressions() {
        let (mut to, mut from) = (compressed(&layer), compressed(&layer));
        for size in [1, 100, 70_000] {
            let plain = content(size);
            let mut wire = Vec::new();
            for piece in plain.chunks(999) {
                to.send(piece, &mut wire);
            }
            to.flush(&mut wire);
            let (got, _) = receive(&mut from, &wire, 1, PLAIN_MAX).unwrap();
            assert!(got == plain, "{layer:?} {size}");
        }
    }
}

#[test]
fn each_flush_can_be_decoded_by_itself() {
    for layer in compressions() {
        let (mut to, mut from) = (compressed(&layer), compressed(&layer));
        for text in ["OK", "a", "_heartbeat_"] {
            let mut wire = Vec::new();
            to.send(text.as_bytes(), &mut wire);
            assert!(wire.is_empty(), "small pieces are gathered");
            assert_eq!(to.gathered(), text.len());
            to.flush(&mut wire);
            let mut nothing = Vec::new();
            to.flush(&mut nothing);
            assert!(nothing.is_empty(), "an empty flush sends nothing");
            let (got, _) = receive(&mut from, &wire, wire.len(), PLAIN_MAX).unwrap();
            assert_eq!(got, text.as_bytes());
        }
    }
}

#[test]
fn deflate_is_flushed_to_a_byte_border() {
    let mut stack = compressed(&Layer::Deflate(6));
    let mut wire = Vec::new();
    stack.send(b"hello hello hello", &mut wire);
    stack.flush(&mut wire);
    assert!(wire.ends_with(&[0, 0, 0xff, 0xff]));
    assert_eq!(wire.windows(4).filter(|w| *w == [0, 0, 0xff, 0xff]).count(), 1);
}

/// A snappy chunk of uncompressed bytes.
fn uncompressed_chunk(content: &[u8]) -> Vec<u8> {
    let length = content.len() + 4;
    let checksum = crc32c::crc32c(content).rotate_right(15).wrapping_add(0xa282_ead8);
    let head = [1, length as u8, (length >> 8) as u8, (length >> 16) as u8];
    [&head, &checksum.to_le_bytes()[..], content].concat()
}

const IDENTIFIER: &[u8] = b"\xff\x06\0\0sNaPpY";

#[test]
fn snappy_known_bytes() {
    let mut stack = compressed(&Layer::Snappy);
    let mut wire = Vec::new();
    stack.send(b"OK", &mut wire);
    stack.flush(&mut wire);
    assert_eq!(wire, [IDENTIFIER, &uncompressed_chunk(b"OK")].concat());
    assert_eq!(uncompressed_chunk(b"OK")[..4], *b"\x01\x06\0\0");
    // the check value of CRC32C
    assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
}

#[test]
fn snappy_accepts_new_streams_and_skips_what_it_may() {
    let skippable = [&b"\x80\x03\0\0abc"[..], b"\xfe\0\0\0", b"\xb3\x01\0\0\0"].concat();
    let wire = [
        IDENTIFIER,
        IDENTIFIER,
        &uncompressed_chunk(b"one"),
        &skippable,
        IDENTIFIER,
        &uncompressed_chunk(b""),
        &uncompressed_chunk(&vec![b'x'; 65_536]),
        &uncompressed_chunk(b"two"),
    ]
    .concat();
    let expected = [&b"one"[..], &vec![b'x'; 65_536], b"two"].concat();
    for step in [1, 7, 4_096, wire.len()] {
        let (got, _) = receive(&mut compressed(&Layer::Snappy), &wire, step, PLAIN_MAX).unwrap();
        assert!(got == expected, "step {step}");
    }
}

#[test]
fn snappy_does_not_store_what_it_skips() {
    let mut stack = compressed(&Layer::Snappy);
    let (mut plain, mut out) = (BytesMut::new(), Vec::new());
    take(&mut stack, IDENTIFIER, &mut plain, PLAIN_MAX, &mut out).unwrap();
    take(&mut stack, b"\x80\xff\xff\xff", &mut plain, PLAIN_MAX, &mut out).unwrap();
    for _ in 0..255 {
        take(&mut stack, &vec![7; 65_536], &mut plain, PLAIN_MAX, &mut out).unwrap();
        assert_eq!(stack.held(), 0);
    }
    let rest = [&vec![7; 65_535][..], &uncompressed_chunk(b"end")].concat();
    take(&mut stack, &rest, &mut plain, PLAIN_MAX, &mut out).unwrap();
    assert_eq!(&plain[..], b"end");
}

#[test]
fn snappy_malformed() {
    let begun = |rest: &[u8]| [IDENTIFIER, rest].concat();
    let mut wrong_checksum = uncompressed_chunk(b"abc");
    wrong_checksum[4] ^= 1;
    let mut too_long_block = vec![0, 0, 0, 0, 0, 0, 0, 0];
    too_long_block.extend_from_slice(&[0x81, 0x80, 0x04, 0, 0]);
    too_long_block[1] = too_long_block.len() as u8 - 4;
    let cases: [(Vec<u8>, &str); 13] = [
        (b"PUB t\n".to_vec(), "no stream identifier"),
        (uncompressed_chunk(b"x"), "no stream identifier"),
        (b"\x80\0\0\0".to_vec(), "no stream identifier"),
        (b"\xff\x05\0\0".to_vec(), "bad stream identifier"),
        (b"\xff\x06\0\0sNaPpX".to_vec(), "bad stream identifier"),
        (begun(b"\x02\0\0\0"), "unknown chunk"),
        (begun(b"\x7f\0\0\0"), "unknown chunk"),
        (begun(b"\x00\xff\xff\xff"), "chunk too long"),
        (begun(b"\x01\x05\0\x01"), "chunk too long"),
        (begun(b"\x01\x03\0\0"), "chunk without a checksum"),
        (begun(&wrong_checksum), "wrong checksum"),
        (begun(b"\x00\x06\0\0\0\0\0\0\x05\xff"), "corrupt block"),
        (begun(&too_long_block), "block too long"),
    ];
    for (wire, what) in cases {
        for step in [1, wire.len()] {
            let error = receive(&mut compressed(&Layer::Snappy), &wire, step, PLAIN_MAX).unwrap_err();
            assert_eq!(error, LayerError::Snappy(what), "{}", wire.escape_ascii());
        }
    }
}

#[test]
fn deflate_malformed() {
    for wire in [&[0xff; 16][..], b"\x06junk", b"\xfd\xff\xff\xff", b"\0\x01\0\x01\0x"] {
        let error = receive(&mut compressed(&Layer::Deflate(6)), wire, wire.len(), PLAIN_MAX);
        assert_eq!(error, Err(LayerError::Deflate), "{}", wire.escape_ascii());
    }
}

#[test]
fn a_deflate_stream_that_ends_is_a_fin() {
    // one stored block, the last
    let wire = b"\x01\x02\0\xfd\xffhi behind the end";
    let mut stack = compressed(&Layer::Deflate(6));
    let mut plain = BytesMut::new();
    let received = take(&mut stack, wire, &mut plain, PLAIN_MAX, &mut Vec::new()).unwrap();
    assert_eq!((&plain[..], received.ended, received.more), (&b"hi"[..], true, false));
    let received = take(&mut stack, b"more", &mut plain, PLAIN_MAX, &mut Vec::new()).unwrap();
    assert_eq!((plain.len(), received.ended, stack.held()), (2, true, 0));
}

#[test]
fn a_bomb_is_decoded_in_small_steps() {
    let mut bomb = Vec::new();
    let mut to = compressed(&Layer::Deflate(9));
    for _ in 0..256 {
        to.send(&vec![0; 65_536], &mut bomb);
    }
    to.flush(&mut bomb);
    assert!(bomb.len() < 64 * 1024, "16 MB in one read");
    let (got, most) = receive(&mut compressed(&Layer::Deflate(6)), &bomb, bomb.len(), 10_000).unwrap();
    assert_eq!((got.len(), most), (16 << 20, 10_000));

    let mut bomb = Vec::new();
    let mut to = compressed(&Layer::Snappy);
    for _ in 0..16 {
        to.send(&vec![0; 65_536], &mut bomb);
    }
    to.flush(&mut bomb);
    assert!(bomb.len() < 64 * 1024, "1 MB in one read");
    let (got, most) = receive(&mut compressed(&Layer::Snappy), &bomb, bomb.len(), 10_000).unwrap();
    assert_eq!((got.len(), most), (1 << 20, 65_536));
}

#[test]
fn input_that_was_not_consumed_goes_to_the_new_layer() {
    for layer in compressions() {
        let mut wire = Vec::new();
        let mut to = compressed(&layer);
        to.send(b"early", &mut wire);
        to.flush(&mut wire);
        let mut stack = Stack::default();
        stack.push(&layer, &wire[..7]).unwrap();
        let mut plain = BytesMut::new();
        take(&mut stack, &wire[7..], &mut plain, PLAIN_MAX, &mut Vec::new()).unwrap();
        assert_eq!(&plain[..], b"early");
    }
}

/// A self-signed certificate for `name` with its key, in PEM.
fn identity(name: &str) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![String::from("localhost")]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn client(server_pem: &str, identity: Option<&(String, String)>, min: MinVersion) -> Layer {
    let identity = identity.map(|(certificate, key)| (certificate.as_bytes(), key.as_bytes()));
    let config = client_config(server_pem.as_bytes(), identity, min).unwrap();
    Layer::TlsClient(config, ServerName::try_from("localhost").unwrap())
}

fn server(identity: &(String, String), root: Option<&str>, policy: ClientAuth, min: MinVersion) -> Layer {
    let root = root.map(str::as_bytes);
    Layer::TlsServer(server_config(identity.0.as_bytes(), identity.1.as_bytes(), root, policy, min).unwrap())
}

/// Carries bytes between two stacks, `step` at a time, until neither has output. Returns the handshake
/// results of both.
fn shake(a: &mut Stack, b: &mut Stack, step: usize) -> Result<[Option<Box<LayerInfo>>; 2], LayerError> {
    let mut told = [None, None];
    let (mut to_a, mut to_b) = (Vec::new(), Vec::new());
    let mut plain = BytesMut::new();
    take(a, &[], &mut plain, PLAIN_MAX, &mut to_b)?;
    while !to_a.is_empty() || !to_b.is_empty() {
        let input = std::mem::take(&mut to_b);
        for piece in input.chunks(step) {
            let received = take(b, piece, &mut plain, PLAIN_MAX, &mut to_a)?;
            told[1] = received.established.or(told[1].take());
        }
        let input = std::mem::take(&mut to_a);
        for piece in input.chunks(step) {
            let received = take(a, piece, &mut plain, PLAIN_MAX, &mut to_b)?;
            told[0] = received.established.or(told[0].take());
        }
    }
    assert!(plain.is_empty());
    Ok(told)
}

fn pair(client: &Layer, server: &Layer) -> (Stack, Stack) {
    (compressed(client), compressed(server))
}

#[test]
fn tls_handshake_and_what_is_known_after_it() {
    let (ours, theirs) = (identity("queue"), identity("client one"));
    let policies = [
        (ClientAuth::None, None, ""),
        (ClientAuth::Require, Some(&theirs), "client one"),
        (ClientAuth::RequireVerify, Some(&theirs), "client one"),
    ];
    for (policy, with, name) in policies {
        for (min, step) in [(MinVersion::Tls10, 1), (MinVersion::Tls13, 1 << 16)] {
            let layer = server(&ours, Some(&theirs.0), policy, min);
            let (mut a, mut b) = pair(&client(&ours.0, with, MinVersion::Tls12), &layer);
            assert!(a.handshaking() && b.handshaking());
            let [client_told, server_told] = shake(&mut a, &mut b, step).unwrap();
            assert!(!a.handshaking() && !b.handshaking());
            let info = server_told.expect("told once");
            assert_eq!(info.tls_version, "TLS1.3");
            assert!(info.tls_cipher_suite.starts_with("TLS_AES_"), "{}", info.tls_cipher_suite);
            assert_eq!((info.client_common_name.as_str(), info.client_certificate), (name, !name.is_empty()));
            assert_eq!(client_told.unwrap().client_common_name, "queue");
            let received = take(&mut b, &[], &mut BytesMut::new(), PLAIN_MAX, &mut Vec::new()).unwrap();
            assert_eq!(received, Received::default(), "told once");
        }
    }
}

#[test]
fn tls_client_certificates_are_asked_for() {
    let (ours, theirs, strangers) = (identity("queue"), identity("client"), identity("stranger"));
    for (policy, with) in [
        (ClientAuth::Require, None),
        (ClientAuth::RequireVerify, None),
        (ClientAuth::RequireVerify, Some(&strangers)),
    ] {
        let layer = server(&ours, Some(&theirs.0), policy, MinVersion::Tls12);
        let (mut a, mut b) = pair(&client(&ours.0, with, MinVersion::Tls12), &layer);
        let error = shake(&mut a, &mut b, 4096).unwrap_err();
        assert!(matches!(error, LayerError::Tls(_)), "{policy:?}: {error}");
    }
    let any = server(&ours, None, ClientAuth::Require, MinVersion::Tls12);
    let (mut a, mut b) = pair(&client(&ours.0, Some(&strangers), MinVersion::Tls12), &any);
    assert!(shake(&mut a, &mut b, 4096).is_ok());
}

#[test]
fn an_authority_may_be_its_own_client() {
    let authority = |name: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        (parameters.self_signed(&key).unwrap().pem(), key.serialize_pem())
    };
    let (ours, theirs, strangers) = (identity("queue"), authority("client"), authority("stranger"));
    let verified = server(&ours, Some(&theirs.0), ClientAuth::RequireVerify, MinVersion::Tls12);
    for (with, accepted) in [(&theirs, true), (&strangers, false)] {
        let (mut a, mut b) = pair(&client(&ours.0, Some(with), MinVersion::Tls12), &verified);
        assert_eq!(shake(&mut a, &mut b, 4096).is_ok(), accepted);
    }
}

#[test]
fn tls_refuses_noise_with_an_alert() {
    let ours = identity("queue");
    let mut stack = compressed(&server(&ours, None, ClientAuth::None, MinVersion::Tls12));
    let mut out = Vec::new();
    let result = take(&mut stack, b"  V2IDENTIFY\n", &mut BytesMut::new(), PLAIN_MAX, &mut out);
    assert_eq!(result, Err(LayerError::PlainText));
    assert_eq!(out.first(), Some(&21), "an alert record");
}

#[test]
fn tls_with_each_compression_at_all_sizes() {
    let ours = identity("queue");
    let tls =
        (client(&ours.0, None, MinVersion::Tls12), server(&ours, None, ClientAuth::None, MinVersion::Tls12));
    for layer in [None, Some(Layer::Snappy), Some(Layer::Deflate(6))] {
        let (mut a, mut b) = pair(&tls.0, &tls.1);
        shake(&mut a, &mut b, 4096).unwrap();
        if let Some(layer) = &layer {
            a.push(layer, &[]).unwrap();
            b.push(layer, &[]).unwrap();
            assert_eq!(a.push(layer, &[]), Err(LayerError::Order));
            assert_eq!(a.push(&tls.0, &[]), Err(LayerError::Order));
        }
        for size in SIZES {
            let plain = content(size);
            for (from, to) in [(true, false), (false, true)] {
                let (from, to) = if from && !to { (&mut a, &mut b) } else { (&mut b, &mut a) };
                let mut wire = Vec::new();
                from.send(&plain, &mut wire);
                from.flush(&mut wire);
                let step = if size < 70_000 { 1_000 } else { 64 * 1024 };
                let (got, most) = receive(to, &wire, step, PLAIN_MAX).unwrap();
                assert!(got == plain, "{layer:?} {size}");
                assert!(most <= 2 * PLAIN_MAX + 16_384, "{most}");
            }
        }
    }
}

#[test]
fn pieces_keep_their_order_in_a_buffer_that_is_lent() {
    let ours = identity("queue");
    let tls =
        (client(&ours.0, None, MinVersion::Tls12), server(&ours, None, ClientAuth::None, MinVersion::Tls12));
    for layer in [None, Some(Layer::Snappy)] {
        let (mut a, mut b) = pair(&tls.0, &tls.1);
        shake(&mut a, &mut b, 4096).unwrap();
        if let Some(layer) = &layer {
            a.push(layer, &[]).unwrap();
            b.push(layer, &[]).unwrap();
        }
        // In front of a long piece: nothing, a little, or much.
        for before in [0, 7, 40_000] {
            let (mut sent, mut wire) = (Vec::new(), Vec::new());
            a.lend(Vec::with_capacity(4096));
            for size in [before, 16_384, 11, 16_383, 4_000, 100_000, 1, 65_536] {
                let plain = content(size);
                sent.extend_from_slice(&plain);
                if !a.gather(&plain) {
                    a.send(&plain, &mut wire);
                }
            }
            a.flush(&mut wire);
            assert_eq!((a.gathered(), a.memory()), (0, 0));
            assert!(a.reclaim().is_some_and(|buffer| buffer.is_empty()), "nobody idle has a buffer");
            assert!(a.reclaim().is_none() && a.wants_buffer());
            let (got, _) = receive(&mut b, &wire, 10_000, PLAIN_MAX).unwrap();
            assert!(got == sent, "{layer:?} {before}");
        }
    }
}

#[test]
fn what_is_sent_during_the_handshake_follows_it() {
    let ours = identity("queue");
    let layer = server(&ours, None, ClientAuth::None, MinVersion::Tls12);
    let (mut a, mut b) = pair(&client(&ours.0, None, MinVersion::Tls12), &layer);
    let mut wire = Vec::new();
    b.send(b"early", &mut wire);
    b.flush(&mut wire);
    assert!(wire.is_empty());
    let (mut to_b, mut plain) = (Vec::new(), BytesMut::new());
    take(&mut a, &[], &mut plain, PLAIN_MAX, &mut to_b).unwrap();
    for _ in 0..3 {
        let mut to_a = Vec::new();
        take(&mut b, &std::mem::take(&mut to_b), &mut plain, PLAIN_MAX, &mut to_a).unwrap();
        take(&mut a, &to_a, &mut plain, PLAIN_MAX, &mut to_b).unwrap();
    }
    assert_eq!(&plain[..], b"early");
}

#[test]
fn close_notify_is_a_fin() {
    let ours = identity("queue");
    let layer = server(&ours, None, ClientAuth::None, MinVersion::Tls12);
    let (mut a, mut b) = pair(&client(&ours.0, None, MinVersion::Tls12), &layer);
    shake(&mut a, &mut b, 4096).unwrap();
    let mut wire = Vec::new();
    a.send(b"last words", &mut wire);
    a.close(&mut wire);
    let mut plain = BytesMut::new();
    let received = take(&mut b, &wire, &mut plain, PLAIN_MAX, &mut Vec::new()).unwrap();
    assert_eq!((&plain[..], received.ended), (&b"last words"[..], true));
}

#[test]
fn configurations_that_cannot_be() {
    use crate::tls::Error;
    let ours = identity("queue");
    let (certificate, key) = (ours.0.as_bytes(), ours.1.as_bytes());
    let other = identity("other");
    let make =
        |certificate, key, root, policy| server_config(certificate, key, root, policy, MinVersion::Tls12);
    let none = ClientAuth::None;
    assert!(matches!(make(b"", key, None, none), Err(Error::Certificate("certificate file"))));
    assert!(matches!(make(key, key, None, none), Err(Error::Certificate("certificate file"))));
    assert!(matches!(make(certificate, certificate, None, none), Err(Error::Key)));
    assert!(matches!(make(certificate, other.1.as_bytes(), None, none), Err(Error::Mismatch)));
    assert!(matches!(make(certificate, key, None, ClientAuth::RequireVerify), Err(Error::NoRoots)));
    let empty = make(certificate, key, Some(b"x"), ClientAuth::RequireVerify);
    assert!(matches!(empty, Err(Error::Certificate("root CA file"))));
}

proptest! {
    #[test]
    fn any_pieces_round_trip(
        pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..30),
        flushes in proptest::collection::vec(any::<bool>(), 30),
        step in 1..500usize,
        plain_max in 1..2_000usize,
        which in 0..2usize,
    ) {
        let layer = [Layer::Snappy, Layer::Deflate(6)][which].clone();
        let (mut to, mut from) = (compressed(&layer), compressed(&layer));
        let mut wire = Vec::new();
        for (piece, flush) in pieces.iter().zip(flushes) {
            to.send(piece, &mut wire);
            if flush {
                to.flush(&mut wire);
            }
        }
        to.flush(&mut wire);
        let (got, _) = receive(&mut from, &wire, step, plain_max).unwrap();
        prop_assert_eq!(got, pieces.concat());
    }

    #[test]
    fn noise_never_panics_and_is_bounded(
        noise in proptest::collection::vec(any::<u8>(), 0..2_000),
        step in 1..500usize,
        which in 0..2usize,
    ) {
        let layer = [Layer::Snappy, Layer::Deflate(6)][which].clone();
        let noise = if which == 0 { [IDENTIFIER, &noise].concat() } else { noise };
        if let Ok((_, most)) = receive(&mut compressed(&layer), &noise, step, 1_000) {
            prop_assert!(most <= 1_000 + 65_536);
        }
    }
}

/// Arbitrary bytes from the peer, during and after a handshake, with our own writes in between, cause only an
/// error or a request for more input.
#[test]
fn tls_under_changed_input_never_panics() {
    let (ours, theirs) = (identity("queue"), identity("client"));
    let client = client(&ours.0, Some(&theirs), MinVersion::Tls12);
    let server = server(&ours, Some(&theirs.0), ClientAuth::RequireVerify, MinVersion::Tls12);
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
    println!("seed {seed}");
    let mut state = seed | 1;
    let mut below = |n: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % n
    };
    for _ in 0..1000 {
        let (mut a, mut b) = pair(&client, &server);
        let (mut to_a, mut to_b) = (Vec::new(), Vec::new());
        a.flush(&mut to_b);
        let changes_at = below(3_000);
        let (mut carried, mut failed) = (0, false);
        for _ in 0..60 {
            for of_client in [false, true] {
                let (stack, input, output) =
                    if of_client { (&mut a, &mut to_a, &mut to_b) } else { (&mut b, &mut to_b, &mut to_a) };
                let step = 1 + below(700);
                let mut piece: Vec<u8> = input.drain(..step.min(input.len())).collect();
                if (carried..carried + piece.len()).contains(&changes_at) {
                    piece[changes_at - carried] ^= 1 << below(8);
                }
                carried += piece.len();
                let result = stack.receive(&mut piece, &mut BytesMut::new(), PLAIN_MAX, output);
                failed |= result.is_err();
                if below(2) == 0 {
                    stack.send(b"some words", output);
                    stack.flush(output);
                }
            }
            if failed {
                break;
            }
        }
        a.close(&mut to_b);
        b.close(&mut to_a);
    }
}
