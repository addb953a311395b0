//! The oracle's state of a channel.

use std::collections::{BTreeMap, HashMap};

use net::Instant;

use super::row::{Event, LifeEnd, Moment, Place, Row};
use super::time::Now;
use crate::messaging::body::Uid;
use crate::messaging::frames::Id;
use crate::messaging::session::SessionId;

/// Number of returned messages from which the queue may deliver them in the cheapest order to read.
const MANY: usize = 16;

#[derive(Debug, Clone)]
pub(crate) struct Consumer {
    pub(crate) ready: u32,
    pub(crate) closing: bool,
    pub(crate) timeout_us: u64,
    pub(crate) timeout_us_max: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Channel {
    pub(crate) rows: BTreeMap<Uid, Row>,
    pub(crate) consumers: BTreeMap<SessionId, Consumer>,
    pub(crate) paused: bool,
    /// Deliveries after which a message becomes a dead letter; 0 for no limit.
    pub(crate) max_attempts: u16,
    /// Redrives in progress: new dead letters may come back at once.
    pub(crate) redriving: usize,
    /// Most messages that it holds, if it is ephemeral.
    pub(crate) limit: Option<u64>,
    /// Number of the fact that created it.
    pub(crate) made: u64,
    /// Messages that are or recently were in flight.
    ids: HashMap<Id, Uid>,
    lined_up: bool,
    /// During the drain: place of the oldest message left in the stream.
    pub(crate) left_from: Option<Moment>,
}

impl Channel {
    pub(crate) fn new(made: u64, limit: Option<u64>) -> Channel {
        Channel { limit, made, ..Channel::default() }
    }

    /// Row of a message in flight to this session.
    fn held(&mut self, session: SessionId, id: &Id) -> Result<&mut Row, String> {
        let uid = *self.ids.get(id).ok_or_else(|| format!("no message has id {id:?}, and its FIN counts"))?;
        let row = self.rows.get_mut(&uid).ok_or("no such message")?;
        match row.place {
            Place::InFlight { session: owner, .. } if owner == session => Ok(row),
            _ if row.wild => Ok(row),
            other => Err(format!("message {uid} is {other:?}, and what the session says of it counts")),
        }
    }

    /// Records that a command about this message may or may not have counted.
    pub(crate) fn loosen(&mut self, id: &Id) {
        if let Some(row) = self.ids.get(id).and_then(|uid| self.rows.get_mut(uid)) {
            row.give_up();
        }
    }

    /// Makes dead letters of messages that have used up their attempts and timed out.
    pub(crate) fn settle_dead(&mut self, now: Instant) {
        let max = self.max_attempts;
        if max == 0 {
            return;
        }
        for row in self.rows.values_mut().filter(|row| row.attempts >= max && !row.wild) {
            if row.has_timed_out(now) && row.gone.is_none() {
                (row.place, row.wild) = (Place::DeadLetter, self.redriving > 0);
            }
        }
    }

    /// True if the message is a dead letter, or its last delivery has timed out.
    pub(crate) fn may_have_died(&self, row: &Row, now: Instant) -> bool {
        let late = matches!(row.place, Place::InFlight { deadline, .. } if deadline <= now);
        row.place == Place::DeadLetter || late && self.max_attempts > 0 && row.attempts >= self.max_attempts
    }

    /// Messages that are, or may be, in the dead-letter topic.
    pub(crate) fn letters(&self) -> impl Iterator<Item = Uid> {
        let max = self.max_attempts;
        let dead =
            move |row: &Row| row.place == Place::DeadLetter || row.wild || max > 0 && row.attempts >= max;
        self.rows.iter().filter(move |(_, row)| dead(row)).map(|(uid, _)| *uid)
    }

    /// Starts a redrive: dead letters may come back.
    pub(crate) fn redrive(&mut self) {
        self.redriving += 1;
        self.rows.values_mut().filter(|row| row.place == Place::DeadLetter).for_each(|row| row.wild = true);
    }

    /// Records a dead letter of this message seen in its topic; false if it is impossible.
    pub(crate) fn letter_seen(&mut self, uid: Uid) -> bool {
        let Some(row) = self.rows.get_mut(&uid) else { return false };
        let possible = row.wild || self.max_attempts > 0 && row.attempts >= self.max_attempts;
        row.give_up();
        possible
    }

    /// Drops everything, by an operator's order.
    pub(crate) fn empty(&mut self, now: Now) {
        self.settle_dead(now.at);
        // Orders are written at once.
        let gone = Event { at: Instant(0), seq: now.seq };
        let here = |row: &&mut Row| row.gone.is_none() && !row.wild && row.place != Place::DeadLetter;
        for row in self.rows.values_mut().filter(here) {
            row.gone = Some(gone);
        }
        // Dead letters may come back, whatever is dropped here.
        for row in self.rows.values_mut().filter(|row| row.wild || row.place == Place::DeadLetter) {
            row.give_up();
        }
    }

    /// Moves the cursor back: owed messages stay owed, and any other retained one may come.
    pub(crate) fn seek(&mut self) {
        for row in self.rows.values_mut() {
            if row.is_owed() && !row.wild && row.place != Place::DeadLetter {
                row.wild = true;
            } else {
                row.give_up();
            }
        }
        self.ids.clear();
    }

    pub(crate) fn finish(&mut self, session: SessionId, id: &Id, now: Now) -> Result<(), String> {
        let row = self.held(session, id)?;
        row.satisfied = true;
        if !row.wild {
            row.gone = Some(Event { at: now.at, seq: now.seq });
        }
        Ok(())
    }

    pub(crate) fn requeue(
        &mut self,
        session: SessionId,
        id: &Id,
        delay_ms: u64,
        now: Now,
    ) -> Result<(), String> {
        let (max, redriving) = (self.max_attempts, self.redriving > 0);
        let row = self.held(session, id)?;
        row.come_back((now.at.0, 0), (now.at.0, u64::MAX));
        if max > 0 && row.attempts >= max {
            row.place = Place::DeadLetter;
            row.wild |= redriving;
        } else if delay_ms > 0 {
            let by = Some(Event { at: now.at, seq: now.seq });
            row.place = deferred(now, delay_ms, by);
        }
        Ok(())
    }

    pub(crate) fn touch(&mut self, session: SessionId, id: &Id, now: Now) {
        let Some(timeout) = self.consumers.get(&session).map(|consumer| consumer.timeout_us) else { return };
        if let Ok(row) = self.held(session, id)
            && let Place::InFlight { deadline, deadline_max, .. } = &mut row.place
        {
            *deadline = Instant(now.at.0 + timeout).min(*deadline_max);
        }
    }

    pub(crate) fn unsubscribe(&mut self, session: SessionId, now: Now) {
        self.consumers.remove(&session);
        self.settle_dead(now.at);
        let max = self.max_attempts;
        for row in self.rows.values_mut() {
            if matches!(row.place, Place::InFlight { session: owner, .. } if owner == session) {
                let from = row.line(now.at).map_or((now.at.0, 0), |(from, _)| from);
                row.come_back(from, (now.at.0, u64::MAX));
                if max > 0 && row.attempts >= max {
                    row.place = Place::DeadLetter;
                    row.wild |= self.redriving > 0;
                }
            }
        }
    }

    /// Records a delivery to a consumer. `known` says whether another message certainly exists.
    pub(crate) fn deliver(
        &mut self,
        session: SessionId,
        id: Id,
        attempts: u16,
        uid: Uid,
        now: Now,
        known: impl Fn(Uid) -> bool,
    ) -> Result<(), String> {
        let consumer =
            self.consumers.get(&session).ok_or("the session does not consume this channel")?.clone();
        let (ready, timeout) = (consumer.ready, consumer.timeout_us);
        let deadline = Instant(now.at.0 + timeout);
        let deadline_max = Instant(now.at.0 + consumer.timeout_us_max);
        self.settle_dead(now.at);
        if self.paused {
            return Err("the channel is paused".to_owned());
        }
        let held = self.held_for_sure(Some(session), now.at);
        if held >= ready as usize {
            return Err(format!("RDY is {ready}, and it has {held}"));
        }
        let row = self.rows.get(&uid).ok_or("the channel has no such message")?;
        check_place(row, attempts, now)?;
        self.check_order(uid, now, known)?;
        let row = self.rows.get_mut(&uid).ok_or("the channel has no such message")?;
        (row.attempts, row.recounted, row.fresh) = (attempts, false, false);
        row.place = Place::InFlight { session, deadline, deadline_max };
        self.ids.insert(id, uid);
        Ok(())
    }

    /// Number of messages certainly in flight to this consumer, or to any.
    pub(crate) fn held_for_sure(&self, by: Option<SessionId>, now: Instant) -> usize {
        let held = |row: &&Row| match row.place {
            Place::InFlight { session, deadline, .. } => {
                by.is_none_or(|by| by == session) && deadline > now && row.is_owed() && !row.wild
            }
            _ => false,
        };
        self.rows.values().filter(held).count()
    }

    /// Checks that no waiting message is ahead of the delivered one.
    fn check_order(&mut self, uid: Uid, now: Now, known: impl Fn(Uid) -> bool) -> Result<(), String> {
        let waits = |row: &Row| row.is_owed() && !row.wild && row.line(now.at).is_some();
        let again = self.rows.values().filter(|row| row.may_wait_again(now.at)).count();
        self.lined_up = again >= MANY || self.lined_up && again > 1;
        let row = &self.rows[&uid];
        let from = match row.place {
            Place::Deferred { due, .. } => (due.0, 0),
            Place::InFlight { deadline, .. } => (deadline.0, 0),
            Place::Waiting | Place::DeadLetter => row.from,
        };
        if row.wild {
            return Ok(());
        }
        let (fresh, lined_up) = (row.fresh, self.lined_up);
        let others = self.rows.iter().filter(|(_, other)| fresh || other.fresh || !lined_up);
        for (other, row) in others.filter(|(other, row)| **other != uid && waits(row)) {
            let (_, to) = row.line(now.at).unwrap_or_default();
            if to < from && known(*other) {
                return Err(format!("it stands at {from:?} and overtakes {other}, which stands at {to:?}"));
            }
        }
        Ok(())
    }

    /// Ends the life. `letters` says whether messages on their way to the dead-letter topic survive, here or
    /// there.
    pub(crate) fn crash(&mut self, life: &LifeEnd, durable: u64, letters: bool) {
        self.settle_dead(life.at);
        let max = self.max_attempts;
        for row in self.rows.values_mut().filter(|row| max > 0 && row.attempts >= max) {
            if matches!(row.place, Place::InFlight { deadline, .. } if deadline <= life.at) {
                // It may have become a dead letter at the last moment.
                row.place = Place::DeadLetter;
            }
        }
        self.consumers.clear();
        self.redriving = 0;
        self.ids.clear();
        self.rows.values_mut().for_each(|row| row.crash(life, durable));
        if !letters {
            self.rows.values_mut().filter(|row| row.place == Place::DeadLetter).for_each(Row::give_up);
        }
    }
}

/// Checks that a message may be delivered now, whatever its place in the line.
fn check_place(row: &Row, attempts: u16, now: Now) -> Result<(), String> {
    if row.wild {
        return Ok(());
    }
    if let Some(gone) = row.gone {
        return Err(format!("it was finished, or dropped, at {} µs", gone.at.0));
    }
    match row.place {
        Place::Deferred { due, .. } if now.at < due => {
            return Err(format!("it is due at {} µs", due.0));
        }
        Place::InFlight { session, deadline, .. } if now.at < deadline => {
            return Err(format!("session {session} has it until {} µs", deadline.0));
        }
        Place::DeadLetter => return Err("it was set aside".to_owned()),
        _ => {}
    }
    let expected = row.attempts + 1;
    if attempts == expected || row.recounted && (1..=expected).contains(&attempts) {
        return Ok(());
    }
    Err(format!("it is attempt {attempts}, and should be {expected}"))
}

/// Place of a message deferred now.
pub(crate) fn deferred(now: Now, delay_ms: u64, by: Option<Event>) -> Place {
    let due = Instant(now.at.0 + delay_ms * 1000);
    Place::Deferred { due, wall: now.wall + delay_ms as i64 * 1_000_000, by, vague: false }
}
