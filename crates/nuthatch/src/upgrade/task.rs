//! An upgrade run by the control thread while it keeps handling signals.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use telemetry::{error, info};
use wire::upgrade::{Pool, Serve};

use super::program::Program;
use super::successor::Successor;
use crate::data_services::State;
use crate::outcome::{self, Deed, Outcome};
use crate::serving::Serving;
use crate::systemd;
use crate::version::VERSION;

/// Client numbers skipped: this process accepts some more clients after its next number was read.
const CLIENT_NUMBERS_SPARE: u64 = 1 << 20;
/// Pause between two attempts to reopen the queue.
const RETRY: Duration = Duration::from_secs(1);

/// An upgrade in progress.
pub struct Upgrade {
    called_off: Arc<AtomicBool>,
    work: Pin<Box<dyn Future<Output = (Serving, bool)>>>,
}

impl Upgrade {
    /// Starts an upgrade.
    pub fn begin(serving: Serving) -> Upgrade {
        let called_off = Arc::new(AtomicBool::new(false));
        Upgrade { work: Box::pin(upgrade(serving, Arc::clone(&called_off))), called_off }
    }

    /// Cancels it; everything is soon as it was.
    pub fn call_off(&self) {
        self.called_off.store(true, Ordering::Relaxed);
    }

    /// Everything as it was, and false; or what is left here, and true if the successor has taken over.
    pub async fn end(&mut self) -> (Serving, bool) {
        self.work.as_mut().await
    }
}

/// Reports to the requester of an upgrade that there is none.
pub fn refuse(reason: &str) {
    outcome::announce(Deed::Upgrade, &Err(reason.to_owned()));
}

async fn upgrade(mut serving: Serving, called_off: Arc<AtomicBool>) -> (Serving, bool) {
    let begun = Instant::now();
    info!("upgrade begins");
    systemd::reloading();
    let result = hand_over(&mut serving, &called_off).await;
    let took = begun.elapsed().as_millis();
    let outcome: Outcome = match &result {
        Ok((process, version)) => {
            systemd::succeeded_by(*process);
            Ok(format!(
                "process {process} ({version}) has taken over from {} ({VERSION}) in {took} ms",
                std::process::id()
            ))
        }
        Err(reason) => {
            systemd::ready();
            Err(reason.clone())
        }
    };
    match &outcome {
        Ok(text) => info!("{text}"),
        Err(reason) => {
            error!(%reason, "upgrade failed: this process continues");
            serving.upgrade_failed(reason);
        }
    }
    outcome::announce(Deed::Upgrade, &outcome);
    (serving, outcome.is_ok())
}

/// Runs the whole upgrade. Returns the successor's process id and version.
async fn hand_over(serving: &mut Serving, called_off: &Arc<AtomicBool>) -> Result<(u32, String), String> {
    if std::process::id() == 1 {
        return Err(
            "this is process 1, with which its container ends: start another container instead".into()
        );
    }
    let program = Program::own().ok_or("it is not known how this process was started")?;
    let sockets = net::listening_sockets().map_err(|error| format!("listening sockets: {error}"))?;
    let sockets = Arc::new(sockets);
    let (successor, pools) = introduce(program, serving, &sockets, called_off).await?;
    let state = serving.release_data().await.map_err(|error| error.to_string())?;
    let serve = Serve { client_number: serving.client_number() + CLIENT_NUMBERS_SPARE };
    // Keep the state in case the upgrade fails.
    let ours = copy(&state);
    let given = waiting(move || give(successor, &state, serve)).await;
    match given {
        Ok((mut successor, process, version)) => {
            let channel = successor.release().and_then(|channel| serving.hand_over(channel, pools));
            if let Err(error) = channel {
                // Too late to take anything back; clients stay here until they disconnect.
                error!(%error, "clients cannot be handed over");
            }
            Ok((process, version))
        }
        Err(reason) => {
            // A stop has already stopped the queue.
            if !called_off.load(Ordering::Relaxed) {
                take_back(serving, &sockets, ours).await;
            }
            Err(reason)
        }
    }
}

/// Starts the successor, and waits until it is ready.
async fn introduce(
    program: &'static Program,
    serving: &Serving,
    sockets: &Arc<Vec<OwnedFd>>,
    called_off: &Arc<AtomicBool>,
) -> Result<(Successor, Vec<Pool>), String> {
    let patience = serving.config().upgrade_timeout;
    let (sockets, called_off) = (Arc::clone(sockets), Arc::clone(called_off));
    waiting(move || {
        let mut successor = Successor::start(program, &sockets, patience, called_off)?;
        let pools = successor.ready()?;
        info!(process = successor.process(), version = %successor.version, "the new process is ready");
        Ok((successor, pools))
    })
    .await
}

/// Hands everything over. On an error the successor has ended.
fn give(mut successor: Successor, state: &State, serve: Serve) -> Result<(Successor, u32, String), String> {
    successor.open(state)?;
    successor.serve(serve)?;
    let (process, version) = (successor.process(), successor.version.clone());
    Ok((successor, process, version))
}

/// Reopens the queue and the lookup, with as many attempts as it takes.
async fn take_back(serving: &mut Serving, sockets: &[OwnedFd], state: State) {
    loop {
        let sockets: io::Result<Vec<OwnedFd>> = sockets.iter().map(OwnedFd::try_clone).collect();
        let taken = match sockets {
            Ok(sockets) => {
                serving.take_back_data(sockets, copy(&state)).await.map_err(|fault| fault.native())
            }
            Err(error) => Err(error.to_string()),
        };
        let Err(reason) = taken else { return };
        error!(%reason, "the queue cannot be reopened: retrying every second");
        tokio::time::sleep(RETRY).await;
    }
}

/// A duplicate descriptor of each file; without one the file is found by its path.
fn copy(state: &State) -> State {
    let again = |file: &Option<std::fs::File>| file.as_ref().and_then(|file| file.try_clone().ok());
    State { directory: again(&state.directory), lookup: again(&state.lookup) }
}

/// Runs blocking work on its own thread.
async fn waiting<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?
}
