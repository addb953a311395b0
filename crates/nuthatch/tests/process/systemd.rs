//! Notifications to a service manager, and sockets passed by it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::support::{PATIENCE, Running, binary, called, directory_with, free_port, wait_for};

/// A service manager that listens.
struct Manager {
    socket: UnixDatagram,
}

impl Manager {
    fn at(path: &Path) -> Manager {
        let socket = UnixDatagram::bind(path).expect("bound");
        socket.set_read_timeout(Some(PATIENCE)).expect("set");
        Manager { socket }
    }

    fn hears(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).expect("told in time");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }
}

const LOCAL: &str = "[pool.a]\nlisten = \"ADDRESS\"\nservers = [\"local\"]\n";

fn pong(mut client: impl Read + Write) {
    client.write_all(b"PING\r\n").expect("sent");
    let mut answer = [0; 7];
    client.read_exact(&mut answer).expect("answered");
    assert_eq!(&answer, b"+PONG\r\n");
}

#[test]
fn the_service_manager_is_told_when_it_serves_and_when_it_stops() {
    let (directory, path) = directory_with("nuthatch.toml", &LOCAL.replace("ADDRESS", "127.0.0.1:0"));
    let socket = directory.path().join("notify");
    let manager = Manager::at(&socket);
    let mut command = called("nuthatch");
    command.args(["run", "-c"]).arg(&path).env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "100000");
    let running = Running::start(&mut command);
    assert_eq!(manager.hears(), "READY=1");
    for _ in 0..3 {
        assert_eq!(manager.hears(), "WATCHDOG=1");
    }
    running.signal("TERM");
    let last = std::iter::repeat_with(|| manager.hears()).find(|told| told != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
    assert_eq!(running.end(), Some(0));
}

#[test]
fn a_manager_that_is_gone_changes_nothing() {
    let port = free_port();
    let (_directory, path) =
        directory_with("nuthatch.toml", &LOCAL.replace("ADDRESS", &format!("127.0.0.1:{port}")));
    let mut command = called("nuthatch");
    command.args(["run", "-c"]).arg(&path).env("NOTIFY_SOCKET", "/nowhere/notify");
    let running = Running::start(&mut command);
    pong(wait_for("a listener", || TcpStream::connect(("127.0.0.1", port)).ok()));
    running.signal("TERM");
    assert_eq!(running.end(), Some(0));
}

/// The binary with sockets passed as systemd does: from descriptor 3 on, to the named process.
fn activated(sockets: Vec<OwnedFd>, file: &Path) -> Command {
    // High numbers do not collide.
    let high = |socket: OwnedFd| rustix::io::fcntl_dupfd_cloexec(&socket, 20).expect("a descriptor");
    let sockets: Vec<OwnedFd> = sockets.into_iter().map(high).collect();
    let mut command = Command::new("sh");
    let script = format!("LISTEN_PID=$$ exec {} run -c {}", binary(), file.display());
    command.args(["-c", &script]).env("LISTEN_FDS", sockets.len().to_string());
    let hand_over = move || {
        for (number, socket) in (3..).zip(&sockets) {
            // SAFETY: only numbers are passed; what had the number before is not used by the child.
            if unsafe { libc::dup2(socket.as_raw_fd(), number) } < 0 {
                return Err(std::io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: between fork and exec it makes a system call and allocates nothing.
    unsafe { command.pre_exec(hand_over) };
    command
}

#[test]
fn sockets_that_are_handed_over_are_used_with_those_who_wait() {
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = tcp.local_addr().expect("bound");
    let (directory, path) = directory_with("nuthatch.toml", "");
    let (unix_path, log_path) = (directory.path().join("s.sock"), directory.path().join("log"));
    let content = format!(
        "[pool.a]\nlisten = [\"{address}\", \"{} 0660\"]\nservers = [\"local\"]\n[log]\nfile = \"{}\"\n",
        unix_path.display(),
        log_path.display()
    );
    std::fs::write(&path, content).expect("a file");
    let unix = UnixListener::bind(&unix_path).expect("bound");
    let unwanted = TcpListener::bind("127.0.0.1:0").expect("a port");
    let waiting =
        (TcpStream::connect(address).expect("waits"), UnixStream::connect(&unix_path).expect("waits"));
    let nobodys = unwanted.local_addr().expect("bound");
    let running = Running::start(&mut activated(vec![tcp.into(), unix.into(), unwanted.into()], &path));
    pong(waiting.0);
    pong(waiting.1);
    pong(TcpStream::connect(address).expect("it listens"));
    let log = wait_for("a warning", || {
        std::fs::read_to_string(&log_path).ok().filter(|log| log.contains("inherited socket"))
    });
    assert!(log.contains(&nobodys.to_string()), "{log}");
    running.signal("TERM");
    assert_eq!(running.end(), Some(0));
}

#[test]
fn systemd_socket_activate_starts_it_for_the_first_client() {
    let port = free_port();
    let (_directory, path) =
        directory_with("nuthatch.toml", &LOCAL.replace("ADDRESS", &format!("127.0.0.1:{port}")));
    let mut command = Command::new("systemd-socket-activate");
    command.arg(format!("--listen=127.0.0.1:{port}")).arg(binary()).args(["run", "-c"]).arg(&path);
    if Command::new("systemd-socket-activate").arg("--version").output().is_err() {
        return eprintln!("skipped: there is no systemd-socket-activate");
    }
    let running = Running::start(&mut command);
    let client = wait_for("a listener", || TcpStream::connect(("127.0.0.1", port)).ok());
    client.set_read_timeout(Some(PATIENCE)).expect("set");
    pong(client);
    running.signal("TERM");
    assert_eq!(running.end(), Some(0));
}
