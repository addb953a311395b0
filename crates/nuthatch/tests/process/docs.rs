//! Every command line of docs/queue.md, in order, against an empty daemon.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use crate::support::{PATIENCE, Running, called, free_port, wait_for};

/// The arguments of a command line, split as in a shell that only knows single quotes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quoted, mut word) = (Vec::new(), false, String::new());
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    assert!(!quoted, "a quote is not closed: {line}");
    words.push(word);
    words
}

/// The request that a curl command line makes, without its Host.
fn request(line: &str) -> String {
    let mut words = words(line).into_iter().skip(1);
    let (mut method, mut path, mut body) = (None, String::new(), String::new());
    while let Some(word) = words.next() {
        match word.as_str() {
            "-X" => method = words.next(),
            "-d" => body = words.next().expect("a body"),
            url => {
                let rest = url.strip_prefix("localhost:4151").unwrap_or_else(|| panic!("{line}"));
                rest.clone_into(&mut path);
            }
        }
    }
    let method = method.as_deref().unwrap_or(if body.is_empty() { "GET" } else { "POST" });
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

#[test]
fn every_command_of_the_queues_page_works_on_a_fresh_daemon() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/queue.md");
    let page = std::fs::read_to_string(page).expect("docs/queue.md");
    let lines: Vec<&str> =
        page.split("```\n").skip(1).step_by(2).flat_map(str::lines).filter(|line| !line.is_empty()).collect();
    assert!(lines.len() > 8 && lines.iter().all(|line| line.starts_with("curl ")), "{lines:?}");
    let (directory, tcp, http) = (tempfile::tempdir().expect("a directory"), free_port(), free_port());
    let mut command = called("nsqd");
    let addresses = [format!("--tcp-address=127.0.0.1:{tcp}"), format!("--http-address=127.0.0.1:{http}")];
    command.args(addresses).current_dir(directory.path());
    let _running = Running::start(&mut command);
    for line in lines {
        let mut stream = wait_for("a connection", || TcpStream::connect(("127.0.0.1", http)).ok());
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.write_all(request(line).as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{line}: {answer}");
    }
}
