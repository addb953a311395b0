//! Events of the control loop: signals and actions of the admin port, one at a time.

use std::collections::VecDeque;

use proxy::Named;
use telemetry::log::Log;
use tokio::sync::{mpsc, watch};

use super::behavior::FaceBehavior;
use super::signals::{Arrival, Signals, set_verbosity, tell};
use crate::log_level::level;
use crate::reload::actor::{Actions, Asked};
use crate::topology::{Discoveries, Found};

/// Notifications that a file of the configuration has changed.
pub type Changes = mpsc::Receiver<()>;

/// An event for the control loop.
pub enum Event {
    /// Stop the process.
    Stop(Stop),
    /// Reload the configuration.
    Reload(Arrival),
    /// Upgrade to another binary.
    Upgrade(Arrival),
    /// The log level was changed to the one with this name.
    LogLevel(Arrival, &'static str),
    /// Carry out an action; its client waits.
    Action(Asked),
    /// A file of the configuration has changed.
    FileChanged,
    /// A master has another address.
    Masters,
    /// A discovered topology has changed.
    Topology(Found),
}

/// The end of the process.
#[derive(Debug)]
pub struct Stop {
    /// The signal that asked for it.
    pub arrival: Arrival,
    /// Exit status.
    pub code: u8,
}

/// Sources of the control loop's events.
pub struct Attention<'a> {
    hearing: Hearing<'a>,
    actions: Actions,
    changes: Changes,
    masters: watch::Receiver<Named>,
    discoveries: Discoveries,
    /// Events postponed during another one; each kind once.
    postponed: VecDeque<Event>,
}

/// Signals alone, each logged on arrival.
pub struct Hearing<'a> {
    signals: Signals,
    behavior: &'a FaceBehavior,
    log: &'a Log,
}

impl<'a> Attention<'a> {
    /// Starts without postponed events.
    pub fn new(
        signals: Signals,
        actions: Actions,
        (changes, masters, discoveries): (Changes, watch::Receiver<Named>, Discoveries),
        behavior: &'a FaceBehavior,
        log: &'a Log,
    ) -> Attention<'a> {
        Attention {
            hearing: Hearing { signals, behavior, log },
            actions,
            changes,
            masters,
            discoveries,
            postponed: VecDeque::new(),
        }
    }

    /// The next event; postponed ones come first.
    pub async fn next(&mut self) -> Event {
        match self.postponed.pop_front() {
            Some(event) => event,
            None => self.event().await,
        }
    }

    /// The next new event.
    pub async fn event(&mut self) -> Event {
        loop {
            tokio::select! {
                found = self.hearing.next() => {
                    if let Some(event) = self.hearing.event(found) {
                        return event;
                    }
                }
                Some(asked) = self.actions.recv() => return Event::Action(asked),
                Some(()) = self.changes.recv() => return Event::FileChanged,
                Ok(()) = self.masters.changed() => return Event::Masters,
                Some(found) = self.discoveries.recv() => return Event::Topology(found),
            }
        }
    }

    /// The next event from a signal; actions stay queued.
    pub async fn signal(&mut self) -> Event {
        loop {
            let found = self.hearing.next().await;
            if let Some(event) = self.hearing.event(found) {
                return event;
            }
        }
    }

    /// Postpones an event. One of each kind is enough, of topologies the last of each kind and pool.
    pub fn postpone(&mut self, event: Event) {
        if let Event::Topology(found) = &event {
            let kind = |found: &Found| (found.pool.clone(), std::mem::discriminant(&found.news));
            let kind_of_new = kind(found);
            self.postponed
                .retain(|known| !matches!(known, Event::Topology(other) if kind(other) == kind_of_new));
            return self.postponed.push_back(event);
        }
        let kind = std::mem::discriminant(&event);
        if !self.postponed.iter().any(|known| std::mem::discriminant(known) == kind) {
            self.postponed.push_back(event);
        }
    }

    /// Keeps only the signals: refuses the waiting actions, and answers their clients.
    pub fn signals(self) -> Hearing<'a> {
        self.hearing
    }
}

impl Hearing<'_> {
    /// The next signal. If the process cannot receive any more, it ends.
    pub async fn next(&mut self) -> Arrival {
        let found = self.signals.recv().await.unwrap_or(Arrival::of_nobody(libc::SIGTERM));
        tell(&found, self.behavior.nutcracker);
        found
    }

    /// The event for a signal. Signals that concern the log are handled here.
    fn event(&self, arrival: Arrival) -> Option<Event> {
        let (log, nutcracker) = (self.log, self.behavior.nutcracker);
        let change_level =
            |direction, to| set_verbosity(log, direction, to, nutcracker).then(|| level(to).name());
        match arrival.number {
            libc::SIGINT => Some(Event::Stop(Stop { arrival, code: self.behavior.interrupted })),
            libc::SIGTERM | libc::SIGQUIT => Some(Event::Stop(Stop { arrival, code: 0 })),
            libc::SIGUSR1 => Some(Event::Reload(arrival)),
            libc::SIGUSR2 => Some(Event::Upgrade(arrival)),
            libc::SIGHUP => {
                log.reopen();
                self.behavior.hangup_reloads.then_some(Event::Reload(arrival))
            }
            libc::SIGTTIN => {
                let name = change_level("up", log.verbosity().raised())?;
                Some(Event::LogLevel(arrival, name))
            }
            libc::SIGTTOU => {
                let name = change_level("down", log.verbosity().lowered())?;
                Some(Event::LogLevel(arrival, name))
            }
            _ => None,
        }
    }
}
