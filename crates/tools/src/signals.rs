//! Signals as tools take them: a stop that is awaited, a hang-up that may happen any number of times.

use std::io;
use std::time::Duration;

use client::ConsumerControl;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Time for answers to messages at a stop.
pub(crate) const STOP_PATIENCE: Duration = Duration::from_secs(30);

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

    /// Runs `consumers`, with `progress` beside them, to their end. The first signal stops them, with
    /// [`STOP_PATIENCE`] for what is in flight; a second one ends it at once: false.
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
