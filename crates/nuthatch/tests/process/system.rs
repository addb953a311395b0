//! `nuthatch check --system`: reports the conditions of a start beforehand.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use crate::support::{Running, called, directory_with, free_port, run, text, wait_for};

/// Checks a configuration with and without `--system`; returns the output with it, and the exit status.
fn look(name: &str, file: &str) -> (tempfile::TempDir, String, Option<i32>) {
    let (directory, _) = directory_with(name, file);
    let plain = run("nuthatch", &["check", "-c", name], directory.path());
    assert_eq!(plain.status.code(), Some(0), "{}", text(&plain.stdout));
    let output = run("nuthatch", &["check", "--system", "-c", name], directory.path());
    (directory, text(&output.stdout), output.status.code())
}

#[test]
fn a_machine_on_which_everything_is_right() {
    let (tcp, http, pool) = (free_port(), free_port(), free_port());
    let file = format!(
        "[pool.a]\nlisten = \"127.0.0.1:{pool}\"\nservers = [\"localhost:6379:1 a\", \"local\"]\n[queue]\n\
         tcp = \"127.0.0.1:{tcp}\"\nhttp = \"127.0.0.1:{http}\"\ndata_path = \"deep/down/messages\"\n"
    );
    let (directory, said, code) = look("n.toml", &file);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("n.toml: 0 errors"), "{said}");
    assert!(!directory.path().join("deep").exists(), "nothing is made");
    TcpListener::bind(("127.0.0.1", pool)).expect("the port is free afterwards");
}

#[test]
fn ports_in_use_names_without_address_and_paths() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let sockets = tempfile::tempdir().expect("a directory");
    let socket = sockets.path().join("s");
    let _listening = UnixListener::bind(&socket).expect("a socket");
    let file = format!(
        "[log]\nfile = \"/no/such/log\"\n[stats]\nlisten = \"192.0.2.1:1\"\n[admin]\nlisten = {socket:?}\n\
         [pool.a]\nlisten = \"127.0.0.1:{port}\"\nservers = [\"no.such.invalid:6379:1 a\"]\n[queue]\n\
         tcp = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\ndata_path = \"/proc/nuthatch\"\n\
         statsd_address = \"statsd.invalid:8125\"\n"
    );
    let (_directory, said, code) = look("n.toml", &file);
    assert_eq!(code, Some(1), "{said}");
    let own = std::process::id();
    for line in [
        format!("[pool.a] listen: 127.0.0.1:{port}: in use by process-"),
        format!("(pid {own})"),
        "[stats] listen: 192.0.2.1:1: 192.0.2.1 is not an address of this machine".into(),
        format!("[admin] listen: {}: in use by another process, or ", socket.display()),
        "[pool.a] servers: no.such.invalid has no address: ".into(),
        "[queue] statsd_address: statsd.invalid has no address: ".into(),
        "[log] file: /no/such: No such file or directory".into(),
    ] {
        assert!(said.contains(&line), "no {line} in {said}");
    }
}

#[test]
fn files_of_the_originals_are_looked_at_too() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let yml = format!(
        "alpha:\n  listen: 127.0.0.1:{port}\n  hash: fnv1a_64\n  distribution: ketama\n  servers:\n   - no.such.invalid:1:1\n"
    );
    let (_directory, said, code) = look("nutcracker.yml", &yml);
    assert_eq!(code, Some(1), "{said}");
    for line in [
        format!("pool 'alpha': 127.0.0.1:{port}: in use by "),
        "pool 'alpha': no.such.invalid has no ".into(),
    ] {
        assert!(said.contains(&line), "no {line} in {said}");
    }
    let cfg = format!("tcp_address = \"127.0.0.1:{port}\"\nhttp_address = \"\"\ndata_path = \"/no/such\"\n");
    let (_directory, said, code) = look("nsqd.cfg", &cfg);
    assert_eq!(code, Some(1), "{said}");
    for line in [
        format!("queue: 127.0.0.1:{port}: in use by "),
        "data path: /no/such does not exist, and nsqd does not create it".into(),
    ] {
        assert!(said.contains(&line), "no {line} in {said}");
    }
}

#[test]
fn the_process_that_has_the_data_path_is_named() {
    let (tcp, http) = (free_port(), free_port());
    let file =
        format!("[queue]\ntcp = \"127.0.0.1:{tcp}\"\nhttp = \"127.0.0.1:{http}\"\ndata_path = \"q\"\n");
    let (directory, _) = directory_with("n.toml", &file);
    let running =
        Running::start(called("nuthatch").args(["run", "-c", "n.toml"]).current_dir(directory.path()));
    wait_for("a connection", || std::net::TcpStream::connect(("127.0.0.1", tcp)).ok());
    let output = run("nuthatch", &["check", "--system", "-c", "n.toml"], directory.path());
    let (said, pid) = (text(&output.stdout), running.pid());
    assert_eq!(output.status.code(), Some(1));
    for line in [
        format!("[queue] data_path: q is in use by nuthatch (pid {pid})"),
        format!("[queue] tcp: 127.0.0.1:{tcp}: in use by nuthatch (pid {pid})"),
        format!("[queue] http: 127.0.0.1:{http}: in use by nuthatch (pid {pid})"),
    ] {
        assert!(said.contains(&line), "no {line} in {said}");
    }
}
