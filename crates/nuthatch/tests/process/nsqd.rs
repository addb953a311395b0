//! nsqd's face where a script or a person would notice a difference: addresses, error
//! texts of a failed start, the log.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Output;

use crate::support::{PATIENCE, Running, called, free_port, run, text, wait_for};

fn fails(arguments: &[&str], directory: &Path) -> Output {
    let output = run("nsqd", arguments, directory);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output.stderr));
    output
}

/// The lines of a log without prefix and time.
fn lines(log: &[u8]) -> Vec<String> {
    let text = text(log);
    text.lines().map(|line| line.splitn(4, ' ').last().unwrap_or_default().to_owned()).collect()
}

#[test]
fn all_addresses_are_those_of_both_ip_versions() {
    let (tcp, http, stats) = (free_port(), free_port(), "/stats?format=json");
    for host in ["0.0.0.0", ""] {
        let directory = tempfile::tempdir().expect("a directory");
        let log = directory.path().join("log");
        let arguments = [format!("--tcp-address={host}:{tcp}"), format!("--http-address={host}:{http}")];
        let running = Running::logging(called("nsqd").args(arguments).current_dir(directory.path()), &log);
        let dual = Path::new("/proc/net/if_inet6").exists();
        let addresses: &[&str] = if dual { &["127.0.0.1", "::1"] } else { &["127.0.0.1"] };
        for address in addresses {
            let connect = |port| wait_for("a connection", || TcpStream::connect((*address, port)).ok());
            let mut client = connect(tcp);
            client.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            client.write_all(b"  V2SUB t c\n").expect("sent");
            let mut ok = [0; 10];
            client.read_exact(&mut ok).expect("an answer");
            assert_eq!(&ok[8..], b"OK");
            let mut asking = connect(http);
            let head = format!("GET {stats} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
            asking.write_all(head.as_bytes()).expect("sent");
            let mut answer = String::new();
            asking.read_to_string(&mut answer).expect("an answer");
            // An IPv4 client is shown as one.
            let shown = client.local_addr().expect("an address").to_string();
            assert!(answer.contains(&format!(r#""remote_address":"{shown}""#)), "no {shown} in {answer}");
        }
        running.signal("TERM");
        assert_eq!(running.end(), Some(0));
        let log = std::fs::read(log).expect("a log");
        let any = if dual { "[::]" } else { "0.0.0.0" };
        for line in
            [format!("INFO: TCP: listening on {any}:{tcp}"), format!("INFO: HTTP: listening on {any}:{http}")]
        {
            assert!(lines(&log).contains(&line), "no {line} in {}", text(&log));
        }
        assert!(text(&log).contains(&format!("INFO: 200 GET {stats} (127.0.0.1:")), "{}", text(&log));
    }
}

#[test]
fn a_listener_that_fails_is_told_in_the_words_of_go() {
    let directory = tempfile::tempdir().expect("a directory");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address");
    for (flags, said) in [
        (
            [format!("--tcp-address={taken}"), "--http-address=".into()],
            format!("listen ({taken}) failed - listen tcp {taken}: bind: address already in use"),
        ),
        (
            ["--tcp-address=127.0.0.1:0".into(), format!("--http-address={taken}")],
            format!("listen ({taken}) failed - listen tcp {taken}: bind: address already in use"),
        ),
        (
            ["--tcp-address=no.such.invalid:1".into(), "--http-address=".into()],
            "listen (no.such.invalid:1) failed - listen tcp: lookup no.such.invalid: ".into(),
        ),
        (
            ["--tcp-address=/no/such/socket".into(), "--http-address=".into()],
            "listen (/no/such/socket) failed - listen unix /no/such/socket: bind: no such file or directory"
                .into(),
        ),
    ] {
        let output = fails(&flags.each_ref().map(|flag| &**flag), directory.path());
        let said = format!("FATAL: failed to instantiate nsqd - {said}");
        let log = lines(&output.stderr);
        assert!(log.last().is_some_and(|line| line.starts_with(&said)), "no {said} in {log:?}");
        assert!(log[0].starts_with("INFO: nsqd v") && log[1].starts_with("INFO: ID: "), "{log:?}");
    }
}

#[test]
fn a_directory_in_use_is_the_first_and_only_thing_said() {
    let directory = tempfile::tempdir().expect("a directory");
    let nowhere = ["--tcp-address=127.0.0.1:0", "--http-address="];
    let port = free_port();
    let mut first = called("nsqd");
    first
        .args([&*format!("--tcp-address=127.0.0.1:{port}"), "--http-address="])
        .current_dir(directory.path());
    let _running = Running::start(&mut first);
    let _client = wait_for("a connection", || TcpStream::connect(("127.0.0.1", port)).ok());
    // A bad flag that nsqd checks later is not reported.
    let output = fails(&[nowhere[0], nowhere[1], "--max-deflate-level=99"], directory.path());
    let path = directory.path().canonicalize().expect("a path");
    let said = format!(
        "FATAL: failed to instantiate nsqd - failed to lock data-path: cannot flock directory {} - resource temporarily \
         unavailable (possibly in use by another instance of nsqd)",
        path.display()
    );
    assert_eq!(lines(&output.stderr), [said]);
}

#[test]
fn the_log_tells_what_was_restored_and_ends_with_bye() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = directory.path().join("log");
    for start in 0..2 {
        let port = free_port();
        let flags = [format!("--tcp-address=127.0.0.1:{port}"), "--http-address=".into()];
        let running = Running::logging(called("nsqd").args(flags).current_dir(directory.path()), &log);
        let mut client = wait_for("a connection", || TcpStream::connect(("127.0.0.1", port)).ok());
        client.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        client.write_all(b"  V2SUB orders mail\n").expect("sent");
        client.read_exact(&mut [0; 10]).expect("an answer");
        running.signal("TERM");
        assert_eq!(running.end(), Some(0));
        let log = lines(&std::fs::read(&log).expect("a log"));
        assert_eq!(log.last().map(String::as_str), Some("INFO: NSQ: bye"), "{log:?}");
        let restored = log.contains(&"INFO: restored topic=orders channels=1".to_owned());
        assert_eq!(restored, start == 1, "{log:?}");
    }
}
