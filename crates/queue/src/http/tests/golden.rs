//! The captured conversations of nsqd's HTTP API, those that need only HTTP and one daemon.

use std::path::Path;
use std::time::{Duration, Instant};

use regex::bytes::Regex;
use serde_json::Value;

use super::daemon::{Daemon, Got, converse, settings};

/// Cases with an intended difference; see docs/compat-nsq.md.
const DIFFERENT: [&str; 0] = [];

#[test]
fn captured_conversations() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden/nsqd_http.jsonl");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: {} is not there", path.display());
        return;
    };
    let mut played = 0;
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let id = case["id"].as_str().unwrap();
        if !DIFFERENT.contains(&id) && playable(&case) {
            play(id, &case);
            played += 1;
        }
    }
    assert!(played >= 100, "only {played} cases could be played");
}

/// Flags that the daemon of these tests supports.
const FLAGS: [&str; 5] = [
    "--max-msg-size=",
    "--max-body-size=",
    "--mem-queue-size=",
    "--e2e-processing-latency-percentile=",
    "--max-heartbeat-interval=",
];

fn playable(case: &Value) -> bool {
    let daemons = case["daemons"].as_array().unwrap();
    let known = |flag: &Value| FLAGS.iter().any(|known| flag.as_str().unwrap().starts_with(known));
    let one = daemons.len() == 1
        && daemons[0]["no_base"].is_null()
        && daemons[0]["flags"].as_array().is_none_or(|flags| flags.iter().all(known));
    let only_http = |step: &Value| step.get("http").is_some() || step.get("sleep_ms").is_some();
    // The data path is in memory, so bodies cannot name its directory.
    let bodies = |step: &Value| !step["body"].as_str().unwrap_or_default().contains("\u{27e6}dir:");
    one && case["steps"].as_array().unwrap().iter().all(|step| only_http(step) && bodies(step))
}

fn play(id: &str, case: &Value) {
    let flags: Vec<&str> =
        case["daemons"][0]["flags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let daemon = Daemon::start(settings(&flags), None);
    for (number, step) in case["steps"].as_array().unwrap().iter().enumerate() {
        // Pauses let nsqd's threads see a change; here an answer means that the change is made.
        let Some(request) = step.get("http") else { continue };
        // The time given to nsqd for a retry is too short on a busy machine.
        let patience = if step["retry_ms"].as_u64().is_some_and(|ms| ms > 0) { 60 } else { 0 };
        let deadline = Instant::now() + Duration::from_secs(patience);
        loop {
            let got = ask(&daemon, request);
            let Err(why) = compare(&daemon, step, &got) else { break };
            assert!(Instant::now() < deadline, "{id}, step {number}: {why}\n{request}\n{}", got.text());
        }
    }
}

fn ask(daemon: &Daemon, request: &Value) -> Got {
    let mut headers = String::new();
    for (name, value) in request["headers"].as_object().into_iter().flatten() {
        headers.push_str(&format!("{name}: {}\r\n", value.as_str().unwrap()));
    }
    let mut stream = std::net::TcpStream::connect(daemon.http).unwrap();
    let body = bytes(request["body"].as_str().unwrap_or_default());
    let (method, path) = (request["method"].as_str().unwrap(), request["path"].as_str().unwrap());
    converse(&mut stream, method, path, &headers, &body)
}

fn compare(daemon: &Daemon, step: &Value, got: &Got) -> Result<(), String> {
    let status = step["status"].as_u64().unwrap_or(200);
    if u64::from(got.status) != status {
        return Err(format!("status {} instead of {status}", got.status));
    }
    for name in ["Content-Type", "X-Nsq-Content-Type", "Allow", "Location"] {
        let expected = step["headers"].get(name).and_then(Value::as_str);
        if got.header(name) != expected {
            return Err(format!("{name} {:?} instead of {expected:?}", got.header(name)));
        }
    }
    match step["body"].as_str() {
        Some(body) if !pattern(daemon, body).is_match(&got.body) => Err(format!("body instead of {body}")),
        _ => Ok(()),
    }
}

/// The bytes of a captured text: one per character, repetitions expanded.
fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for (token, literal) in pieces(text) {
        if token {
            let mut words = literal.split(':');
            assert_eq!(words.next(), Some("rep"), "{literal}");
            let count: usize = words.next().unwrap().parse().unwrap();
            let hex = words.next().unwrap();
            let unit: Vec<u8> = (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect();
            out.extend(unit.repeat(count));
        } else {
            out.extend(literal.chars().map(|c| u8::try_from(u32::from(c)).unwrap()));
        }
    }
    out
}

/// Pattern of the expected answer.
fn pattern(daemon: &Daemon, text: &str) -> Regex {
    let mut out = String::from("(?s-u)^");
    for (token, literal) in pieces(text) {
        match literal.split_once(':').unwrap_or((literal, "")) {
            ("int", _) if token => out.push_str("-?[0-9]+"),
            ("str", _) if token => out.push_str("[^\"]*"),
            ("word", _) if token => out.push_str("[^ \n]+"),
            ("re", expression) if token => out.push_str(&format!("(?:{})", expression.replace("\\\\", "\\"))),
            ("port", "nsqd.http") if token => out.push_str(&daemon.http.port().to_string()),
            ("port", "nsqd.tcp") if token => out.push_str(&daemon.tcp.port().to_string()),
            _ => {
                for byte in bytes(if token { &text[..0] } else { literal }) {
                    out.push_str(&format!("\\x{byte:02x}"));
                }
                assert!(!token, "unknown token {literal}");
            }
        }
    }
    out.push('$');
    Regex::new(&out).unwrap()
}

/// Literal parts and tokens (true), in order.
fn pieces(text: &str) -> Vec<(bool, &str)> {
    let mut out = Vec::new();
    for (n, part) in text.split('\u{27e6}').enumerate() {
        match part.split_once('\u{27e7}') {
            Some((token, rest)) if n > 0 => out.extend([(true, token), (false, rest)]),
            _ => out.push((false, part)),
        }
    }
    out
}
