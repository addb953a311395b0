//! The oracle's state of a message in a channel.

use net::Instant;

use super::time::SLACK_US;
use crate::messaging::scenario::End;
use crate::messaging::session::SessionId;

/// Place in a channel's line: the time of joining it, then a number within the turn.
pub(crate) type Moment = (u64, u64);

/// The end of a life.
#[derive(Debug)]
pub(crate) struct LifeEnd {
    pub(crate) how: End,
    pub(crate) at: Instant,
    /// FIN and REQ before this time are written; if absent, none is known to be.
    pub(crate) settled: Option<Instant>,
}

/// Time of an event in a row's life, which decides whether a crash may have lost it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) at: Instant,
    pub(crate) seq: u64,
}

impl LifeEnd {
    /// True if the event certainly survived this crash. `durable` is the topic's last fact known to be on the
    /// device.
    pub(crate) fn kept(&self, event: Event, durable: u64) -> bool {
        event.seq <= durable || self.settled.is_some_and(|settled| event.at <= settled)
    }
}

/// Place of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Waiting,
    Deferred {
        due: Instant,
        /// Earliest wall-clock value of `due` that a restart may assume.
        wall: i64,
        /// The REQ that deferred it; `None` for DPUB, whose delay is in the message.
        by: Option<Event>,
        /// True if it may come later, because the wall clock was stepped.
        vague: bool,
    },
    InFlight {
        session: SessionId,
        deadline: Instant,
        /// Latest deadline that TOUCH can reach.
        deadline_max: Instant,
    },
    /// Delivered too often: in the dead-letter topic, or on its way there.
    DeadLetter,
}

#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) place: Place,
    /// Bounds of its place in the line.
    pub(crate) from: Moment,
    pub(crate) to: Moment,
    /// Original place in the stream.
    pub(crate) born: Moment,
    /// True if it was never taken from the stream.
    pub(crate) fresh: bool,
    /// True if it waited in the topic, which passes messages on without checking a limit.
    pub(crate) handed_on: bool,
    pub(crate) attempts: u16,
    /// True if a crash may have lost some of the attempts.
    pub(crate) recounted: bool,
    /// FIN or order that ended it; it must not be delivered any more.
    pub(crate) gone: Option<Event>,
    /// True if any delivery is allowed: a crash or an order has made its state uncertain.
    pub(crate) wild: bool,
    /// True if it is no longer owed.
    pub(crate) satisfied: bool,
    /// Order that brought it back, if that must survive crashes.
    pub(crate) brought: Option<Event>,
}

impl Row {
    pub(crate) fn new(place: Place, born: Moment) -> Row {
        Row {
            place,
            from: born,
            to: born,
            born,
            fresh: place == Place::Waiting,
            handed_on: false,
            attempts: 0,
            recounted: false,
            gone: None,
            wild: false,
            satisfied: false,
            brought: None,
        }
    }

    /// Makes its state uncertain: it may exist, and is not owed.
    pub(crate) fn give_up(&mut self) {
        (self.gone, self.wild, self.satisfied) = (None, true, true);
    }

    /// True if it is in flight and has certainly timed out.
    pub(crate) fn has_timed_out(&self, now: Instant) -> bool {
        matches!(self.place, Place::InFlight { deadline, .. } if deadline.0 + SLACK_US <= now.0)
    }

    /// True if the message, should it exist, is owed to the channel.
    pub(crate) fn is_owed(&self) -> bool {
        self.gone.is_none() && !self.satisfied
    }

    /// Returns it to the line, at some time between these.
    pub(crate) fn come_back(&mut self, from: Moment, to: Moment) {
        (self.place, self.from, self.to, self.fresh) = (Place::Waiting, from, to, false);
    }

    /// Bounds of its current place in the line, where a due or timed-out message is back. `None` if it is not
    /// known to wait.
    pub(crate) fn line(&self, now: Instant) -> Option<(Moment, Moment)> {
        let late = |at: Instant| ((at.0, 0), (at.0 + SLACK_US, u64::MAX));
        match self.place {
            Place::Waiting => Some((self.from, self.to)),
            Place::Deferred { due, vague: false, .. } if due.0 + SLACK_US <= now.0 => Some(late(due)),
            Place::InFlight { deadline, .. } if deadline.0 + SLACK_US <= now.0 => Some(late(deadline)),
            _ => None,
        }
    }

    /// True if it was taken from the stream and may wait again.
    pub(crate) fn may_wait_again(&self, now: Instant) -> bool {
        let held = matches!(self.place, Place::InFlight { deadline, .. } if deadline > now);
        !self.fresh && self.gone.is_none() && !held
    }

    /// Ends the life. `durable` as in [`LifeEnd::kept`].
    pub(crate) fn crash(&mut self, life: &LifeEnd, durable: u64) {
        if self.brought.is_some_and(|brought| !life.kept(brought, durable)) {
            self.brought = None;
            return self.give_up();
        }
        if let Some(gone) = self.gone {
            if !life.kept(gone, durable) {
                self.give_up();
            }
            return;
        }
        self.recounted |= self.attempts > 0;
        match self.place {
            Place::Deferred { by: None, .. } => {}
            Place::Deferred { by: Some(event), .. } if life.kept(event, durable) => {}
            // It was never delivered: it keeps its place in the stream.
            Place::Waiting if self.fresh => {}
            // It may no longer be deferred.
            Place::Deferred { .. } => self.come_back(self.born, (u64::MAX, 0)),
            Place::Waiting => self.come_back(self.born, self.to.max((life.at.0, u64::MAX))),
            Place::InFlight { .. } => self.come_back(self.born, (life.at.0, u64::MAX)),
            // The message exists, or its dead letter, or both.
            Place::DeadLetter => self.wild = true,
        }
    }

    /// Records a step of the wall clock. A checkpoint may rewrite the due time.
    pub(crate) fn step(&mut self, nanos: i64) {
        if let Place::Deferred { wall, .. } = &mut self.place {
            *wall += nanos.min(0);
        }
    }

    /// Begins a new life at `now`: a clock stepped forward advances a due time, one stepped back does not
    /// delay it.
    pub(crate) fn restart(&mut self, now: Instant, wall_now: i64, stepped: bool) {
        if stepped && self.place == Place::Waiting && !self.fresh {
            // A message once deferred, and now due, may be deferred again.
            self.to = (u64::MAX, 0);
        }
        let Place::Deferred { due, wall, by, .. } = self.place else { return };
        let left = u64::try_from(wall.saturating_sub(wall_now)).unwrap_or(0) / 1000;
        let earliest = Instant((now.0 + left).min(due.0.max(now.0)));
        if earliest <= now {
            let latest = if stepped { u64::MAX } else { now.0 + SLACK_US };
            return self.come_back((0, 0), (latest, u64::MAX));
        }
        self.place = Place::Deferred { due: earliest, wall, by, vague: stepped };
    }
}
