//! Signals of the tools: a stop to wait for, and a hang-up that may happen any number of times.

use std::io;
use std::time::Duration;

use client::ConsumerControl;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Time allowed for answers to messages at a stop.
pub(crate) const STOP_PATIENCE: Duration = Duration::from_secs(30);

/// Signals that end a tool. Once it exists, they no longer kill the process.
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

    /// SIGINT, SIGTERM and SIGHUP.
    pub(crate) fn with_hang_up() -> io::Result<Stop> {
        Ok(Stop { hang_up: Some(hang_up()?), ..Stop::new()? })
    }

    /// Runs `consumers` to their end, with `progress` alongside. The first signal stops them, with
    /// [`STOP_PATIENCE`] for messages in flight; a second one ends at once and returns false.
    pub(crate) async fn attend(
        &mut self,
        consumers: impl Future<Output = ()>,
        progress: impl Future<Output = ()>,
        controls: &[ConsumerControl],
    ) -> bool {
        tokio::pin!(consumers, progress);
        let mut stopping = false;
        loop {
            tokio::select! {
                () = &mut consumers => return true,
                () = &mut progress => {}
                () = self.wait() => {
                    if std::mem::replace(&mut stopping, true) {
                        return false;
                    }
                    for control in controls { control.stop(STOP_PATIENCE); }
                }
            }
        }
    }

    /// Waits for any of them.
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

/// Stream of SIGHUPs.
pub(crate) fn hang_up() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}
