//! The control thread: signals, the statistics and the admin port, the end.
//!
//! | signal | effect |
//! |---|---|
//! | SIGTERM, SIGINT, SIGQUIT | graceful stop; the exit status is the face's; SIGINT twice, or another one a second later, ends at once |
//! | SIGHUP | the log file is opened anew |
//! | SIGTTIN, SIGTTOU | more, less is logged |
//! | SIGUSR1, SIGUSR2 | logged, no effect |
//! | SIGPIPE | ignored |
//! | SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT | logged with a backtrace, then the process dies by it (`crash.rs`) |

use std::io;
use std::process::ExitCode;
use std::time::Instant;

use telemetry::log::{Log, SIGNAL, Verbosity};
use telemetry::{error, info};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::serving::Serving;
use crate::start::Running;
use crate::stop_signals::StopSignals;
use crate::{crash, systemd};

/// Differences between faces.
pub struct FaceBehavior {
    /// Name and version of the service in the statistics.
    pub service: (&'static str, &'static str),
    /// Exit status after SIGINT; after SIGTERM and SIGQUIT it is 0.
    pub interrupted: u8,
    /// Signal texts are nutcracker's.
    pub nutcracker: bool,
}

/// The control thread before anything runs: its signals are taken from here on, so that one that comes early is
/// heeded as soon as everything has started instead of killing a process that has a pid file and clients.
pub struct Control {
    runtime: Runtime,
    signals: mpsc::Receiver<i32>,
}

impl Control {
    /// To be called before [`crate::start::start`], after the last fork.
    ///
    /// # Errors
    /// The system's, for the operator.
    pub fn prepare() -> Result<Control, String> {
        let text = |error| format!("cannot start the control thread: {error}");
        crash::install().map_err(text)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(text)?;
        let signals = {
            let _inside = runtime.enter();
            signals().map_err(text)?
        };
        Ok(Control { runtime, signals })
    }

    /// Runs until a signal ends it.
    pub fn run(self, running: Running, behavior: &FaceBehavior, log: &Log) -> ExitCode {
        let code =
            self.runtime.block_on(serve(running, self.signals, behavior, log)).unwrap_or_else(|error| {
                error!(%error, "control thread failed");
                1
            });
        ExitCode::from(code)
    }
}

async fn serve(
    running: Running,
    mut signals: mpsc::Receiver<i32>,
    behavior: &FaceBehavior,
    log: &Log,
) -> io::Result<u8> {
    let serving = Serving::begin(running, behavior.service, log);
    systemd::ready();
    tokio::spawn(systemd::keep_alive());
    let (signal, code) = loop {
        let Some(found) = signals.recv().await else { break (libc::SIGTERM, 1) };
        tell(found, behavior);
        match found {
            libc::SIGHUP => log.reopen(),
            libc::SIGTTIN => set_verbosity(log, "up", log.verbosity().raised(), behavior),
            libc::SIGTTOU => set_verbosity(log, "down", log.verbosity().lowered(), behavior),
            libc::SIGINT => break (found, behavior.interrupted),
            libc::SIGTERM | libc::SIGQUIT => break (found, 0),
            _ => {}
        }
    };
    let mut stop_signals = StopSignals::new(signal, Instant::now());
    systemd::stopping();
    let stopped = serving.stop();
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            result = &mut stopped => return result.map(|()| code),
            Some(found) = signals.recv() => {
                tell(found, behavior);
                if stop_signals.ends_at_once(found, Instant::now()) {
                    info!("stopped at once: a second signal arrived");
                    return Ok(code.max(1));
                }
            }
        }
    }
}

const SIGNALS: &[(i32, &str, &str)] = &[
    (libc::SIGHUP, "SIGHUP", ", reopening log file"),
    (libc::SIGTTIN, "SIGTTIN", ", up logging level"),
    (libc::SIGTTOU, "SIGTTOU", ", down logging level"),
    (libc::SIGINT, "SIGINT", ", exiting"),
    (libc::SIGTERM, "SIGTERM", ", stopping"),
    (libc::SIGQUIT, "SIGQUIT", ", stopping"),
    (libc::SIGUSR1, "SIGUSR1", ""),
    (libc::SIGUSR2, "SIGUSR2", ""),
];

/// Every signal of the table, as a stream of numbers.
fn signals() -> io::Result<mpsc::Receiver<i32>> {
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

fn tell(found: i32, behavior: &FaceBehavior) {
    let Some((number, name, action)) = SIGNALS.iter().find(|(number, ..)| *number == found) else { return };
    if behavior.nutcracker {
        error!(target: SIGNAL, "signal {number} ({name}) received{action}");
    } else {
        info!("signal {number} ({name}) received{action}");
    }
}

/// Sets the log's level, and says so as nutcracker does: not if it was at its end already.
fn set_verbosity(log: &Log, direction: &str, to: Verbosity, behavior: &FaceBehavior) {
    let before = log.verbosity();
    // The line is written at the level that writes more.
    log.set_verbosity(before.max(to));
    if behavior.nutcracker && to != before {
        error!(target: SIGNAL, "{direction} log level to {}", to.number());
    }
    log.set_verbosity(to);
}
