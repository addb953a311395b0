//! Files captured from nutcracker 0.5.0, random bytes, and the result of accepted files.

use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::Secret;
use crate::checked::{Listen, PoolListen, Protocol, Target};
use crate::fault::Position;

#[allow(clippy::unnecessary_wraps, reason = "it stands for one that can fail")]
fn resolve_all(_: &str, _: u16) -> Result<(), String> {
    Ok(())
}

fn accepted(text: &str) -> Accepted {
    parse(text.as_bytes(), "c.yml", &resolve_all).unwrap_or_else(|refusal| panic!("{refusal:?}"))
}

fn reasons(text: &str) -> Vec<(usize, String)> {
    let refusal = parse(text.as_bytes(), "c.yml", &resolve_all).expect_err("must be refused");
    refusal.reasons.iter().map(|r| (r.position.map_or(0, |p| p.line), r.to_string())).collect()
}

/// `nutcracker_config.jsonl`: `exit` of `-t`, and the lines of `log`.
#[test]
fn golden() {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden/nutcracker_config.jsonl");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: no {}", path.display());
        return;
    };
    let mut failed = Vec::new();
    let mut cases = 0;
    for line in text.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let conf: Vec<u8> = case["conf"].as_str().unwrap().chars().map(|c| c as u32 as u8).collect();
        let outcome = parse(&conf, "c.yml", &resolve_all);
        let logged: Vec<String> = match &outcome {
            Ok(_) => Vec::new(),
            Err(refusal) => refusal.reasons.first().into_iter().flat_map(|r| r.logged.clone()).collect(),
        };
        let log: Vec<String> = case["log"].as_array().into_iter().flatten().map(golden_text).collect();
        let exit = u64::from(outcome.is_err());
        if case["exit"] != exit || logged != log {
            failed.push(format!("{}: exit {exit}, log {logged:?}, expected {log:?}", case["id"]));
        }
        cases += 1;
    }
    assert!(failed.is_empty(), "{} of {cases}:\n{}", failed.len(), failed.join("\n"));
    assert!(cases > 100);
}

fn golden_text(line: &serde_json::Value) -> String {
    line.as_str().unwrap().replace("\u{27e6}conf\u{27e7}", "c.yml")
}

/// Texts at which libyaml-safer itself panics.
#[test]
fn the_end_of_the_text_within_a_scalar() {
    let pool =
        "alpha:\n  listen: 127.0.0.1:22121\n  redis: true\n  servers:\n   - 127.0.0.1:1:1\n  redis_auth: ";
    for (written, password) in [
        ("|\n    secret", "secret"),
        ("|\n    secret\n", "secret\n"),
        (">\n    se\n    cret", "se cret"),
        ("|+\n    secret\n\n   ", "secret\n\n"),
        ("|-\n    secret", "secret"),
        ("|\n    secret\n# end", "secret\n"),
        ("a|b", "a|b"),
    ] {
        let accepted = accepted(&format!("{pool}{written}"));
        let found = accepted.pools[0].auth.as_ref().map_or("", Secret::reveal);
        assert_eq!(found, password, "{written:?}");
    }
    for refused in ["\"\\", "\"a\\", "|", ">x", "[!x,y]", "[!<tag:x>,y]", "{!!str,", "[!", "!x,y"] {
        assert!(!reasons(&format!("{pool}{refused}")).is_empty(), "{refused:?}");
    }
}

#[test]
fn utf_16() {
    let text = "\u{feff}\u{e9}|\u{1f95c}:\n  listen: 127.0.0.1:1\n  servers:\n  - a:1:1";
    let encoded =
        |bytes: fn(u16) -> [u8; 2], text: &str| -> Vec<u8> { text.encode_utf16().flat_map(bytes).collect() };
    for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
        let mut whole = encoded(bytes, text);
        let accepted = parse(&whole, "c.yml", &resolve_all).expect("is well-formed");
        assert_eq!(accepted.pools[0].name, "\u{e9}|\u{1f95c}");
        for wrong in [&[0u8][..], &bytes(0xdc00), &bytes(0xd800)] {
            whole.extend_from_slice(wrong);
            let refusal = parse(&whole, "c.yml", &resolve_all).expect_err("is not UTF-16");
            assert_eq!(refusal.reasons[0].logged, ["conf: failed (err 2) to get the next yaml document"]);
            whole.truncate(whole.len() - wrong.len());
        }
    }
}

#[test]
fn a_pool() {
    let accepted = accepted(
        "alpha:\n  listen: 127.0.0.1:22121\n  redis: true\n  timeout: 4294967297\n  hash: murmur\n  hash_tag: '{}'\n  \
         client_connections: 3\n  server_failure_limit: 0\n  tcpkeepalive: true\n  servers:\n  - 10.0.0.1:06379:2\n  \
         - ::1:11211:1\n  - /tmp/a.sock:1\n  - h:1:1 b\n",
    );
    let pool = &accepted.pools[0];
    assert_eq!(pool.listen, [PoolListen::plain(Listen::Tcp { host: "127.0.0.1".into(), port: 22121 })]);
    assert_eq!(pool.protocol, Protocol::Redis);
    assert_eq!(pool.timeout, Some(Duration::from_millis(1)), "numbers wrap");
    assert_eq!(pool.hash, ring::Hash::Murmur);
    assert_eq!(pool.hash_tag, Some(*b"{}"));
    assert_eq!(pool.client_connections, None, "never enforced by the original");
    assert_eq!(pool.server_failure_limit, 1);
    assert!(pool.keepalive.is_some());
    let identities: Vec<_> = pool.servers.iter().map(|server| server.identity.as_str()).collect();
    assert_eq!(identities, ["b", "::1", "/tmp/a.sock:", "10.0.0.1:06379"]);
    assert_eq!(pool.servers[3].target, Target::Tcp { host: "10.0.0.1".into(), port: 6379 });
    assert_eq!(accepted.ignored[0].position, Position { line: 7, column: 23 });
}

#[test]
fn defaults() {
    let accepted = accepted("p:\n  listen: 127.0.0.1:1\n  servers:\n  - a:1:1\n");
    let pool = &accepted.pools[0];
    assert_eq!(pool.protocol, Protocol::Memcache);
    assert_eq!((pool.timeout, pool.keepalive, pool.backlog), (None, None, 512));
    assert_eq!((pool.server_retry_timeout, pool.server_failure_limit), (Duration::from_secs(30), 2));
}

#[test]
fn more_server_connections_than_there_are_lanes_are_cut() {
    for (written, expected) in [("1024", 1024), ("1025", 1024), ("65536", 1024), ("2147483647", 1024)] {
        let text =
            format!("a:\n  listen: 127.0.0.1:1\n  server_connections: {written}\n  servers:\n  - h:1:1\n");
        assert_eq!(accepted(&text).pools[0].server_connections, expected, "{written}");
    }
}

#[test]
fn every_reason_with_its_line() {
    let text = "a:\n  listen: x\n  hash: bogus\n  hash: md5\n  hash: md5\n  servers:\n  - a:1:0\n  - b:0:1\n  nope: 1\n";
    let directive = |name: &str, phrase: &str| format!("conf: directive \"{name}\" {phrase}");
    assert_eq!(
        reasons(text),
        [
            (2, directive("listen", "has an invalid \"hostname:port\" format string")),
            (3, directive("hash", "is not a valid hash")),
            (5, directive("hash", "is a duplicate")),
            (7, directive("servers", "has a zero weight in \"hostname:port:weight [name]\" format string")),
            (8, directive("servers", "has an invalid port in \"hostname:port:weight [name]\" format string")),
            (9, directive("nope", "is unknown")),
        ]
    );
    assert_eq!(reasons("a:\n  listen: x:1\n  servers:\n  -\n"), [(4, "a name or value is empty".into())]);
    let unquoted = reasons("a:\n  listen: \"x\n");
    assert_eq!(
        unquoted[0].1,
        "conf: failed (err 3) to get the next yaml document: found unexpected end of stream"
    );
}

#[test]
fn more_servers_than_shards_can_number_are_refused() {
    let pool = |servers: usize| {
        let servers: String = (0..servers).map(|i| format!("  - s{i}:1:1\n")).collect();
        format!("p:\n  listen: 127.0.0.1:1\n  distribution: modula\n  servers:\n{servers}")
    };
    let most = crate::limits::POOL_SERVERS_MAX;
    assert_eq!(accepted(&pool(most)).pools[0].servers.len(), most);
    let refusal = parse(pool(most + 1).as_bytes(), "c.yml", &resolve_all).unwrap_err();
    assert_eq!(refusal.reasons[0].logged, ["conf: pool 'p' has 16385 servers, at most 16384 are possible"]);
}

#[test]
fn unresolvable_listen() {
    let resolve = |host: &str, _: u16| match host {
        "nosuch" => Err("Name or service not known".to_string()),
        _ => Ok(()),
    };
    // The empty name never resolves, whatever the resolver says.
    for host in ["nosuch", ""] {
        let text = format!("a:\n  listen: {host}:1\n  servers:\n  - a:1:1\n");
        let refusal = parse(text.as_bytes(), "c.yml", &resolve).unwrap_err();
        assert_eq!(
            refusal.reasons[0].logged,
            [
                format!("address resolution of node '{host}' service '1' failed: Name or service not known"),
                "conf: directive \"listen\" has an invalid value".into(),
            ]
        );
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes, "c.yml", &resolve_all);
    }

    #[test]
    fn no_yaml_like_text_panics(text in "([a-z\"'{}\\[\\]:,#&*!|>%@?\\-0-9]|\n|  | |: |- |\u{e9}|---|/){0,120}") {
        let _ = parse(text.as_bytes(), "c.yml", &resolve_all);
    }
}
