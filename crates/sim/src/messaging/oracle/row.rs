//! A message in a channel, as the oracle believes it to be.

use net::Instant;

use super::time::SLACK_US;
use crate::messaging::scenario::End;
use crate::messaging::session::SessionId;

/// A place in a channel's line: the time at which it was taken, then a number for those of the same turn.
pub(crate) type Moment = (u64, u64);

/// The end of a life.
#[derive(Debug)]
pub(crate) struct LifeEnd {
    pub(crate) how: End,
    pub(crate) at: Instant,
    /// FIN and REQ from before this time are written; none is known to be if this is absent.
    pub(crate) settled: Option<Instant>,
}

/// The time of an event in a row's life, by which one can tell whether a crash has forgotten it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) at: Instant,
    pub(crate) seq: u64,
}

impl LifeEnd {
    /// True if the event is known to have outlasted this. `durable` is the last fact of the topic known to be
    /// on the device.
    pub(crate) fn kept(&self, event: Event, durable: u64) -> bool {
        event.seq <= durable || self.settled.is_some_and(|settled| event.at <= settled)
    }
}

/// The place of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Waiting,
    Deferred {
        due: Instant,
        /// `due` on the wall clock: the earliest that a restart may take it for.
        wall: i64,
        /// The REQ that deferred it; `None` for DPUB, whose delay is in the message.
        by: Option<Event>,
        /// True if it may come later, since the wall clock was set.
        vague: bool,
    },
    InFlight {
        session: SessionId,
        deadline: Instant,
        /// TOUCH does not go beyond.
        deadline_max: Instant,
    },
    /// Delivered too often: on its way to the dead-letter topic, or there.
    DeadLetter,
}

#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) place: Place,
    /// Bounds of its place in the line.
    pub(crate) from: Moment,
    pub(crate) to: Moment,
    /// Its place in the stream.
    pub(crate) born: Moment,
    /// True if it has never been out of the stream.
    pub(crate) fresh: bool,
    /// True if it waited in the topic, which hands messages on without asking a limit.
    pub(crate) handed_on: bool,
    pub(crate) attempts: u16,
    /// A crash may have forgotten some of the attempts.
    pub(crate) recounted: bool,
    /// The FIN or the order that ended it; it must not be delivered any more.
    pub(crate) gone: Option<Event>,
    /// Anything may be delivered: a crash, or an order, has made it uncertain what there is.
    pub(crate) wild: bool,
    /// True if it is not owed any more.
    pub(crate) satisfied: bool,
    /// The order by which it comes again, if a crash must not have forgotten that.
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

    /// Makes it uncertain: it may be there, and is not owed.
    pub(crate) fn give_up(&mut self) {
        (self.gone, self.wild, self.satisfied) = (None, true, true);
    }

    /// In the hands of a consumer whose time is over for sure.
    pub(crate) fn has_timed_out(&self, now: Instant) -> bool {
        matches!(self.place, Place::InFlight { deadline, .. } if deadline.0 + SLACK_US <= now.0)
    }

    /// The message is owed to the channel, if it is there at all.
    pub(crate) fn is_owed(&self) -> bool {
        self.gone.is_none() && !self.satisfied
    }

    /// Puts it back into the line, at some time between these.
    pub(crate) fn come_back(&mut self, from: Moment, to: Moment) {
        (self.place, self.from, self.to, self.fresh) = (Place::Waiting, from, to, false);
    }

    /// Bounds of its place in the line now; one that is due or has timed out is back. `None` if it is not
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

    /// True if it is out of the stream and may wait.
    pub(crate) fn may_wait_again(&self, now: Instant) -> bool {
        let held = matches!(self.place, Place::InFlight { deadline, .. } if deadline > now);
        !self.fresh && self.gone.is_none() && !held
    }

    /// The life has ended. `durable` as in [`LifeEnd::kept`].
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
            // It was never delivered: it stands in the stream where it stood.
            Place::Waiting if self.fresh => {}
            // Whether it is still deferred is not known.
            Place::Deferred { .. } => self.come_back(self.born, (u64::MAX, 0)),
            Place::Waiting => self.come_back(self.born, self.to.max((life.at.0, u64::MAX))),
            Place::InFlight { .. } => self.come_back(self.born, (life.at.0, u64::MAX)),
            // It is there, or its letter, or both.
            Place::DeadLetter => self.wild = true,
        }
    }

    /// Takes in a step of the wall clock. A checkpoint may write the due time anew.
    pub(crate) fn step(&mut self, nanos: i64) {
        if let Place::Deferred { wall, .. } = &mut self.place {
            *wall += nanos.min(0);
        }
    }

    /// A new life begins at `now`: a wall clock that was set forward brings a due time forward, one that was
    /// set back does not.
    pub(crate) fn restart(&mut self, now: Instant, wall_now: i64, stepped: bool) {
        if stepped && self.place == Place::Waiting && !self.fresh {
            // What was deferred once, and is due, may be deferred again.
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
