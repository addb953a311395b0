//! The graceful stop, and ways to cut it short.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::support::{PATIENCE, Running, called, directory_with, wait_for};

const GET: &[u8] = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";

/// A proxy without a timeout, a waiting client of it, and the server that
/// holds its request and never answers.
struct Scene {
    running: Running,
    client: TcpStream,
    server: TcpStream,
    _directory: tempfile::TempDir,
}

fn scene() -> Scene {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let pool = format!(
        "[pool.a]\nlisten = \"127.0.0.1:0\"\nservers = [\"127.0.0.1:{port}:1\"]\ntimeout = \"off\"\n"
    );
    let (directory, path) = directory_with("nuthatch.toml", &pool);
    let mut command = called("nuthatch");
    command.args(["run", "-c"]).arg(&path).current_dir(directory.path());
    let (running, lines) = Running::until(&mut command, "try:");
    let line = lines.iter().find(|line| line.trim_end().ends_with("redis pool a")).expect("listed");
    let address = line.split_whitespace().next().expect("an address");
    let mut client = TcpStream::connect(address).expect("it listens");
    client.set_read_timeout(Some(PATIENCE)).expect("set");
    client.write_all(GET).expect("sent");
    let (mut server, _) = listener.accept().expect("it connects");
    let mut request = vec![0; GET.len()];
    server.read_exact(&mut request).expect("forwarded");
    Scene { running, client, server, _directory: directory }
}

#[test]
fn a_silent_server_does_not_hold_up_the_stop() {
    let Scene { running, client, server, _directory } = scene();
    drop(client);
    running.signal("TERM");
    let asked = Instant::now();
    assert_eq!(running.end(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    drop(server);
}

#[test]
fn a_forwarded_repeat_of_the_signal_cuts_nothing_short() {
    let Scene { running, mut client, mut server, _directory } = scene();
    running.signal("TERM");
    running.signal("TERM");
    // Connections are refused: the stop has begun.
    let address = client.peer_addr().expect("connected");
    wait_for("the listener to close", || TcpStream::connect(address).is_err().then_some(()));
    server.write_all(b"$1\r\nv\r\n").expect("it reads");
    let mut reply = Vec::new();
    client.read_to_end(&mut reply).expect("closed when it has all");
    assert_eq!(reply, b"$1\r\nv\r\n");
    assert_eq!(running.end(), Some(0));
}

#[test]
fn an_interrupt_cuts_an_interrupted_stop_short() {
    let Scene { running, client, server, _directory } = scene();
    running.signal("INT");
    let address = client.peer_addr().expect("connected");
    wait_for("the listener to close", || TcpStream::connect(address).is_err().then_some(()));
    running.signal("INT");
    let asked = Instant::now();
    assert_eq!(running.end(), Some(1));
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    drop((client, server));
}
