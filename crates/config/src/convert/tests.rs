//! Tests that a converted file means the same as its source.

use std::path::PathBuf;

use super::*;
use crate::checked::Protocol;
use crate::nutcracker::{Accepted, parse};
use crate::{Severity, native};

fn converted(accepted: &Accepted) -> crate::checked::Config {
    let text = nutcracker(accepted);
    let report = native::check(&text, 1);
    let errors: Vec<_> = report.faults.iter().filter(|fault| fault.severity == Severity::Error).collect();
    report.config.unwrap_or_else(|| panic!("{text}\n{errors:?}"))
}

#[test]
fn every_option_of_a_pool() {
    let yaml = "a b.c:\n  listen: /tmp/a.sock 0660\n  hash: murmur\n  distribution: modula\n  hash_tag: '{}'\n  timeout: 400\n  \
                backlog: 9\n  redis: true\n  redis_auth: \"p\\\"w\"\n  redis_db: 3\n  preconnect: true\n  auto_eject_hosts: true\n  \
                server_connections: 2\n  server_retry_timeout: 2000\n  server_failure_limit: 5\n  tcpkeepalive: true\n  \
                client_connections: 7\n  servers:\n  - 127.0.0.1:6379:2 one\n  - /tmp/r.sock:1\n  - ::1:11211:1\n\
                b:\n  listen: 127.0.0.1:1\n  servers:\n  - 127.0.0.1:11211:1\n";
    let accepted = parse(yaml.as_bytes(), "c.yml", &|_, _| Ok(())).unwrap();
    assert_eq!(converted(&accepted).pools, accepted.pools);
    let text = nutcracker(&accepted);
    assert!(text.contains("client_connections had no effect"), "{text}");
    let short = "[pool.b]\nprotocol = \"memcache\"\nlisten = \"127.0.0.1:1\"\nservers = [\n    \"127.0.0.1:11211:1\",\n]\n\
                 timeout = \"off\"\nkeepalive = \"off\"\n";
    assert!(text.contains(short), "{text}");
}

/// Every file of `nutcracker_config.jsonl` that nutcracker accepts and whose numbers fit the native file.
#[test]
fn golden() {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden/nutcracker_config.jsonl");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: no {}", path.display());
        return;
    };
    let (mut same, mut refused) = (0, Vec::new());
    for line in text.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let conf: Vec<u8> = case["conf"].as_str().unwrap().chars().map(|c| c as u32 as u8).collect();
        let Ok(mut accepted) = parse(&conf, "c.yml", &|_, _| Ok(())) else { continue };
        accepted
            .pools
            .iter_mut()
            .filter(|pool| pool.protocol == Protocol::Memcache)
            .for_each(|pool| pool.db = 0);
        match native::check(&nutcracker(&accepted), 1).config {
            Some(config) => {
                assert_eq!(config.pools, accepted.pools, "{}\n{}", case["id"], nutcracker(&accepted));
                same += 1;
            }
            None => refused.push(case["id"].to_string()),
        }
    }
    assert!(same > 20, "{same} were the same, refused: {refused:?}");
    println!("{same} the same; the native file cannot say: {refused:?}");
}

#[test]
fn an_nsqd_cfg() {
    let cfg = "log_level = \"debug\"\ntcp_address = \":4150\"\nhttp_address = \"0.0.0.0:4151\"\ndata_path = \"/var/lib/nsqd\"\n\
               msg_timeout = \"90s\"\nmax_msg_size = 2097152\nnsqlookupd_tcp_addresses = [\"a:4160\", \"b:4160\"]\n\
               e2e_processing_latency_percentiles = [1.0, 0.5]\nsnappy = false\nsync_timeout = \"250ms\"\n\
               statsd_prefix = \"x.%s\"\ntls_min_version = \"\"\nmem_queue_size = 10000\n";
    let file = nsqd::read_text(cfg).unwrap();
    let text = nsqd(file.clone()).unwrap();
    let queue = native::check(&text, 1).config.unwrap_or_else(|| panic!("{text}")).queue.unwrap();
    let mut wanted = nsqd::check(&nsqd::resolve(GoValues::new(), file)).unwrap().queue;
    // These belong to the native file.
    wanted.nsqd_flags = queue.nsqd_flags.clone();
    wanted.max_defer_timeout = queue.max_defer_timeout;
    wanted.journal_cache_bytes = queue.journal_cache_bytes;
    wanted.max_bytes_per_file = queue.max_bytes_per_file;
    assert_eq!(queue, wanted, "{text}");
    assert!(text.contains("[log]\nlevel = \"debug\"\n"), "{text}");
    assert!(!text.contains("mem_queue_size"), "what is nsqd's default is not written: {text}");
    let bare = nsqd(GoValues::new()).unwrap();
    let config = native::check(&bare, 1).config.unwrap_or_else(|| panic!("{bare}"));
    assert_eq!(config.queue.unwrap().data_path, PathBuf::from("."), "{bare}");
    assert!(nsqd(nsqd::read_text("auth_http_request_method = \"put\"").unwrap()).is_err());
}
