//! systemd, or a compatible service manager: it is notified of the process's state (`sd_notify(3)`), and may
//! pass bound sockets (`sd_listen_fds(3)`).
//!
//! | variable | effect |
//! |---|---|
//! | `NOTIFY_SOCKET` | READY=1 once everything is served, RELOADING=1 during an upgrade, MAINPID= after it, STOPPING=1 at the end |
//! | `WATCHDOG_USEC`, `WATCHDOG_PID` | WATCHDOG=1 twice in that time, as long as the control thread runs |
//! | `LISTEN_FDS`, `LISTEN_PID` | sockets to listen on, matched by address |
//!
//! Without these variables nothing happens. Notifications never wait for the manager.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use telemetry::debug;

/// First descriptor that systemd hands over.
const LISTEN_FDS_START: RawFd = 3;
/// Most sockets taken.
const LISTEN_FDS_MAX: RawFd = 4096;

/// True if there is a service manager that is to be notified.
pub fn is_there() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// Reports that everything is served.
pub fn ready() {
    notify("READY=1");
}

/// Reports a change while everything is served; [`ready`] follows.
pub fn reloading() {
    let now = clock_gettime(ClockId::Monotonic);
    let micros = now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1000;
    notify(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
}

/// Reports that the process is about to end.
pub fn stopping() {
    notify("STOPPING=1");
}

/// Reports that the successor is the service now and serves everything.
pub fn succeeded_by(process: u32) {
    notify(&format!("MAINPID={process}\nREADY=1"));
}

/// Reports forever that the control thread runs. Needs a tokio runtime.
pub async fn keep_alive() {
    let Some(period) = watchdog_period(|name| std::env::var(name).ok()) else { return };
    loop {
        notify("WATCHDOG=1");
        tokio::time::sleep(period).await;
    }
}

/// Half of the watchdog's timeout; None without a watchdog for this process.
fn watchdog_period(variable: impl Fn(&str) -> Option<String>) -> Option<Duration> {
    if variable("WATCHDOG_PID").is_some_and(|pid| pid != std::process::id().to_string()) {
        return None;
    }
    let micros: u64 = variable("WATCHDOG_USEC")?.parse().ok()?;
    (micros > 0).then(|| Duration::from_micros(micros) / 2)
}

fn notify(state: &str) {
    let Some(address) = std::env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&address, state) {
        debug!(address = %address.display(), %error, "the service manager cannot be notified");
    }
}

fn send(address: &OsStr, state: &str) -> io::Result<()> {
    let address = match address.as_bytes() {
        [b'@', name @ ..] => abstract_address(name)?,
        _ => SocketAddr::from_pathname(address)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_: &[u8]) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Sockets that systemd has bound for this process. Call it once, after the last fork.
pub fn sockets() -> Vec<OwnedFd> {
    let handed = handed_over(|name| std::env::var(name).ok());
    let own = |number| {
        // SAFETY: by the protocol the descriptor is this process's to use, and this is the only place that
        // takes it.
        unsafe { OwnedFd::from_raw_fd(number) }
    };
    let is_open = |number: &RawFd| {
        // SAFETY: only the number is asked about.
        unsafe { libc::fcntl(*number, libc::F_GETFD) >= 0 }
    };
    handed.filter(is_open).map(own).collect()
}

/// Numbers of the descriptors passed to this process.
fn handed_over(variable: impl Fn(&str) -> Option<String>) -> std::ops::Range<RawFd> {
    let for_us = variable("LISTEN_PID").is_some_and(|pid| pid == std::process::id().to_string());
    let count = variable("LISTEN_FDS").filter(|_| for_us).and_then(|count| count.parse().ok());
    LISTEN_FDS_START..LISTEN_FDS_START + count.unwrap_or(0).clamp(0, LISTEN_FDS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(variables: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.replace("ME", &std::process::id().to_string()))
        }
    }

    #[test]
    fn sockets_are_for_the_process_that_is_named() {
        for (variables, count) in [
            (&[("LISTEN_PID", "ME"), ("LISTEN_FDS", "2")][..], 2),
            (&[("LISTEN_PID", "1"), ("LISTEN_FDS", "2")], 0),
            (&[("LISTEN_FDS", "2")], 0),
            (&[("LISTEN_PID", "ME")], 0),
            (&[("LISTEN_PID", "ME"), ("LISTEN_FDS", "-5")], 0),
            (&[("LISTEN_PID", "ME"), ("LISTEN_FDS", "2147483647")], 4096),
            (&[("LISTEN_PID", "ME"), ("LISTEN_FDS", "x")], 0),
        ] {
            assert_eq!(handed_over(of(variables)), 3..3 + count, "{variables:?}");
        }
    }

    #[test]
    fn the_watchdog_hears_twice_in_its_time() {
        let second = Some(Duration::from_secs(1));
        for (variables, period) in [
            (&[("WATCHDOG_USEC", "2000000"), ("WATCHDOG_PID", "ME")][..], second),
            (&[("WATCHDOG_USEC", "2000000")], second),
            (&[("WATCHDOG_USEC", "2000000"), ("WATCHDOG_PID", "1")], None),
            (&[("WATCHDOG_USEC", "0")], None),
            (&[("WATCHDOG_USEC", "soon")], None),
            (&[], None),
        ] {
            assert_eq!(watchdog_period(of(variables)), period, "{variables:?}");
        }
    }

    #[test]
    fn both_kinds_of_address_are_reached() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let listening = UnixDatagram::bind(&path).unwrap();
        let mut buffer = [0; 64];
        send(path.as_os_str(), "READY=1").unwrap();
        let length = listening.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"READY=1");
        assert!(send(directory.path().join("none").as_os_str(), "READY=1").is_err());
        #[cfg(target_os = "linux")]
        {
            let name = format!("nuthatch-test-{}", std::process::id());
            let address = abstract_address(name.as_bytes()).unwrap();
            let listening = UnixDatagram::bind_addr(&address).unwrap();
            send(OsStr::new(&format!("@{name}")), "STOPPING=1").unwrap();
            let length = listening.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"STOPPING=1");
        }
    }
}
