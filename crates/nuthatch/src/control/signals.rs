//! The signals that a process handles, their senders, and their log lines.

use std::{fmt, io};

use telemetry::log::{Log, SIGNAL, Verbosity};
use telemetry::{error, info};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::senders::{LastSender, Sender};

/// Signals, in order of arrival.
pub(super) type Signals = mpsc::Receiver<Arrival>;

/// A signal that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Its number.
    pub number: i32,
    /// Its sender, if the kernel names one.
    sender: Option<Sender>,
}

/// A signal that is handled.
struct Known {
    number: i32,
    name: &'static str,
    /// End of its line in the log.
    action: &'static str,
    last_sender: LastSender,
}

static SIGNALS: [Known; 8] = [
    known(libc::SIGHUP, "SIGHUP", ", reopening log file"),
    known(libc::SIGTTIN, "SIGTTIN", ", up logging level"),
    known(libc::SIGTTOU, "SIGTTOU", ", down logging level"),
    known(libc::SIGINT, "SIGINT", ", exiting"),
    known(libc::SIGTERM, "SIGTERM", ", stopping"),
    known(libc::SIGQUIT, "SIGQUIT", ", stopping"),
    known(libc::SIGUSR1, "SIGUSR1", ", reloading configuration"),
    known(libc::SIGUSR2, "SIGUSR2", ", upgrading"),
];

const fn known(number: i32, name: &'static str, action: &'static str) -> Known {
    Known { number, name, action, last_sender: LastSender::unknown() }
}

impl Arrival {
    /// A signal without a sender.
    pub fn of_nobody(number: i32) -> Arrival {
        Arrival { number, sender: None }
    }
}

impl fmt::Display for Arrival {
    /// The author of what the signal changes: `signal SIGHUP from process 12 (systemd) of user 0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SIGNALS.iter().find(|known| known.number == self.number) {
            Some(known) => write!(f, "signal {}", known.name)?,
            None => write!(f, "signal {}", self.number)?,
        }
        self.sender.iter().try_for_each(|sender| write!(f, " from {sender}"))
    }
}

/// Every signal of the table, as a stream.
pub(super) fn all() -> io::Result<Signals> {
    // The system keeps signals that arrive while one is handled, each kind once.
    let (sender, receiver) = mpsc::channel(1);
    for Known { number, last_sender, .. } in &SIGNALS {
        last_sender.follow(*number)?;
        let mut arrivals: Signal = signal(SignalKind::from_raw(*number))?;
        let sender = sender.clone();
        tokio::spawn(async move {
            let arrival = || Arrival { number: *number, sender: last_sender.take() };
            while arrivals.recv().await.is_some() && sender.send(arrival()).await.is_ok() {}
        });
    }
    Ok(receiver)
}

/// Logs a signal, in nutcracker's words under that face.
pub(super) fn tell(arrival: &Arrival, nutcracker: bool) {
    let Some(known) = SIGNALS.iter().find(|known| known.number == arrival.number) else { return };
    let Known { number, name, action, .. } = known;
    match &arrival.sender {
        _ if nutcracker => error!(target: SIGNAL, "signal {number} ({name}) received{action}"),
        Some(sender) => info!(from = %sender, "signal {number} ({name}) received{action}"),
        None => info!("signal {number} ({name}) received{action}"),
    }
}

/// Sets the log level and logs the change; as nutcracker does, it stays silent if
/// the level was already at its end. True if it is another one now.
pub(super) fn set_verbosity(log: &Log, direction: &str, to: Verbosity, nutcracker: bool) -> bool {
    let before = log.verbosity();
    // Write the line at the more verbose of the two levels.
    log.set_verbosity(before.max(to));
    if nutcracker && to != before {
        error!(target: SIGNAL, "{direction} log level to {}", to.number());
    }
    log.set_verbosity(to);
    to != before
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_an_author() {
        assert_eq!(Arrival::of_nobody(libc::SIGHUP).to_string(), "signal SIGHUP");
    }
}
