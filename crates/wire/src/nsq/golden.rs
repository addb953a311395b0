//! Conversations recorded from nsqd and nsqlookupd, replayed within a codec's limits.
//!
//! A small server that parses, settles and answers but stores no message must produce the same responses and
//! errors, in the same order. Anything that depends on messages (deliveries, FIN of a missing one) is only
//! checked to be text that we can write.

use std::path::PathBuf;

use serde_json::Value;

use super::frame::{self, FrameType, MessageData, ReadFrame};
use super::identify::{Identify, Settings, Terms};
use super::{
    ClientState, Command, Gate, Limits, Magic, MessageId, Refusal, Scan, Scanner, Verb, lookup, magic,
};

const ID: &str = "0123456789abcdef";

fn cases(file: &str) -> Vec<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden").join(file);
    match std::fs::read_to_string(&path) {
        Ok(text) => text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        Err(error) => {
            eprintln!("SKIPPED: {}: {error}", path.display());
            Vec::new()
        }
    }
}

/// The bytes of a golden string; unknown parts become zeros.
fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((plain, tail)) = rest.split_once('\u{27e6}') {
        out.extend(plain.chars().map(|c| c as u8));
        let (token, tail) = tail.split_once('\u{27e7}').unwrap();
        let words: Vec<_> = token.split(':').collect();
        match words[..] {
            ["rep", count, hex] => {
                let unit: Vec<u8> = (0..hex.len())
                    .step_by(2)
                    .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap())
                    .collect();
                out.extend(unit.repeat(count.parse().unwrap()));
            }
            ["id", _] => out.extend_from_slice(ID.as_bytes()),
            ["any", count] => out.resize(out.len() + count.parse::<usize>().unwrap(), 0),
            ["str"] => out.extend_from_slice(b"host"),
            ["port", name] => out.extend_from_slice(if name.ends_with("http") { b"4161" } else { b"4160" }),
            _ => panic!("token {token}"),
        }
        rest = tail;
    }
    out.extend(rest.chars().map(|c| c as u8));
    out
}

/// An nsqd without topics, for one connection.
struct Mini {
    limits: Limits,
    terms: Terms,
    settings: Settings,
    scanner: Scanner,
    gate: Gate,
    input: Vec<u8>,
    magic: bool,
    dead: bool,
    out: Vec<(FrameType, Vec<u8>)>,
    upgrades: usize,
}

impl Mini {
    fn new(flags: &[String]) -> Mini {
        let (mut limits, mut terms) = (Limits::default(), Terms::default());
        for flag in flags {
            let (name, value) = flag.split_once('=').unwrap();
            let ms = || match value.strip_suffix("ms") {
                Some(ms) => ms.parse().unwrap(),
                None => value.strip_suffix('s').unwrap().parse::<u64>().unwrap() * 1000,
            };
            match name {
                "--max-msg-size" => limits.message_bytes_max = value.parse().unwrap(),
                "--max-body-size" => limits.body_bytes_max = value.parse().unwrap(),
                "--max-rdy-count" => limits.ready_max = value.parse().unwrap(),
                "--max-req-timeout" => limits.requeue_ms_max = ms(),
                "--snappy" => terms.snappy = value == "true",
                "--deflate" => terms.deflate = value == "true",
                "--max-deflate-level" => terms.deflate_level_max = value.parse().unwrap(),
                "--max-heartbeat-interval" => terms.heartbeat_ms_max = ms(),
                "--max-output-buffer-size" => terms.output_buffer_bytes_max = value.parse().unwrap(),
                "--max-output-buffer-timeout" => terms.output_buffer_ms_max = ms(),
                "--min-output-buffer-timeout" => terms.output_buffer_ms_min = ms(),
                "--output-buffer-timeout" => terms.output_buffer_ms = ms(),
                "--msg-timeout" => terms.msg_timeout_ms = ms(),
                "--max-msg-timeout" => terms.msg_timeout_ms_max = ms(),
                "--tls-cert" => terms.tls = true,
                "--tls-key" | "--mem-queue-size" | "--max-channel-consumers" | "--tls-required" => {}
                _ => panic!("flag {flag}"),
            }
        }
        let gate =
            Gate { tls_missing: flags.iter().any(|flag| flag == "--tls-required=true"), ..Gate::default() };
        let settings = terms.settings();
        let scanner = Scanner::default();
        let out = Vec::new();
        Mini {
            limits,
            terms,
            settings,
            scanner,
            gate,
            input: Vec::new(),
            magic: false,
            dead: false,
            out,
            upgrades: 0,
        }
    }

    fn error(&mut self, refusal: Refusal<'_>) {
        let mut data = Vec::new();
        refusal.write(&mut data);
        self.out.push((FrameType::Error, data));
        self.dead |= refusal.fatal();
    }

    fn ok(&mut self, data: &[u8]) {
        self.out.push((FrameType::Response, data.to_vec()));
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        if !self.magic {
            match magic(&self.input) {
                Magic::NeedMore => return,
                Magic::Bad => return self.error(Refusal::Protocol),
                Magic::V2 => drop(self.input.drain(..4)),
            }
            self.magic = true;
        }
        let input = std::mem::take(&mut self.input);
        let mut start = 0;
        while !self.dead {
            match self.scanner.scan(&input[start..], &self.limits, self.gate) {
                Scan::NeedMore { .. } => break,
                Scan::Topic(_) => {}
                Scan::Done { command, len } => {
                    start += len;
                    self.execute(command);
                }
                Scan::Bad(refusal) => self.error(refusal),
                Scan::LineTooLong => self.dead = true,
            }
        }
        self.input = input[start..].to_vec();
    }

    fn execute(&mut self, command: Command<'_>) {
        match command {
            Command::Identify { body } => self.identify(body),
            Command::Auth { .. } => self.error(Refusal::AuthDisabled),
            Command::Sub { .. } => {
                self.gate.state = ClientState::Subscribed;
                self.ok(frame::OK);
            }
            Command::Cls => {
                self.gate.state = ClientState::Closing;
                self.ok(frame::CLOSE_WAIT);
            }
            Command::Pub { .. } | Command::Mpub { .. } | Command::Dpub { .. } => self.ok(frame::OK),
            Command::Rdy { .. } | Command::Nop => {}
            // the codec does not know the state of messages
            Command::Fin { .. } | Command::Req { .. } | Command::Touch { .. } => {}
        }
    }

    fn identify(&mut self, body: &[u8]) {
        let settled = Identify::parse(body).and_then(|identify| identify.settle(&self.terms, &self.settings));
        match settled {
            Err(refusal) => self.error(refusal),
            Ok(settlement) => {
                self.settings = settlement.settings;
                self.gate.heartbeats_off = self.settings.heartbeat_ms.is_none();
                let mut reply = Vec::new();
                settlement.write_reply(&self.terms, &mut reply);
                self.ok(&reply);
                if let Some(upgrades) = settlement.upgrades {
                    self.gate.tls_missing &= !upgrades.tls;
                    for _ in
                        [upgrades.tls, upgrades.snappy, upgrades.deflate].iter().filter(|granted| **granted)
                    {
                        self.ok(frame::OK);
                        self.upgrades += 1;
                    }
                }
            }
        }
    }

    fn end(&mut self) {
        if let Some(refusal) = self.scanner.ended() {
            self.error(refusal);
        }
        self.dead = true;
    }
}

/// True for texts about messages, which the queue produces; the codec must at least have such texts.
fn about_a_message(text: &[u8]) -> bool {
    [(Verb::Fin, &b"E_FIN"[..]), (Verb::Req, b"E_REQ"), (Verb::Touch, b"E_TOUCH")].iter().any(
        |(verb, code)| {
            if !text.starts_with(code) {
                return false;
            }
            let id: [u8; 16] =
                text.split_at(text.iter().position(|b| *b == b' ').unwrap() + verb.name().len() + 2).1[..16]
                    .try_into()
                    .unwrap();
            let ours = [Refusal::NotInFlight(*verb, id), Refusal::NotOwner(*verb, id)].map(|refusal| {
                let mut out = Vec::new();
                refusal.write(&mut out);
                out
            });
            assert!(ours.iter().any(|ours| ours == text), "{}", text.escape_ascii());
            true
        },
    )
}

/// Checks that the expected frame is encoded to the same bytes and read back.
fn check_frame(kind: u64, data: &[u8]) {
    let mut wire = Vec::new();
    match kind {
        0 => frame::write_response(&mut wire, data),
        2 => {
            let message = MessageData::parse(data).unwrap();
            let id = MessageId::from_hex(&message.id).unwrap();
            frame::write_message(&mut wire, message.timestamp_ns, message.attempts, id, message.body);
        }
        _ => return,
    }
    let ReadFrame::Done { data: read, .. } = frame::read_frame(&wire, 1 << 23) else { panic!("not whole") };
    assert_eq!(read, data);
}

#[test]
fn nsqd_v2() {
    let (mut replayed, mut passed_over) = (0, 0);
    for case in cases("nsqd_v2.jsonl") {
        let id = case["id"].as_str().unwrap();
        let daemons = case["daemons"].as_array().unwrap();
        if daemons.len() > 1 {
            // authorization: the answers depend on another server
            passed_over += 1;
            continue;
        }
        let flags: Vec<String> = serde_json::from_value(daemons[0]["flags"].clone()).unwrap_or_default();
        let mut conns = std::collections::HashMap::new();
        for step in case["steps"].as_array().unwrap() {
            let Some(name) = step["conn"].as_str() else { continue };
            let conn = conns.entry(name.to_owned()).or_insert_with(|| Mini::new(&flags));
            if let Some(text) = step["send"].as_str() {
                conn.receive(&bytes(text));
            }
            if step["shutdown"] == true {
                conn.end();
            }
            for expected in step["expect"].as_array().into_iter().flatten() {
                let kind = expected["t"].as_u64().unwrap();
                let data = bytes(expected["d"].as_str().unwrap());
                check_frame(kind, &data);
                if kind == 2 || data == frame::HEARTBEAT || about_a_message(&data) {
                    continue;
                }
                assert!(!conn.out.is_empty(), "{id}: expected {}", data.escape_ascii());
                let (got_kind, got) = conn.out.remove(0);
                assert_eq!(got.escape_ascii().to_string(), data.escape_ascii().to_string(), "{id}");
                assert_eq!(got_kind as u64, kind, "{id}");
            }
        }
        for conn in conns.values() {
            assert!(conn.out.is_empty(), "{id}: {:?} was not expected", conn.out);
        }
        replayed += 1;
    }
    eprintln!("{replayed} conversations replayed, {passed_over} need an authorization server");
}

#[test]
fn nsqlookupd_v1() {
    for case in cases("nsqlookupd.jsonl") {
        let id = case["id"].as_str().unwrap();
        let mut conns = std::collections::HashMap::new();
        for step in case["steps"].as_array().unwrap() {
            let Some(name) = step["conn"].as_str() else { continue };
            let (input, identified, scanner, out) = conns
                .entry(name.to_owned())
                .or_insert_with(|| (Vec::new(), None, lookup::Scanner::default(), Vec::new()));
            input.extend(bytes(step["send"].as_str().unwrap_or_default()));
            lookup_turn(input, identified, scanner, out);
            if step["shutdown"] == true
                && let Some(refusal) = scanner.ended()
            {
                let mut text = Vec::new();
                refusal.write(&mut text);
                out.push(text);
            }
            for expected in step["expect"].as_array().into_iter().flatten() {
                let data = bytes(expected["d"].as_str().unwrap());
                assert!(!out.is_empty(), "{id}: expected {}", data.escape_ascii());
                assert_eq!(out.remove(0).escape_ascii().to_string(), data.escape_ascii().to_string(), "{id}");
            }
        }
        for (_, (.., out)) in conns {
            assert!(out.is_empty(), "{id}: {out:?} was not expected");
        }
    }
}

/// An nsqlookupd without registrations. `identified` is absent before the magic.
fn lookup_turn(
    input: &mut Vec<u8>,
    identified: &mut Option<bool>,
    scanner: &mut lookup::Scanner,
    out: &mut Vec<Vec<u8>>,
) {
    let refuse = |refusal: lookup::Refusal<'_>, out: &mut Vec<Vec<u8>>| {
        let mut text = Vec::new();
        refusal.write(&mut text);
        out.push(text);
    };
    if identified.is_none() {
        match input.first_chunk() {
            None => return,
            Some(lookup::MAGIC_V1) => *identified = Some(false),
            Some(_) => return refuse(lookup::Refusal::Protocol, out),
        }
        input.drain(..4);
    }
    loop {
        let len = match scanner.scan(input, *identified == Some(true)) {
            lookup::Scan::NeedMore { .. } | lookup::Scan::LineTooLong => return,
            lookup::Scan::Bad(refusal) => return refuse(refusal, out),
            lookup::Scan::Done { command, len } => {
                if let lookup::Command::Identify(_) = command {
                    *identified = Some(true);
                    let node = lookup::Node {
                        broadcast_address: "127.0.0.1".into(),
                        hostname: "host".into(),
                        http_port: 4161,
                        tcp_port: 4160,
                        version: "1.3.0".into(),
                        ..lookup::Node::default()
                    };
                    let mut answer = Vec::new();
                    node.write_answer(&mut answer);
                    out.push(answer);
                } else {
                    out.push(lookup::OK.to_vec());
                }
                len
            }
        };
        input.drain(..len);
    }
}
