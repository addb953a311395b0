//! The admin port of the process that runs when nothing is configured.

use std::process::Command;

use serde_json::Value;

use crate::support::{Running, called, directory_with, exchange, wait_for};

/// What runs without a file, on ports that are free: those of the default may be in use here.
fn default_file() -> String {
    let mut text = config::native::DEFAULT_FILE.to_owned();
    for (written, free) in [
        ("127.0.0.1:22121", "127.0.0.1:0"),
        ("127.0.0.1:22122", "127.0.0.1:0"),
        ("[stats]\n", "[stats]\nlisten = \"127.0.0.1:0\"\n"),
        ("[admin]\n", "[admin]\nlisten = \"127.0.0.1:0\"\n"),
        ("[queue]\n", "[queue]\ntcp = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n"),
    ] {
        assert!(text.contains(written), "{written} is not in the default file");
        text = text.replace(written, free);
    }
    text
}

fn start(command: &mut Command) -> (Running, impl Fn(&str) -> u16) {
    let (running, lines) = Running::until(command, "try:");
    let port = move |what: &str| {
        let line = lines.iter().find(|line| line.trim_end().ends_with(what)).expect("listed");
        let address = line.split_whitespace().next().expect("an address");
        address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
    };
    (running, port)
}

fn get(port: u16, path: &str) -> (String, String) {
    let answer = exchange(port, format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

#[test]
fn the_default_has_metrics_and_a_page() {
    let (directory, path) = directory_with("nuthatch.toml", &default_file());
    let mut command = called("nuthatch");
    command.args(["run", "-c"]).arg(&path).current_dir(directory.path());
    let (running, port) = start(&mut command);
    let set = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
    assert_eq!(exchange(port("redis pool redis"), set), "+OK\r\n");
    assert_eq!(exchange(port("memcache pool memcache"), b"set k 0 0 1\r\nv\r\n"), "STORED\r\n");
    assert_eq!(&exchange(port("queue"), b"  V2PUB orders\n\0\0\0\x01x")[8..], "OK");

    let admin = port("admin");
    let (head, page) = get(admin, "/");
    assert!(head.starts_with("HTTP/1.0 200"), "{head}");
    for part in ["<title>", "Pool redis", "Pool memcache", "Queue", env!("CARGO_PKG_VERSION")] {
        assert!(page.contains(part), "{part} is missing in\n{page}");
    }
    let (_, metrics) = get(admin, "/metrics");
    for line in [
        "nuthatch_pool_client_requests_total{pool=\"redis\"} 1\n",
        "nuthatch_pool_client_requests_total{pool=\"memcache\"} 1\n",
        "nuthatch_healthy 1\n",
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
    assert_eq!(get(admin, "/health").1, "ok\n");
    // A look may be a second old, and may have come before the message.
    wait_for("the topic", || {
        let status: Value = serde_json::from_str(&get(admin, "/api/status").1).expect("JSON");
        let topic = &status["queue"]["topics"][0];
        (topic["name"] == "orders" && topic["depth"] == 1).then_some(())
    });
    running.signal("TERM");
    assert_eq!(running.end(), Some(0));
}

#[test]
fn idle_connections_shut_no_port() {
    let (directory, path) = directory_with("nuthatch.toml", &default_file());
    let mut command = called("nuthatch");
    command.args(["run", "-c"]).arg(&path).current_dir(directory.path());
    let (_running, port) = start(&mut command);
    for (what, request) in [("admin", &b"GET /health HTTP/1.0\r\n\r\n"[..]), ("statistics", b"")] {
        let connect = || std::net::TcpStream::connect(("127.0.0.1", port(what))).expect("a connection");
        let idle: Vec<_> = (0..200).map(|_| connect()).collect();
        let begun = std::time::Instant::now();
        assert!(!exchange(port(what), request).is_empty(), "{what}");
        assert!(begun.elapsed().as_secs() < 15, "{what}: {:?}", begun.elapsed());
        drop(idle);
    }
}
