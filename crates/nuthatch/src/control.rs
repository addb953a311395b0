//! The control thread: signals, actions of the admin port, shutdown.
//!
//! | signal | effect |
//! |---|---|
//! | SIGTERM, SIGINT, SIGQUIT | graceful stop; the exit status is the face's; a second SIGINT, or any of them a second later, ends the process at once |
//! | SIGHUP | the log file is reopened; the native face also reloads its configuration |
//! | SIGUSR1 | the configuration is reloaded (`reload.rs`) |
//! | SIGTTIN, SIGTTOU | the log gets more, less verbose |
//! | SIGUSR2 | the binary is started again, and takes over (`upgrade.rs`) |
//! | SIGPIPE | ignored |
//! | SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT | logged with a backtrace, then the process dies by it (`crash.rs`) |
//!
//! Reloads and upgrades run one at a time, in the order of their requests; a stop cancels one that has not
//! changed anything yet. During an upgrade, actions of the admin port are refused.

mod attention;
mod behavior;
mod reloading;
mod senders;
mod signals;

use std::io;
use std::process::ExitCode;
use std::time::Instant;

use telemetry::log::Log;
use telemetry::{error, info};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use crate::reload::{Reloads, actor};
use crate::sentinels::Sentinels;
use crate::serving::Serving;
use crate::start::Running;
use crate::stop_signals::StopSignals;
use crate::upgrade::task::{self, Upgrade};
use crate::version::VERSION;
use crate::{config_watch, crash, systemd};
use attention::{Attention, Event, Stop};
use signals::{Arrival, Signals};

pub use behavior::FaceBehavior;

/// The control thread before anything runs. Its signal handlers are installed first, so that an
/// early signal takes effect once everything has started, instead of killing a process that
/// already has a pid file and clients.
pub struct Control {
    runtime: Runtime,
    signals: Signals,
}

impl Control {
    /// Installs the signal handlers. Call it before [`crate::start::start`], after the last fork.
    ///
    /// # Errors
    /// The system's error, for the operator.
    pub fn prepare() -> Result<Control, String> {
        let text = |error| format!("cannot start the control thread: {error}");
        crash::install().map_err(text)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(text)?;
        let signals = {
            let _inside = runtime.enter();
            signals::all().map_err(text)?
        };
        Ok(Control { runtime, signals })
    }

    /// Runs until a signal ends it.
    pub fn run(self, running: Running, behavior: &FaceBehavior, log: &Log) -> ExitCode {
        let Control { runtime, signals } = self;
        let code = runtime.block_on(serve(running, signals, behavior, log)).unwrap_or_else(|error| {
            error!(%error, "control thread failed");
            1
        });
        // Do not wait for a name server or a file that does not answer.
        runtime.shutdown_background();
        ExitCode::from(code)
    }
}

async fn serve(running: Running, signals: Signals, behavior: &FaceBehavior, log: &Log) -> io::Result<u8> {
    let (actor, actions) = actor::connect();
    let (changed, changes) = mpsc::channel(1);
    let (watches, wanted) = watch::channel(running.config.watch_config);
    if let Some(watched) = behavior.watched.clone() {
        tokio::spawn(config_watch::run(watched, config_watch::INTERVAL, wanted, changed));
    }
    let sentinels = Sentinels::new();
    let masters = sentinels.changes();
    let (mut serving, discoveries) = Serving::begin(running, behavior.service, log, actor, sentinels);
    let mut attention = Attention::new(signals, actions, (changes, masters, discoveries), behavior, log);
    let mut reloads = Reloads::begin(behavior.source.clone(), &serving).await;
    serving.tell_of("process", format!("started: nuthatch {VERSION}, process {}", std::process::id()));
    systemd::ready();
    let watchdog = tokio::spawn(systemd::keep_alive());
    let ended = loop {
        let ended = match attention.next().await {
            Event::Stop(ended) => break ended,
            Event::Reload(by) => reloading::by_signal(&mut reloads, &mut serving, &mut attention, &by).await,
            Event::LogLevel(by, level) => {
                serving.tell_of("configuration", format!("log level {level}, by {by}"));
                None
            }
            Event::FileChanged => reloading::by_change(&mut reloads, &mut serving, &mut attention).await,
            Event::Masters => {
                serving.take_masters().await;
                None
            }
            Event::Action(asked) => {
                reloading::by_request(&mut reloads, &mut serving, &mut attention, asked).await
            }
            Event::Topology(found) => {
                serving.take_topology(found).await;
                None
            }
            Event::Upgrade(by) => {
                serving.tell_of("process", format!("upgrade asked for, by {by}"));
                // The successor reads them from their file.
                serving.flush_events().await;
                let (back, replaced, ended) = upgrade(serving, &mut attention).await;
                serving = back;
                if replaced {
                    // The successor is the service now.
                    watchdog.abort();
                    serving.leave_events().await;
                    return match ended {
                        Some(ended) => stop(serving, attention, ended).await,
                        None => Box::pin(drain(serving, attention)).await,
                    };
                }
                ended
            }
        };
        if let Some(ended) = ended {
            break ended;
        }
        watches.send_replace(serving.config().watch_config);
    };
    systemd::stopping();
    serving.tell_of("process", format!("stop asked for, by {}", ended.arrival));
    stop(serving, attention, ended).await
}

/// Lets a successor take over. Returns what is left here, true if the successor serves now, and the end of
/// this process, if it was asked for meanwhile.
async fn upgrade(serving: Serving, attention: &mut Attention<'_>) -> (Serving, bool, Option<Stop>) {
    let mut upgrade = Upgrade::begin(serving);
    let mut ended = None;
    loop {
        tokio::select! {
            (serving, replaced) = upgrade.end() => return (serving, replaced, ended),
            event = attention.event() => match event {
                Event::Stop(stop) => {
                    ended = Some(stop);
                    upgrade.call_off();
                }
                Event::Action(asked) => reloading::refuse(asked, "an upgrade is under way: try again when it has ended"),
                Event::Reload(_)
                | Event::LogLevel(..)
                | Event::FileChanged
                | Event::Masters
                | Event::Upgrade(_)
                | Event::Topology(_) => attention.postpone(event),
            }
        }
    }
}

/// Serves the clients that could not be handed over, then stops.
async fn drain(serving: Serving, mut attention: Attention<'_>) -> io::Result<u8> {
    const TAKEN_OVER: &str = "another process has taken over already";
    let ended = {
        let drained = serving.drained();
        tokio::pin!(drained);
        loop {
            tokio::select! {
                moved = &mut drained => {
                    info!(moved, left = serving.clients(), "clients handed over");
                    break Stop { arrival: Arrival::of_nobody(libc::SIGTERM), code: 0 };
                }
                event = attention.next() => match event {
                    Event::Stop(stop) => break Stop { code: 0, ..stop },
                    Event::Upgrade(_) => task::refuse(TAKEN_OVER),
                    Event::Reload(_) => reloading::refuse_signal(TAKEN_OVER),
                    // The successor watches files, Sentinels and clusters itself.
                    Event::LogLevel(..) | Event::FileChanged | Event::Masters | Event::Topology(_) => {}
                    Event::Action(asked) => reloading::refuse(asked, TAKEN_OVER),
                }
            }
        }
    };
    stop(serving, attention, ended).await
}

/// Stops gracefully, or at once if a signal says so.
async fn stop(serving: Serving, attention: Attention<'_>, Stop { arrival, code }: Stop) -> io::Result<u8> {
    const STOPPING: &str = "this process is stopping";
    // Answer clients that wait for an action.
    let mut signals = attention.signals();
    let mut stop_signals = StopSignals::new(arrival.number, Instant::now());
    let stopped = serving.stop();
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            result = &mut stopped => return result.map(|()| code),
            found = signals.next() => {
                match found.number {
                    libc::SIGUSR2 => task::refuse(STOPPING),
                    libc::SIGUSR1 => reloading::refuse_signal(STOPPING),
                    _ => {}
                }
                if stop_signals.ends_at_once(found.number, Instant::now()) {
                    info!("stopped at once: a second signal arrived");
                    return Ok(code.max(1));
                }
            }
        }
    }
}
