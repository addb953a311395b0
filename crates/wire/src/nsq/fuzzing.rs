//! Fuzz target bodies, kept beside the code they exercise; a test runs them over seeded noise.
//!
//! Each takes arbitrary bytes and panics on a broken invariant: whole and piecewise feeding agree, more bytes
//! are requested than available, and nothing points outside the input.

use super::frame::{FrameType, ReadFrame};
use super::lookup;
use super::{ClientState, Command, Gate, Limits, MessageId, Scan, Scanner, frame, http_mpub, identify};

/// V2: a stream of commands, whose first byte selects the state, fed whole and in pieces.
pub fn v2(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    let states = [ClientState::Init, ClientState::Subscribed, ClientState::Closing];
    let gate = Gate {
        state: states[usize::from(choice % 3)],
        tls_missing: choice & 0x40 != 0,
        heartbeats_off: choice & 0x20 != 0,
    };
    let limits = Limits { message_bytes_max: 64, body_bytes_max: 256, ..Limits::default() };
    let step = usize::from(choice >> 3 & 3) + 1;
    assert_eq!(run_v2(bytes, &limits, gate, bytes.len().max(1)), run_v2(bytes, &limits, gate, step));
    let _ = frame::read_frame(bytes, 256);
    let _ = http_mpub::binary(bytes, &limits).map(|messages| assert!(messages.body_bytes() <= bytes.len()));
    let _ = http_mpub::text(bytes, &limits).map(Iterator::count);
}

/// Feeds `bytes` in pieces of `step`; returns the end of each command and the outcome of the stream.
fn run_v2(bytes: &[u8], limits: &Limits, gate: Gate, step: usize) -> (Vec<usize>, String) {
    let mut scanner = Scanner::default();
    let (mut start, mut end) = (0, 0);
    let mut ends = Vec::new();
    loop {
        match scanner.scan(&bytes[start..end], limits, gate) {
            Scan::NeedMore { want } => {
                assert!(want > end - start);
                if end == bytes.len() {
                    return (ends, format!("{:?}", scanner.ended()));
                }
                end = (end + step).min(bytes.len());
            }
            Scan::Topic(_) => {}
            Scan::Done { command, len } => {
                assert!(len > 0 && len <= end - start);
                if let Command::Identify { body } = command
                    && let Ok(identify) = identify::Identify::parse(body)
                {
                    let terms = identify::Terms::default();
                    let _ = identify.settle(&terms, &terms.settings());
                }
                start += len;
                ends.push(start);
            }
            Scan::Bad(refusal) => {
                let mut out = Vec::new();
                refusal.write(&mut out);
                return (ends, String::from_utf8_lossy(&out).into_owned());
            }
            Scan::LineTooLong => return (ends, String::from("too long")),
        }
    }
}

/// Frames one after the other, as a client reads them: each is found exactly at its end and encodes to the
/// same bytes, and a parsed message encodes to the original.
pub fn frames(data: &[u8]) {
    const DATA_MAX: usize = 512;
    let mut rest = data;
    loop {
        let found = frame::read_frame(rest, DATA_MAX);
        let (kind, payload, len) = match found {
            ReadFrame::Done { kind, data, len } => (kind, data, len),
            ReadFrame::NeedMore { want } => return assert!(want > rest.len() && want <= DATA_MAX + 8),
            ReadFrame::Bad => return,
        };
        assert!(len == payload.len() + 8 && payload.len() <= DATA_MAX);
        for end in 0..len {
            let part = frame::read_frame(&rest[..end], DATA_MAX);
            assert!(
                matches!(part, ReadFrame::NeedMore { want } if want > end && want <= len),
                "{end}: {part:?}"
            );
        }
        let mut again = Vec::new();
        match (kind, frame::MessageData::parse(payload)) {
            (FrameType::Response, _) => frame::write_response(&mut again, payload),
            (FrameType::Message, Some(message)) => {
                if let Some(id) = MessageId::from_hex(&message.id) {
                    frame::write_message(
                        &mut again,
                        message.timestamp_ns,
                        message.attempts,
                        id,
                        message.body,
                    );
                }
            }
            (FrameType::Message, None) => assert!(payload.len() < 26),
            (FrameType::Error, _) => {}
        }
        assert!(again.is_empty() || again.eq_ignore_ascii_case(&rest[..len]), "{}", again.escape_ascii());
        rest = &rest[len..];
    }
}

/// The body of IDENTIFY: the settlement respects the server's terms, and the answer is valid JSON.
pub fn identify(body: &[u8]) {
    let _ = identify::IdentifyReply::parse(body);
    let plain = identify::Terms::default();
    let full = identify::Terms {
        tls: true,
        auth_required: true,
        topology_zone: "\"z\u{7f}".into(),
        ..plain.clone()
    };
    for terms in [plain, full] {
        let Ok(identify) = identify::Identify::parse(body) else { return };
        let Ok(settled) = identify.settle(&terms, &terms.settings()) else { return };
        let settings = settled.settings;
        assert!(settings.heartbeat_ms.is_none_or(|ms| (1_000..=terms.heartbeat_ms_max).contains(&ms)));
        assert!(settings.output_buffer_bytes <= terms.output_buffer_bytes_max);
        assert!(settings.output_buffer_ms.is_none_or(|ms| ms <= terms.output_buffer_ms_max));
        assert!(settings.sample_rate <= 99 && settings.msg_timeout_ms <= terms.msg_timeout_ms_max);
        let upgrades = settled.upgrades.unwrap_or_default();
        assert!(!(upgrades.snappy && upgrades.deflate) && upgrades.tls <= terms.tls);
        assert!(
            settled.upgrades.is_none() || (1..=terms.deflate_level_max).contains(&upgrades.deflate_level)
        );
        let mut answer = Vec::new();
        settled.write_reply(&terms, &mut answer);
        let again = identify::Identify::parse(&answer);
        assert!(settled.upgrades.is_none() || again.is_ok(), "{}", answer.escape_ascii());
        assert!(identify::IdentifyReply::parse(&answer).is_some(), "{}", answer.escape_ascii());
    }
}

/// Lookup V1: a stream of commands, fed whole and byte by byte; and the client's reader.
pub fn lookup(data: &[u8]) {
    assert_eq!(run_lookup(data, data.len().max(1)), run_lookup(data, 1));
    let _ = lookup::read_response(data, 256);
    let _ = lookup::Node::parse(data);
}

fn run_lookup(bytes: &[u8], step: usize) -> (Vec<usize>, String) {
    let mut scanner = lookup::Scanner::default();
    let (mut start, mut end, mut identified) = (0, 0, false);
    let mut ends = Vec::new();
    loop {
        match scanner.scan(&bytes[start..end], identified) {
            lookup::Scan::NeedMore { want } => {
                assert!(want > end - start);
                if end == bytes.len() {
                    return (ends, format!("{:?}", scanner.ended()));
                }
                end = (end + step).min(bytes.len());
            }
            lookup::Scan::Done { command, len } => {
                identified |= matches!(command, lookup::Command::Identify(_));
                start += len;
                ends.push(start);
            }
            lookup::Scan::Bad(refusal) => {
                let mut out = Vec::new();
                refusal.write(&mut out);
                return (ends, String::from_utf8_lossy(&out).into_owned());
            }
            lookup::Scan::LineTooLong => return (ends, String::from("too long")),
        }
    }
}

#[cfg(test)]
mod tests {
    /// Tokens that get noise past the first checks.
    const PIECES: [&[u8]; 22] = [
        b"PUB t\n",
        b"MPUB t\n",
        b"DPUB t 5\n",
        b"SUB t c\n",
        b"IDENTIFY\n",
        b"AUTH\n",
        b"FIN 0123456789abcdef\n",
        b"RDY 3\n",
        b"\0\0\0\x01",
        b"\0\0\0\x02",
        b"\0\0\0\x05",
        b"x",
        b"\n",
        b" ",
        b"{}",
        b"{\"msg_timeout\":1000}",
        b"REGISTER t c\n",
        b"PING\n",
        b"REQ 0123456789abcdef 1\n",
        b"\0\0\0\x44{\"broadcast_address\":\"a\",\"tcp_port\":1,\"http_port\":2,\"version\":\"v\"}",
        b"CLS\n",
        b"NOP\r\n",
    ];

    /// xorshift: the seed alone replays a failure.
    fn noise(seed: u64) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 33).unwrap_or(0)
        };
        let mut bytes = vec![next() as u8];
        for _ in 0..next() % 12 {
            match next() % 8 {
                0 => bytes.push(next() as u8),
                _ => bytes.extend_from_slice(PIECES[next() % PIECES.len()]),
            }
        }
        bytes
    }

    #[test]
    fn seeded() {
        for seed in 0..20_000 {
            let bytes = noise(seed);
            let run = std::panic::catch_unwind(|| {
                super::v2(&bytes);
                super::frames(&bytes);
                super::identify(&bytes);
                super::lookup(&bytes);
            });
            assert!(run.is_ok(), "seed {seed}: {}", bytes.escape_ascii());
        }
    }
}
