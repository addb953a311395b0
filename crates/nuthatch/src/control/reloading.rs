//! Reloads run by the control loop while it keeps handling signals, and the answer to the waiting client.

use std::fmt::Display;
use std::future::pending;

use admin::actions::Action;
use admin::reload::Outcome;
use tokio::sync::oneshot;

use super::attention::{Attention, Event, Stop};
use super::signals::Arrival;
use crate::outcome::{self, Deed};
use crate::reload::actor::Asked;
use crate::reload::{Reloads, lines};
use crate::serving::Serving;
use crate::systemd;

/// The end of the process, if it was asked for meanwhile.
type Ended = Option<Stop>;

/// Author of a reload that no person has asked for.
const WATCH: &str = "watch_config, since its file has changed";

/// Carries out a reload requested by a signal. Returns the signal that should end the
/// process, if one arrived meanwhile.
pub async fn by_signal(
    reloads: &mut Reloads,
    serving: &mut Serving,
    attention: &mut Attention<'_>,
    arrival: &Arrival,
) -> Ended {
    told(serving, arrival);
    let (outcome, ended) = reload(reloads, serving, attention, false).await;
    outcome::announce(Deed::Reload, &lines(&outcome));
    ended
}

/// Carries out a reload after a file has changed.
pub async fn by_change(reloads: &mut Reloads, serving: &mut Serving, attention: &mut Attention<'_>) -> Ended {
    told(serving, &WATCH);
    reload(reloads, serving, attention, false).await.1
}

/// Carries out an action requested through the admin port.
pub async fn by_request(
    reloads: &mut Reloads,
    serving: &mut Serving,
    attention: &mut Attention<'_>,
    asked: Asked,
) -> Ended {
    let Asked { action, by, answer } = asked;
    let (outcome, ended) = match action {
        Action::Reload { dry_run } => {
            if !dry_run {
                told(serving, &by);
            }
            reload(reloads, serving, attention, dry_run).await
        }
        Action::Server { pool, server, change } => {
            (reloads.change_server(serving, (&pool, &server), change, &by).await, None)
        }
        Action::LogLevel(level) => (reloads.set_log_level(serving, &level, &by), None),
    };
    let _ = answer.send(outcome);
    ended
}

/// Records who has asked for a reload.
fn told(serving: &Serving, by: &dyn Display) {
    serving.tell_of("configuration", format!("reload asked for, by {by}"));
}

/// Answers the client of an action that nothing is done.
pub fn refuse(asked: Asked, reason: &str) {
    let _ = asked.answer.send(Outcome::failed(0, reason));
}

/// As [`refuse`], for the sender of a signal, who waits for the outcome.
pub fn refuse_signal(reason: &str) {
    outcome::announce(Deed::Reload, &Err(reason.to_owned()));
}

async fn reload(
    reloads: &mut Reloads,
    serving: &mut Serving,
    attention: &mut Attention<'_>,
    dry_run: bool,
) -> (Outcome, Ended) {
    if !dry_run {
        systemd::reloading();
    }
    let (call_off, called_off) = oneshot::channel();
    let mut call_off = Some(call_off);
    let called_off = async move {
        match called_off.await {
            Ok(()) => {}
            Err(_) => pending().await,
        }
    };
    let mut ended = None;
    let run = reloads.run(serving, dry_run, called_off);
    tokio::pin!(run);
    let outcome = loop {
        tokio::select! {
            outcome = &mut run => break outcome,
            event = attention.signal() => match event {
                Event::Stop(stop) => {
                    ended = Some(stop);
                    if let Some(call_off) = call_off.take() {
                        let _: Result<(), ()> = call_off.send(());
                    }
                }
                event => attention.postpone(event),
            }
        }
    };
    if !dry_run {
        systemd::ready();
    }
    (outcome, ended)
}
