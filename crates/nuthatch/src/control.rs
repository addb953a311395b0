//! The control thread: signals, the statistics and the admin port, the end.
//!
//! | signal | effect |
//! |---|---|
//! | SIGTERM, SIGINT, SIGQUIT | graceful stop; the exit status is the face's; SIGINT twice, or another one a second later, ends at once |
//! | SIGHUP | the log file is opened anew |
//! | SIGTTIN, SIGTTOU | more, less is logged |
//! | SIGUSR2 | the binary is started again, and takes over (`upgrade.rs`) |
//! | SIGUSR1 | logged, no effect |
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
use crate::upgrade::task::{self, Upgrade};
use crate::{crash, systemd};

/// Numbers of signals, as they come.
type Signals = mpsc::Receiver<i32>;

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
    signals: Signals,
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

async fn serve(running: Running, mut signals: Signals, behavior: &FaceBehavior, log: &Log) -> io::Result<u8> {
    let mut serving = Serving::begin(running, behavior.service, log);
    systemd::ready();
    let watchdog = tokio::spawn(systemd::keep_alive());
    let (signal, code) = loop {
        let Some(found) = signals.recv().await else { break (libc::SIGTERM, 1) };
        tell(found, behavior);
        if let Some(code) = stops(found, behavior) {
            break (found, code);
        }
        if found != libc::SIGUSR2 {
            adjust(found, behavior, log);
            continue;
        }
        let (back, replaced, ended) = upgrade(serving, &mut signals, behavior, log).await;
        serving = back;
        if replaced {
            // The other process is the service now.
            watchdog.abort();
            return match ended {
                Some(ended) => stop(serving, signals, behavior, ended).await,
                None => drain(serving, signals, behavior, log).await,
            };
        }
        if let Some(ended) = ended {
            break ended;
        }
    };
    systemd::stopping();
    stop(serving, signals, behavior, (signal, code)).await
}

/// Lets another process take this one's place. Gives what is left here, true if that one serves now, and the signal that is to end
/// this one, if one has come meanwhile, with the exit status.
async fn upgrade(
    serving: Serving,
    signals: &mut Signals,
    behavior: &FaceBehavior,
    log: &Log,
) -> (Serving, bool, Option<(i32, u8)>) {
    let mut upgrade = Upgrade::begin(serving);
    let mut ended = None;
    loop {
        tokio::select! {
            (serving, replaced) = upgrade.end() => return (serving, replaced, ended),
            Some(found) = signals.recv() => {
                tell(found, behavior);
                match stops(found, behavior) {
                    Some(code) => {
                        ended = Some((found, code));
                        upgrade.call_off();
                    }
                    None => adjust(found, behavior, log),
                }
            }
        }
    }
}

/// Serves the clients that the other process could not be given, and stops.
async fn drain(serving: Serving, mut signals: Signals, behavior: &FaceBehavior, log: &Log) -> io::Result<u8> {
    let signal = {
        let drained = serving.drained();
        tokio::pin!(drained);
        loop {
            tokio::select! {
                moved = &mut drained => {
                    info!(moved, left = serving.clients(), "clients were handed over");
                    break libc::SIGTERM;
                }
                Some(found) = signals.recv() => {
                    tell(found, behavior);
                    if stops(found, behavior).is_some() {
                        break found;
                    }
                    if found == libc::SIGUSR2 {
                        task::refuse("another process has taken over already");
                    }
                    adjust(found, behavior, log);
                }
            }
        }
    };
    stop(serving, signals, behavior, (signal, 0)).await
}

/// Stops gracefully, or at once if a signal says so.
async fn stop(
    serving: Serving,
    mut signals: Signals,
    behavior: &FaceBehavior,
    (signal, code): (i32, u8),
) -> io::Result<u8> {
    let mut stop_signals = StopSignals::new(signal, Instant::now());
    let stopped = serving.stop();
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            result = &mut stopped => return result.map(|()| code),
            Some(found) = signals.recv() => {
                tell(found, behavior);
                if found == libc::SIGUSR2 {
                    task::refuse("this process is stopping");
                }
                if stop_signals.ends_at_once(found, Instant::now()) {
                    info!("stopped at once: a second signal arrived");
                    return Ok(code.max(1));
                }
            }
        }
    }
}

/// The exit status of a signal that ends the process; None for all others.
fn stops(signal: i32, behavior: &FaceBehavior) -> Option<u8> {
    match signal {
        libc::SIGINT => Some(behavior.interrupted),
        libc::SIGTERM | libc::SIGQUIT => Some(0),
        _ => None,
    }
}

/// Does what a signal asks of the log.
fn adjust(signal: i32, behavior: &FaceBehavior, log: &Log) {
    match signal {
        libc::SIGHUP => log.reopen(),
        libc::SIGTTIN => set_verbosity(log, "up", log.verbosity().raised(), behavior),
        libc::SIGTTOU => set_verbosity(log, "down", log.verbosity().lowered(), behavior),
        _ => {}
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
    (libc::SIGUSR2, "SIGUSR2", ", upgrading"),
];

/// Every signal of the table, as a stream of numbers.
fn signals() -> io::Result<Signals> {
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
