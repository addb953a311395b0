//! The process under nutcracker's face: signals, log rotation, pid file, daemon.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::{Running, called, directory_with, exchange, free_port, run, signal, text, wait_for};

fn pool(port: u16) -> String {
    format!("alpha:\n  listen: 127.0.0.1:{port}\n  redis: true\n  servers:\n  - 127.0.0.1:1:1 s\n")
}

fn log_has(directory: &Path, file: &str, line: &str) {
    wait_for(line, || {
        std::fs::read_to_string(directory.join(file)).is_ok_and(|log| log.contains(line)).then_some(())
    });
}

fn nutcracker(directory: &Path, stats: u16) -> Command {
    let mut command = called("nutcracker");
    command.current_dir(directory);
    command.args(["-c", "c.yml", "-o", "log", "-a", "127.0.0.1", "-s", &stats.to_string()]);
    command
}

#[test]
fn signals_and_rotation() {
    let (port, stats) = (free_port(), free_port());
    let (directory, _) = directory_with("c.yml", &pool(port));
    let path = directory.path();
    let running = Running::start(nutcracker(path, stats).args(["-p", "pid"]));
    let document: serde_json::Value = serde_json::from_str(&exchange(stats, b"")).expect("JSON");
    assert_eq!((&document["service"], &document["version"]), (&"nutcracker".into(), &"0.5.0".into()));
    assert!(document["alpha"]["s"].is_object());
    assert_eq!(document["curr_connections"], 1, "the pool's listener; that of the statistics is none");
    wait_for("the pid file", || {
        let written = std::fs::read_to_string(path.join("pid")).ok()?;
        (written == running.pid().to_string()).then_some(())
    });
    log_has(path, "log", "nutcracker-0.5.0 built for Linux");
    std::fs::rename(path.join("log"), path.join("log.1")).expect("renamed");
    running.signal("HUP");
    log_has(path, "log", "");
    for (name, line) in [
        ("TTIN", "[.......................] signal 21 (SIGTTIN) received, up logging level"),
        ("TTIN", "[.......................] up log level to 7"),
        ("TTOU", "signal 22 (SIGTTOU) received, down logging level"),
        ("TTOU", "down log level to 5"),
        ("USR1", "signal 10 (SIGUSR1) received"),
    ] {
        running.signal(name);
        log_has(path, "log", line);
    }
    assert_eq!(exchange(port, b"*1\r\n$4\r\nPING\r\n"), "+PONG\r\n");
    running.signal("TERM");
    assert_eq!(running.end(), Some(0));
    log_has(path, "log", "done, rabbit done");
    assert!(!path.join("pid").exists());
}

#[test]
fn an_interrupt_exits_with_1() {
    let stats = free_port();
    let (directory, _) = directory_with("c.yml", &pool(free_port()));
    let running = Running::start(&mut nutcracker(directory.path(), stats));
    exchange(stats, b"");
    running.signal("INT");
    assert_eq!(running.end(), Some(1));
    log_has(directory.path(), "log", "signal 2 (SIGINT) received, exiting");
}

#[test]
fn a_daemon_reports_to_its_starter() {
    let (port, stats) = (free_port(), free_port());
    let (directory, config) = directory_with("c.yml", &pool(port));
    let path = directory.path();
    let arguments =
        ["-d", "-c", "c.yml", "-o", "log", "-p", "pid", "-a", "127.0.0.1", "-s", &stats.to_string()];
    let started = run("nutcracker", &arguments, path);
    assert_eq!((started.status.code(), text(&started.stderr)), (Some(0), String::new()));
    let pid: u32 = std::fs::read_to_string(path.join("pid")).expect("a pid file").parse().expect("a pid");
    let mode = std::fs::metadata(path.join("pid")).expect("a pid file").permissions().mode();
    assert_eq!(mode & 0o777, 0o644, "a daemon has no umask");
    let ended = |pid: u32| !Path::new(&format!("/proc/{pid}")).exists();
    assert_eq!(exchange(port, b"*1\r\n$4\r\nPING\r\n"), "+PONG\r\n", "it is up when the starter ends");

    let again = run("nutcracker", &arguments, path);
    assert_eq!(again.status.code(), Some(1), "the port is taken, and the starter knows");
    assert_eq!(std::fs::read_to_string(path.join("pid")).expect("still there"), pid.to_string());

    std::fs::write(config, "alpha:\n  listen: x\n").expect("written");
    assert_eq!(run("nutcracker", &arguments, path).status.code(), Some(1));
    log_has(path, "log", "conf: 'c.yml' missing sequence directive at depth 2");

    signal(pid, "TERM");
    wait_for("the daemon's end", || ended(pid).then_some(()));
    assert!(!path.join("pid").exists());
}
