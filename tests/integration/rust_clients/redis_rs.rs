//! The `redis` crate in cluster mode against pools that pretend to be a cluster: one proxy, and two that
//! share the slots. Behind them is one redis-server.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::Commands;
use redis::cluster::{ClusterClient, cluster_pipe};

/// Far more than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program, killed when dropped.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The binary under test.
fn binary() -> PathBuf {
    std::env::var_os("NUTHATCH_BIN").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/release/nuthatch"),
        PathBuf::from,
    )
}

fn free_ports<const N: usize>() -> [u16; N] {
    let listeners: [TcpListener; N] =
        std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").expect("a port"));
    listeners.map(|one| one.local_addr().expect("an address").port())
}

fn start(command: &mut Command, port: u16) -> Program {
    let program = Program(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts"));
    let end = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < end, "nothing listens at {port}");
        std::thread::sleep(Duration::from_millis(5));
    }
    program
}

/// A server, and so many proxies over it.
fn proxies(directory: &Path, count: usize) -> (Vec<u16>, Vec<Program>) {
    let [server, first, second] = free_ports();
    let mut redis = Command::new("redis-server");
    redis.args(["--port", &server.to_string(), "--bind", "127.0.0.1", "--save", ""]);
    let mut programs = vec![start(redis.current_dir(directory), server)];
    let ports = [first, second][..count].to_vec();
    let peers: Vec<String> = ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
    for port in &ports {
        let config = directory.join(format!("{port}.toml"));
        let text = format!(
            "[pool.p]\nlisten = \"127.0.0.1:{port}\"\nservers = [\"127.0.0.1:{server}\"]\npretend_cluster = true\n\
             pretend_cluster_peers = [{}]\n",
            peers.join(", ")
        );
        std::fs::write(&config, text).expect("a file");
        programs.push(start(Command::new(binary()).args(["run", "-c"]).arg(&config), *port));
    }
    (ports, programs)
}

fn check(count: usize) {
    if Command::new("redis-server").arg("--version").output().is_err() {
        eprintln!("skipped: redis-server is not installed");
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let (ports, _programs) = proxies(directory.path(), count);
    let client = ClusterClient::new(vec![format!("redis://127.0.0.1:{}", ports[0])]).expect("a client");
    let mut connection = client.get_connection().expect("a connection");
    for n in 0..50 {
        let _: () = connection.set(format!("key{n}"), n).expect("SET");
    }
    for n in 0..50 {
        let got: u32 = connection.get(format!("key{n}")).expect("GET");
        assert_eq!(got, n);
    }
    let _: () = connection.mset(&[("{t}1", 1), ("{t}2", 2)]).expect("MSET");
    let got: Vec<Option<u32>> = connection.mget(&["{t}1", "{t}2", "{t}3"]).expect("MGET");
    assert_eq!(got, [Some(1), Some(2), None]);
    let mut pipe = cluster_pipe();
    (0..50).for_each(|n| drop(pipe.incr(format!("key{n}"), 1)));
    let got: Vec<u32> = pipe.query(&mut connection).expect("a pipeline");
    assert_eq!(got, (1..=50).collect::<Vec<u32>>());
    // Its blocking connection has no transactions.
    let sum: u32 = redis::cmd("EVAL")
        .arg("return redis.call('incrby', KEYS[1], ARGV[1])")
        .arg(1)
        .arg("{t}n")
        .arg(7)
        .query(&mut connection)
        .expect("EVAL");
    assert_eq!(sum, 7);
    let gone: u32 = connection.del(&["{t}1", "{t}2", "{t}3"]).expect("DEL");
    assert_eq!(gone, 2);
}

#[test]
fn one_proxy() {
    check(1);
}

#[test]
fn two_proxies_that_share_the_slots() {
    check(2);
}
