//! The control thread: signals, actions of the admin port, the end.
//!
//! | signal | effect |
//! |---|---|
//! | SIGTERM, SIGINT, SIGQUIT | graceful stop; the exit status is the face's; SIGINT twice, or another one a second later, ends at once |
//! | SIGHUP | the log file is opened anew; the native face reads its configuration again as well |
//! | SIGUSR1 | the configuration is read again (`reload.rs`) |
//! | SIGTTIN, SIGTTOU | more, less is logged |
//! | SIGUSR2 | the binary is started again, and takes over (`upgrade.rs`) |
//! | SIGPIPE | ignored |
//! | SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT | logged with a backtrace, then the process dies by it (`crash.rs`) |
//!
//! Reloads and upgrades are carried out one at a time, in the order in which they were asked for; a stop
//! calls off what has not changed anything yet. What the admin port asks for while another process takes over
//! is refused.

mod attention;
mod behavior;
mod reloading;
mod signals;

use std::io;
use std::process::ExitCode;
use std::time::Instant;

use telemetry::log::Log;
use telemetry::{error, info};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use crate::reload::{Reloads, actor};
use crate::serving::Serving;
use crate::start::Running;
use crate::stop_signals::StopSignals;
use crate::upgrade::task::{self, Upgrade};
use crate::{config_watch, crash, systemd};
use attention::{Attention, Event};
use signals::Signals;

pub use behavior::FaceBehavior;

/// The control thread before anything runs: its signals are taken from here on, so that one that comes early
/// is heeded as soon as everything has started instead of killing a process that has a pid file and clients.
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
        // A name server or a file that does not answer is not waited for.
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
    let mut attention = Attention::new(signals, actions, changes, behavior, log);
    let mut serving = Serving::begin(running, behavior.service, log, actor);
    let mut reloads = Reloads::begin(behavior.source.clone(), &serving);
    systemd::ready();
    let watchdog = tokio::spawn(systemd::keep_alive());
    let (signal, code) = loop {
        let ended = match attention.next().await {
            Event::Stop(signal, code) => break (signal, code),
            Event::Reload => reloading::by_signal(&mut reloads, &mut serving, &mut attention).await,
            Event::FileChanged => reloading::by_change(&mut reloads, &mut serving, &mut attention).await,
            Event::Action(asked) => {
                reloading::by_request(&mut reloads, &mut serving, &mut attention, asked).await
            }
            Event::Upgrade => {
                let (back, replaced, ended) = upgrade(serving, &mut attention).await;
                serving = back;
                if replaced {
                    // The other process is the service now.
                    watchdog.abort();
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
    stop(serving, attention, (signal, code)).await
}

/// Lets another process take this one's place. Gives what is left here, true if that one serves now, and the
/// signal that is to end this one, if one has come meanwhile, with the exit status.
async fn upgrade(serving: Serving, attention: &mut Attention<'_>) -> (Serving, bool, Option<(i32, u8)>) {
    let mut upgrade = Upgrade::begin(serving);
    let mut ended = None;
    loop {
        tokio::select! {
            (serving, replaced) = upgrade.end() => return (serving, replaced, ended),
            event = attention.event() => match event {
                Event::Stop(signal, code) => {
                    ended = Some((signal, code));
                    upgrade.call_off();
                }
                Event::Action(asked) => reloading::refuse(asked, "an upgrade is under way: try again when it has ended"),
                Event::Reload | Event::FileChanged | Event::Upgrade => attention.postpone(event),
            }
        }
    }
}

/// Serves the clients that the other process could not be given, and stops.
async fn drain(serving: Serving, mut attention: Attention<'_>) -> io::Result<u8> {
    const TAKEN_OVER: &str = "another process has taken over already";
    let signal = {
        let drained = serving.drained();
        tokio::pin!(drained);
        loop {
            tokio::select! {
                moved = &mut drained => {
                    info!(moved, left = serving.clients(), "clients were handed over");
                    break libc::SIGTERM;
                }
                event = attention.next() => match event {
                    Event::Stop(signal, _) => break signal,
                    Event::Upgrade => task::refuse(TAKEN_OVER),
                    Event::Reload => reloading::refuse_signal(TAKEN_OVER),
                    // The other process watches for itself.
                    Event::FileChanged => {}
                    Event::Action(asked) => reloading::refuse(asked, TAKEN_OVER),
                }
            }
        }
    };
    stop(serving, attention, (signal, 0)).await
}

/// Stops gracefully, or at once if a signal says so.
async fn stop(serving: Serving, attention: Attention<'_>, (signal, code): (i32, u8)) -> io::Result<u8> {
    const STOPPING: &str = "this process is stopping";
    // Who waits for an action gets to know.
    let mut signals = attention.signals();
    let mut stop_signals = StopSignals::new(signal, Instant::now());
    let stopped = serving.stop();
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            result = &mut stopped => return result.map(|()| code),
            found = signals.next() => {
                match found {
                    libc::SIGUSR2 => task::refuse(STOPPING),
                    libc::SIGUSR1 => reloading::refuse_signal(STOPPING),
                    _ => {}
                }
                if stop_signals.ends_at_once(found, Instant::now()) {
                    info!("stopped at once: a second signal arrived");
                    return Ok(code.max(1));
                }
            }
        }
    }
}
