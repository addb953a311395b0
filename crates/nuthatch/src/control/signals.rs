//! The signals that a process takes, and their lines in the log.

use std::io;

use telemetry::log::{Log, SIGNAL, Verbosity};
use telemetry::{error, info};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// Numbers of signals, as they come.
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
    // Signals that come while one is handled are kept by the system, each kind once.
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

/// Logs a signal, in nutcracker's words if that is the face.
pub(super) fn tell(found: i32, nutcracker: bool) {
    let Some((number, name, action)) = SIGNALS.iter().find(|(number, ..)| *number == found) else { return };
    if nutcracker {
        error!(target: SIGNAL, "signal {number} ({name}) received{action}");
    } else {
        info!("signal {number} ({name}) received{action}");
    }
}

/// Sets the log's level, and says so as nutcracker does: not if it was at its end already.
pub(super) fn set_verbosity(log: &Log, direction: &str, to: Verbosity, nutcracker: bool) {
    let before = log.verbosity();
    // The line is written at the level that writes more.
    log.set_verbosity(before.max(to));
    if nutcracker && to != before {
        error!(target: SIGNAL, "{direction} log level to {}", to.number());
    }
    log.set_verbosity(to);
}
