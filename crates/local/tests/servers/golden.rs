//! The golden conversations replayed: answers as recorded from Redis 7.0.15 and memcached 1.6.18.
//!
//! Each conversation logs every request to a real server, with its answer. A log is replayed on a fresh store
//! up to the first unsupported command. Skipped with a message if the golden files are absent.

use std::path::PathBuf;

use nuthatch_local::{Store, memcache, redis};
use serde_json::Value;
use wire::redis::{RequestScanner, Scan, Version};

use crate::support::printable;

/// Clock of the replay; the recordings hold no absolute times.
const NOW_S: u64 = 1_700_000_000;

#[test]
fn redis_answers_as_recorded() {
    let Some(cases) = cases("nutcracker_redis.jsonl") else { return };
    let mut checked = 0;
    for (name, log) in logs(&cases, "redis") {
        let mut store = Store::new(64 << 20);
        for (request, reply) in log {
            let Some(args) = redis_args(&request) else { break };
            let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
            let Some(command) = args.first().map(|name| name.to_ascii_lowercase()) else { break };
            if !redis::commands().any(|known| known.as_bytes() == command) {
                break;
            }
            let mut got = Vec::new();
            store.execute_redis(&args, NOW_S * 1000, Version::Resp2, &mut got);
            assert_eq!(printable(&got), printable(&reply), "{name}: {}", printable(&request));
            checked += 1;
        }
    }
    assert!(checked > 100, "only {checked} requests were asked");
    eprintln!("{checked} requests to redis answered as recorded");
}

#[test]
fn memcached_answers_as_recorded() {
    let Some(cases) = cases("nutcracker_memcache.jsonl") else { return };
    let mut checked = 0;
    for (name, log) in logs(&cases, "memcached") {
        let mut store = Store::new(64 << 20);
        for (request, reply) in log {
            let end = request.windows(2).position(|pair| pair == b"\r\n").expect("a line");
            let (line, rest) = (&request[..end], &request[end + 2..]);
            let command = line.split(|&byte| byte == b' ').find(|word| !word.is_empty()).unwrap_or_default();
            if !memcache::commands().any(|known| known.as_bytes() == command) {
                break;
            }
            let data = rest.strip_suffix(b"\r\n").unwrap_or(rest);
            let mut got = Vec::new();
            store.execute_memcache(line, data, NOW_S, &mut got);
            assert_eq!(printable(&got), printable(&reply), "{name}: {}", printable(&request));
            checked += 1;
        }
    }
    assert!(checked > 100, "only {checked} requests were asked");
    eprintln!("{checked} requests to memcached answered as recorded");
}

fn cases(file: &str) -> Option<Vec<Value>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden").join(file);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()),
        Err(_) => {
            eprintln!("SKIPPED: {} is not there", path.display());
            None
        }
    }
}

/// A request and its reply.
type Exchange = (Vec<u8>, Vec<u8>);

/// The logs of the real servers of this kind: a name for messages, and the exchanges before the first masked
/// one.
fn logs(cases: &[Value], kind: &str) -> Vec<(String, Vec<Exchange>)> {
    let mut logs = Vec::new();
    for case in cases {
        let Some(backends) = case["backend_log"].as_object() else { continue };
        for (backend, log) in backends {
            let server = &case["backends"][backend];
            if server["kind"] == kind && server["password"].is_null() {
                let exchanges = log.as_array().into_iter().flatten();
                let exchanges = exchanges.map_while(|e| Some((bytes(&e["req"])?, bytes(&e["rep"])?)));
                logs.push((format!("{} {backend}", case["id"]), exchanges.collect()));
            }
        }
    }
    logs
}

/// The bytes of a golden string; None if part of it is masked.
fn bytes(text: &Value) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.as_str()?;
    while let Some(first) = rest.chars().next() {
        if first == '\u{27e6}' {
            let (token, after) = rest[first.len_utf8()..].split_once('\u{27e7}')?;
            let (count, hex) = token.strip_prefix("rep:")?.split_once(':')?;
            let digits: Vec<u32> = hex.chars().map(|c| c.to_digit(16).expect("hex")).collect();
            let unit: Vec<u8> = digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect();
            bytes.extend(unit.repeat(count.parse().ok()?));
            rest = after;
        } else {
            bytes.push(u8::try_from(u32::from(first)).ok()?);
            rest = &rest[first.len_utf8()..];
        }
    }
    Some(bytes)
}

/// The arguments of a request; None for malformed ones that nutcracker forwards.
fn redis_args(request: &[u8]) -> Option<Vec<Vec<u8>>> {
    match RequestScanner::default().scan(request, &Default::default()) {
        Scan::Done(scanned) => Some(scanned.args(request).map(|arg| arg.bytes().to_vec()).collect()),
        _ => None,
    }
}
