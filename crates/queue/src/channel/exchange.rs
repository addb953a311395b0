//! The exchange of a channel with the engine: how many messages it asks for, and what becomes of those it
//! got.
//!
//! A message that came from the engine has a handle, by which it is settled there: finished, or returned so
//! that any node may have it next. Nothing is requeued or deferred here.

use std::time::Duration;

use engine::{Fate, Handle};

use super::{Channel, Events};
use crate::clock::{Clock, Due};
use crate::deferred::Waiting;
use crate::message::Position;
use crate::record::Requeued;

/// Most messages asked for at once.
const FETCH_MAX: u32 = 500;
/// Messages that are fetched ahead where a local channel takes them over.
const TAKEN_MAX: usize = 250;

/// The present need of a channel.
#[derive(Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    Nothing,
    /// This many more messages.
    Fetch(u32),
    /// No more messages, though some are on their way.
    Stop,
}

impl Channel {
    /// Keeps the handle of the message at `at`.
    pub fn hold_handle(&mut self, at: Position, handle: Handle) {
        if let Some(engine) = &mut self.engine {
            engine.handles.insert(at, handle);
        }
    }

    /// The position of a message that it holds: in flight, or to be set aside.
    pub fn held(&self, id: u64) -> Option<Position> {
        if let Some(flight) = self.in_flight.get(id) {
            return Some(flight.at);
        }
        let mut letters = self.dead_letters.iter().chain(self.departing.letters());
        letters.find(|letter| letter.message.id == id).map(|letter| letter.message.at)
    }

    /// True if a message has come from the engine so often that it is set aside undelivered. An arrival
    /// need not have been a delivery, so this takes twice the attempts that a consumer has.
    pub(super) fn comes_too_often(&self, message: &Waiting) -> bool {
        let max = u32::from(self.settings.max_attempts);
        self.engine.is_some() && max > 0 && u32::from(message.attempts) >= 2 * max
    }

    /// Says what the channel needs; messages that no consumer here can take are returned. `closed` if it may
    /// not deliver.
    pub fn need(&mut self, closed: bool) -> Need {
        let seeking = self.engine.as_ref().is_some_and(|engine| engine.seeking);
        let taken = self.engine.as_ref().is_some_and(|engine| engine.taken);
        let room = match closed || seeking {
            true => 0,
            false if taken => TAKEN_MAX,
            false if self.paused => 0,
            false => self.room(),
        };
        if room == 0 || taken {
            self.give_back();
        }
        let here = self.again.len();
        let Some(engine) = &mut self.engine else { return Need::Nothing };
        if room == 0 {
            return if std::mem::take(&mut engine.outstanding) > 0 { Need::Stop } else { Need::Nothing };
        }
        let want = u32::try_from(room.saturating_sub(here)).unwrap_or(u32::MAX).min(FETCH_MAX);
        let want = want.saturating_sub(engine.outstanding);
        // Not one request for each FIN: the next when at least half is missing.
        if want == 0 || want < engine.outstanding {
            return Need::Nothing;
        }
        engine.outstanding += want;
        Need::Fetch(want)
    }

    /// Messages that its consumers may take beyond those in flight.
    fn room(&self) -> usize {
        let open = self.consumers.iter().filter(|(_, consumer)| !consumer.closing);
        open.map(|(_, consumer)| consumer.ready.saturating_sub(consumer.in_flight) as usize).sum()
    }

    /// Returns messages that no consumer has.
    pub fn give_back(&mut self) {
        if self.engine.is_none() {
            return;
        }
        while let Some(message) = self.again.pop() {
            self.events.requeued.push(returned(message, Due::default()));
        }
    }

    /// Takes what was decided about messages since the last call.
    pub fn take_fates(&mut self, clock: Clock, out: &mut Vec<(Handle, Fate)>) {
        let Some(engine) = &mut self.engine else { return };
        let Events { requeued, finished } = std::mem::take(&mut self.events);
        let mut settle = |at: Position, fate: Fate| {
            // Without a handle it was emptied meanwhile.
            out.extend(engine.handles.remove(&at).map(|handle| (handle, fate)));
        };
        for message in requeued {
            let delay = if message.due == Due::default() {
                Duration::ZERO
            } else {
                Duration::from_nanos(message.due.at.saturating_sub(clock.wall.0).max(0).unsigned_abs())
            };
            settle(message.at, Fate::Return(delay));
        }
        finished.into_iter().for_each(|at| settle(at, Fate::Finish));
    }

    /// Extends everything that it holds.
    pub fn extend(&self, out: &mut Vec<(Handle, Fate)>) {
        if let Some(engine) = &self.engine {
            out.extend(engine.handles.values().map(|handle| (handle.clone(), Fate::Extend)));
        }
    }

    /// Returns the messages from `end` of the journal on, which were not kept.
    pub(crate) fn return_from(&mut self, end: Position, out: &mut Vec<(Handle, Fate)>) {
        let Some(engine) = &mut self.engine else { return };
        let unkept: Vec<Position> = engine.handles.keys().copied().filter(|at| *at >= end).collect();
        for at in unkept {
            out.extend(engine.handles.remove(&at).map(|handle| (handle, Fate::Return(Duration::ZERO))));
        }
    }

    /// Drops the handles of an emptied channel.
    pub(super) fn forget_handles(&mut self) {
        if let Some(engine) = &mut self.engine {
            engine.handles.clear();
        }
    }
}

fn returned(message: Waiting, due: Due) -> Requeued {
    Requeued { at: message.at, id: message.id, attempts: message.attempts, due }
}
