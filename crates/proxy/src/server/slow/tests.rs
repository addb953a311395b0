use std::time::Duration;

use net::{App, Fault};
use telemetry::Cut;

use super::*;
use crate::testing::{World, lines, settings};

const POOL: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\"]\n";

/// Each entry, oldest first: its arguments, its key, queue time and response time in milliseconds, and the
/// bytes of its reply.
fn entries(w: &World) -> Vec<(String, String, u64, u64, Option<u64>)> {
    let log = &w.proxy.pools.values().next().expect("a pool").slow_log;
    let shown = |entry: &SlowRequest| {
        let arguments: Vec<String> = entry.arguments.iter().map(Cut::to_string).collect();
        let key = entry.key().map(Cut::to_string).unwrap_or_default();
        let (queue, response) = (entry.queue_us / 1000, entry.response_us / 1000);
        (arguments.join(" "), key, queue, response, entry.reply_bytes)
    };
    log.newest(usize::MAX).iter().rev().map(|entry| shown(entry)).collect()
}

fn wait(w: &mut World, ms: u64) {
    w.io.now = w.io.now + Duration::from_millis(ms);
}

fn entry(
    arguments: &str,
    key: &str,
    times: (u64, u64),
    reply: Option<u64>,
) -> (String, String, u64, u64, Option<u64>) {
    (arguments.into(), key.into(), times.0, times.1, reply)
}

#[test]
fn reads_and_writes_that_take_long_are_logged_with_their_times() {
    let mut w = World::new(POOL);
    w.ask(lines(&["client setname web", "get quick"]));
    let server = w.server(0);
    w.receive(server, b"$1\r\nv\r\n");
    let client = w.ask(lines(&["get a", "set b 12345"]));
    wait(&mut w, 4);
    w.proxy.written(&mut w.io);
    wait(&mut w, 5);
    w.receive(server, b"$1\r\nv\r\n");
    wait(&mut w, 1);
    w.receive(server, b"+OK\r\n");
    assert_eq!(entries(&w), [entry("set b 12345", "b", (4, 6), Some(5))], "9 ms are below the threshold");
    assert_eq!(w.sent(client), "$1\r\nv\r\n+OK\r\n");
}

#[test]
fn a_late_reply_and_a_lost_connection_are_logged() {
    let mut w = World::new(&format!("{POOL}timeout = \"1s\"\n"));
    w.ask(lines(&["incr late"]));
    let server = w.server(0);
    w.pass_time(Duration::from_millis(1500));
    w.receive(server, b":1\r\n");
    w.ask(lines(&["incr lost"]));
    wait(&mut w, 20);
    w.proxy.failed(&mut w.io, server, Fault::Reset);
    assert_eq!(
        entries(&w),
        [entry("incr late", "late", (0, 1500), Some(4)), entry("incr lost", "lost", (0, 20), None)]
    );
}

#[test]
fn the_threshold_is_live() {
    let mut w = World::new(POOL);
    for (threshold, count) in [("off", 1), ("30ms", 1), ("20ms", 2)] {
        let client = w.accept(0);
        if count == 1 && threshold == "off" {
            w.receive(client, &lines(&["get a"]));
            w.server(0);
            wait(&mut w, 20);
            let server = w.io.connects[0].0;
            w.receive(server, b"$-1\r\n");
        }
        w.reload(settings(&format!("{POOL}slowlog_threshold = \"{threshold}\"\n")));
        w.receive(client, &lines(&["set a 1"]));
        wait(&mut w, 20);
        let server = w.io.connects[0].0;
        w.receive(server, b"+OK\r\n");
        assert_eq!(entries(&w).len(), count, "{threshold}");
    }
}

/// `SLOWLOG` as Redis answers it.
#[test]
fn clients_read_the_slow_log_of_their_pool() {
    let mut w = World::new(POOL);
    w.ask(lines(&["get a"]));
    let server = w.server(0);
    wait(&mut w, 11);
    w.receive(server, b"$-1\r\n");
    let client = w.accept(0);
    let mut ask = |request: &str| w.says(client, std::str::from_utf8(&lines(&[request])).expect("text"));
    assert_eq!(ask("slowlog len"), ":1\r\n");
    let entry = "*6\r\n:0\r\n:0\r\n:11000\r\n*2\r\n$3\r\nget\r\n$1\r\na\r\n$6\r\nunix:0\r\n$0\r\n\r\n";
    for (request, count) in
        [("slowlog get", 1), ("slowlog get 5", 1), ("slowlog get -1", 1), ("slowlog get 0", 0)]
    {
        assert_eq!(ask(request), format!("*{count}\r\n{}", entry.repeat(count)), "{request}");
    }
    let error = "-ERR count should be greater than or equal to -1\r\n";
    assert_eq!((ask("slowlog get x").as_str(), ask("slowlog get -2").as_str()), (error, error));
    assert_eq!((ask("slowlog reset"), ask("slowlog len")), ("+OK\r\n".into(), ":0\r\n".into()));
    assert_eq!(ask("slowlog get"), "*0\r\n");
}
