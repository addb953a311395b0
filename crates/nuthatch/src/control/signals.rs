//! The signals that a process handles, and their log lines.

use std::io;

use telemetry::log::{Log, SIGNAL, Verbosity};
use telemetry::{error, info};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// Signal numbers, in order of arrival.
pub(super) type Signals = mpsc::Receiver<i32>;

const SIGNALS: &[(i32, &str, &str)] = &[
    (libc::SIGHUP, "SIGHUP", ", reopening log file"),
    (libc::SIGTTIN, "SIGTTIN", ", up logging level"),
    (libc::SIGTTOU, "SIGTTOU", ", down logging level"),
    (libc::SIGINT, "SIGINT", ", exiting"),
    (libc::SIGTERM, "SIGTERM", ", stopping"),
    (libc::SIGQUIT, "SIGQUIT", ", stopping"),
    (libc::SIGUSR1, "SIGUSR1", ", reloading configuration"),
    (libc::SIGUSR2, "SIGUSR2", ", upgrading"),
];

/// Every signal of the table, as a stream of numbers.
pub(super) fn all() -> io::Result<Signals> {
    // The system keeps signals that arrive while one is handled, each kind once.
    let (sender, receiver) = mpsc::channel(1);
    for (number, ..) in SIGNALS {
        let mut arrivals: Signal = signal(SignalKind::from_raw(*number))?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while arrivals.recv().await.is_some() && sender.send(*number).await.is_ok() {}
        });
    }
    Ok(receiver)
}

/// Logs a signal, in nutcracker's words under that face.
pub(super) fn tell(found: i32, nutcracker: bool) {
    let Some((number, name, action)) = SIGNALS.iter().find(|(number, ..)| *number == found) else { return };
    if nutcracker {
        error!(target: SIGNAL, "signal {number} ({name}) received{action}");
    } else {
        info!("signal {number} ({name}) received{action}");
    }
}

/// Sets the log level and logs the change; as nutcracker does, it stays silent if
/// the level was already at its end.
pub(super) fn set_verbosity(log: &Log, direction: &str, to: Verbosity, nutcracker: bool) {
    let before = log.verbosity();
    // Write the line at the more verbose of the two levels.
    log.set_verbosity(before.max(to));
    if nutcracker && to != before {
        error!(target: SIGNAL, "{direction} log level to {}", to.number());
    }
    log.set_verbosity(to);
}
