//! Signals as tools take them: a stop that is awaited, a hang-up that may happen any number of times.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that end a tool. Once made, they no longer kill the process.
#[derive(Debug)]
pub(crate) struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Option<Signal>,
}

impl Stop {
    /// SIGINT and SIGTERM.
    pub(crate) fn new() -> io::Result<Stop> {
        Ok(Stop {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: None,
        })
    }

    /// SIGHUP as well.
    pub(crate) fn with_hang_up() -> io::Result<Stop> {
        Ok(Stop { hang_up: Some(hang_up()?), ..Stop::new()? })
    }

    /// Waits for one of them.
    pub(crate) async fn wait(&mut self) {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hang_up => {}
        }
    }
}

/// SIGHUP, as often as it comes.
pub(crate) fn hang_up() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}
