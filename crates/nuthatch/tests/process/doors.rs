//! A second start leaves the unix sockets of a running process alone.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::support::{PATIENCE, Running, called, run, text, wait_for};

/// Section and option that creates a socket, its name here, and a request that the socket answers.
const DOORS: &[(&str, &str, &str, &[u8])] = &[
    ("admin", "listen", "admin", b"GET /health HTTP/1.0\r\n\r\n"),
    ("stats", "listen", "stats", b""),
    ("queue", "http", "http", b"GET /ping HTTP/1.0\r\n\r\n"),
    ("queue", "tcp", "queue", b"  V2NOP\nQUATSCH\n"),
    ("pool.alpha", "listen", "pool", b"*1\r\n$4\r\nPING\r\n"),
];

/// A configuration in which only this socket, or none, is at `shared`; the others are at `own`.
fn written(shared: &Path, own: &Path, same: Option<&str>) -> String {
    let socket = |name: &str| match same {
        Some(same) if same == name => shared.join(name),
        _ => own.join(name),
    };
    let mut text = String::new();
    for section in ["admin", "stats", "queue", "pool.alpha"] {
        text.push_str(&format!("[{section}]\n"));
        for (_, option, name, _) in DOORS.iter().filter(|door| door.0 == section) {
            text.push_str(&format!("{option} = \"{}\"\n", socket(name).display()));
        }
        match section {
            "queue" => text.push_str(&format!("data_path = \"{}\"\n", own.join("data").display())),
            "pool.alpha" => text.push_str("protocol = \"redis\"\nservers = [\"127.0.0.1:1:1 s\"]\n"),
            _ => {}
        }
    }
    text
}

fn ask(socket: &Path, question: &[u8]) -> String {
    let mut stream = wait_for("a connection", || UnixStream::connect(socket).ok());
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(question).expect("sent");
    stream.shutdown(std::net::Shutdown::Write).expect("shut down");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    text(&answer)
}

#[test]
fn a_second_start_takes_no_socket_from_the_first() {
    let directory = tempfile::tempdir().expect("a directory");
    let (first, second) = (directory.path().join("1"), directory.path().join("2"));
    for own in [&first, &second] {
        std::fs::create_dir_all(own.join("data")).expect("a directory");
    }
    std::fs::write(first.join("c.toml"), written(&first, &first, None)).expect("a file");
    let mut command = called("nuthatch");
    let _running = Running::start(command.args(["run", "-c"]).arg(first.join("c.toml")));
    for (_, _, name, question) in DOORS {
        let answered = ask(&first.join(name), question);
        assert!(!answered.is_empty(), "{name}");
        std::fs::write(second.join("c.toml"), written(&first, &second, Some(name))).expect("a file");
        let output = run("nuthatch", &["run", "-c", "c.toml"], &second);
        let said = text(&output.stderr);
        assert!(!output.status.success(), "{name}: {said}");
        let socket = first.join(name);
        assert!(said.contains(&socket.display().to_string()) && said.contains("in use"), "{name}: {said}");
        assert!(!ask(&socket, question).is_empty(), "{name} was taken away");
    }
}
