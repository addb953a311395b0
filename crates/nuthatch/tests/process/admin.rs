//! The admin port of a process with the default configuration.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Running, called, directory_with, exchange, free_port, text, wait_for};

/// The default configuration on free ports: the default ones may be in use here.
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
    for part in ["<title>", "/pools/redis", "/pools/memcache", "Queue", env!("CARGO_PKG_VERSION")] {
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
    // The status may be a second old, and predate the message.
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

/// nsqd and nutcracker on ports of their own, each with `NUTHATCH_ADMIN` as given,
/// and a line that only its page has.
fn faces(directory: &Path, admin: &str) -> [(Command, u16, &'static str); 2] {
    let (http, pool) = (free_port(), free_port());
    let yaml =
        format!("alpha:\n  listen: 127.0.0.1:{pool}\n  redis: true\n  servers:\n  - 127.0.0.1:1:1 s\n");
    std::fs::write(directory.join("c.yml"), yaml).expect("a file");
    let mut nsqd = called("nsqd");
    nsqd.args(["--tcp-address=127.0.0.1:0", &format!("--http-address=127.0.0.1:{http}")]);
    let mut nutcracker = called("nutcracker");
    nutcracker.args(["-c", "c.yml", "-o", "log", "-a", "127.0.0.1", "-s", &free_port().to_string()]);
    for command in [&mut nsqd, &mut nutcracker] {
        command.env("NUTHATCH_ADMIN", admin).current_dir(directory);
    }
    [(nsqd, http, ">Queue</a>"), (nutcracker, pool, "/pools/alpha")]
}

#[test]
fn other_faces_have_an_admin_port_if_the_environment_says_where() {
    let directory = tempfile::tempdir().expect("a directory");
    let port = free_port();
    for (mut command, _, part) in faces(directory.path(), &format!("127.0.0.1:{port}")) {
        let _running = Running::start(&mut command);
        let (head, page) = get(port, "/");
        assert!(head.starts_with("HTTP/1.0 200") && page.contains(part), "{head}\n{page}");
        assert!(get(port, "/metrics").1.contains("nuthatch_uptime_seconds "));
    }
    for (mut command, ..) in faces(directory.path(), "nowhere") {
        let ended = command.output().expect("the binary runs");
        let log = std::fs::read_to_string(directory.path().join("log")).unwrap_or_default();
        let said = text(&ended.stderr) + &log;
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert!(said.contains("NUTHATCH_ADMIN: \"nowhere\" has no port"), "{said}");
    }
    for (mut command, serves, _) in faces(directory.path(), "") {
        let _running = Running::start(&mut command);
        wait_for("a listener", || TcpStream::connect(("127.0.0.1", serves)).ok());
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "off by default");
    }
}

#[test]
fn who_drains_is_alive_and_not_ready() {
    let directory = tempfile::tempdir().expect("a directory");
    let port = free_port();
    let [(mut nsqd, http, _), _] = faces(directory.path(), &format!("127.0.0.1:{port}"));
    let running = Running::start(&mut nsqd);
    assert_eq!(get(port, "/ready").1, "ok\n");
    // A pending publication, which the stop waits for.
    let mut stream = wait_for("a connection", || TcpStream::connect(("127.0.0.1", http)).ok());
    let head = "POST /pub?topic=t HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("sent");
    stream.read_exact(&mut [0; 25]).expect("leave to send");
    running.signal("TERM");
    wait_for("the drain", || get(port, "/health").0.starts_with("HTTP/1.0 503").then_some(()));
    assert_eq!(get(port, "/ready").1, "draining: the process stops\n");
    assert_eq!(get(port, "/live").1, "ok\n");
    stream.write_all(b"hello").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.ends_with("\r\n\r\nOK"), "{answer}");
    assert_eq!(running.end(), Some(0));
}
