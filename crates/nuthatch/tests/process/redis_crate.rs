//! The `redis` crate as a client: always of the embedded cache, and of real servers behind the nutcracker
//! face if redis-server is installed.

use std::process::{Command, Stdio};

use redis::{Commands, RedisResult};

use crate::support::{PATIENCE, Running, called, directory_with, free_port, wait_for};

fn connect(port: u16, query: &str) -> redis::Connection {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}/{query}")).expect("an address");
    wait_for("the proxy", || client.get_connection_with_timeout(PATIENCE).ok())
}

/// A client's usual first commands, over strings only.
fn converse(port: u16, query: &str) {
    let mut c = connect(port, query);
    let _: () = c.set("alpha", "one").expect("SET");
    assert_eq!(c.get::<_, String>("alpha").expect("GET"), "one");
    assert_eq!(c.get::<_, Option<String>>("nothing").expect("GET"), None);
    let _: () = c.mset(&[("a", 1), ("b", 2), ("c", 3)]).expect("MSET");
    assert_eq!(c.mget::<_, Vec<i64>>(&["a", "b", "c"]).expect("MGET"), [1, 2, 3]);
    assert_eq!(c.incr::<_, _, i64>("a", 41).expect("INCRBY"), 42);
    assert_eq!(c.del::<_, i64>(&["a", "b", "nothing"]).expect("DEL"), 2);
    let (x, y): (i64, String) = redis::pipe().incr("c", 1).get("alpha").query(&mut c).expect("a pipeline");
    assert_eq!((x, y.as_str()), (4, "one"));
    let big = vec![b'v'; 3 << 20];
    let _: () = c.set("big", &big[..]).expect("SET of 3 MB");
    assert!(c.get::<_, Vec<u8>>("big").expect("GET of 3 MB") == big);
    let refused: RedisResult<()> = redis::cmd("DEBUG").arg("RELOAD").query(&mut c);
    assert!(refused.is_err(), "DEBUG is refused and the connection stays");
    assert_eq!(c.get::<_, String>("alpha").expect("still connected"), "one");
    let (x, y): (i64, i64) =
        redis::pipe().atomic().incr("c", 1).incr("c", 1).query(&mut c).expect("a transaction");
    assert_eq!((x, y), (5, 6));
    let refused: RedisResult<()> = redis::cmd("MONITOR").query(&mut c);
    assert!(refused.is_err(), "MONITOR is refused and the connection ends");
    let mut c = connect(port, query);
    assert_eq!(c.get::<_, i64>("c").expect("GET"), 6);
    let _: () = c.del("c").expect("DEL");
}

#[test]
fn over_the_embedded_cache() {
    let port = free_port();
    let text = format!("[pool.a]\nlisten = \"127.0.0.1:{port}\"\nservers = [\"local\"]\n");
    let (directory, path) = directory_with("nuthatch.toml", &text);
    let mut command = called("nuthatch");
    command.args(["run", "-c"]).arg(&path).current_dir(directory.path());
    let _running = Running::start(&mut command);
    converse(port, "");
    converse(port, "?protocol=resp3");
}

#[test]
fn over_real_servers() {
    if Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("SKIPPED: redis-server is not installed");
        return;
    }
    let ports = [free_port(), free_port(), free_port()];
    let (directory, _) = directory_with("empty", "");
    let _servers: Vec<Running> = ports
        .iter()
        .map(|port| {
            let mut server = Command::new("redis-server");
            server.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
            Running::start(server.current_dir(directory.path()))
        })
        .collect();
    for port in ports {
        wait_for("redis-server", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    }
    let listen = free_port();
    let mut text =
        format!("alpha:\n  listen: 127.0.0.1:{listen}\n  redis: true\n  hash_tag: \"{{}}\"\n  servers:\n");
    for port in ports {
        text += &format!("   - 127.0.0.1:{port}:1\n");
    }
    let (directory, path) = directory_with("nutcracker.yml", &text);
    let stats = free_port().to_string();
    let mut command = called("nutcracker");
    command
        .args(["-o", "log", "-a", "127.0.0.1", "-s", &stats, "-c"])
        .arg(&path)
        .current_dir(directory.path());
    let _running = Running::start(&mut command);
    converse(listen, "");
    converse(listen, "?protocol=resp3");
    let mut c = connect(listen, "?protocol=resp3");
    let _: () = c.hset("h", "f", "v").expect("HSET");
    let all: std::collections::HashMap<String, String> = c.hgetall("h").expect("HGETALL");
    assert_eq!(all.get("f").map(String::as_str), Some("v"));
    let _: () = c.sadd("{t}a", &["1", "2"]).expect("SADD");
    let _: () = c.sadd("{t}b", &["2", "3"]).expect("SADD");
    assert_eq!(c.sinter::<_, Vec<String>>(&["{t}a", "{t}b"]).expect("SINTER"), ["2"]);
}
