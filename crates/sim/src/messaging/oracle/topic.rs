//! The oracle's state of a topic.

use std::collections::{BTreeMap, BTreeSet};

use net::Instant;
use queue::settings::Durability;
use queue::topic::SeekTo;

use super::channel::{Channel, deferred};
use super::limits::Limits;
use super::row::{LifeEnd, Place, Row};
use super::time::{Now, SLACK_US};
use crate::messaging::body::Uid;
use crate::messaging::frames::Id;
use crate::messaging::names::is_ephemeral;
use crate::messaging::scenario::End;
use crate::messaging::session::SessionId;

/// A published message.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// Fact and time of its publication.
    pub(super) seq: u64,
    pub(super) at: Instant,
    /// Length of its body.
    pub(super) bytes: u64,
    /// True if it was imported from an nsqd.
    pub(super) imported: bool,
    /// True if it certainly exists: it got its OK or was delivered, and no crash may have lost it since.
    pub(super) known: bool,
    /// True if it is on the device.
    durable: bool,
    /// True if its record was damaged.
    pub(super) lost: bool,
}

#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) durability: Durability,
    /// True if it is deleted with its last channel.
    pub(super) ephemeral: bool,
    /// Most messages that it, or any ephemeral channel of it, holds if ephemeral.
    pub(super) queue_limit: u64,
    pub(crate) paused: bool,
    pub(crate) channels: BTreeMap<String, Channel>,
    pub(super) messages: BTreeMap<Uid, Message>,
    /// Messages that no channel has yet.
    pub(super) waiting: BTreeMap<Uid, Row>,
    /// Messages that a channel may deliver although it is not known to have them.
    pub(crate) ghosts: BTreeSet<Uid>,
    /// Deleted channels: a power loss may bring them back.
    pub(crate) deleted: BTreeSet<String>,
    /// Messages dropped from the topic itself, each with the fact that dropped it.
    emptied: Vec<(u64, Uid)>,
    /// True if it certainly exists.
    pub(crate) known: bool,
    /// Last fact of those known to be on the device.
    pub(crate) durable: u64,
    /// True if its checkpoint was damaged since the last start.
    pub(crate) shattered: bool,
    pub(crate) limits: Limits,
}

impl Topic {
    /// A topic that may exist from now on.
    pub(crate) fn new(
        durability: Durability,
        ghosts: BTreeSet<Uid>,
        ephemeral: bool,
        queue_limit: u64,
    ) -> Topic {
        Topic {
            durability,
            ephemeral,
            queue_limit,
            paused: false,
            channels: BTreeMap::new(),
            messages: BTreeMap::new(),
            waiting: BTreeMap::new(),
            ghosts,
            deleted: BTreeSet::new(),
            emptied: Vec::new(),
            known: false,
            durable: 0,
            shattered: false,
            limits: Limits::default(),
        }
    }

    /// Records a publication: the message may exist.
    pub(crate) fn publish(&mut self, uid: Uid, bytes: u64, delay_ms: u64, now: Now) {
        let Now { at, seq, .. } = now;
        self.messages.insert(
            uid,
            Message { seq, at, bytes, imported: false, known: false, durable: false, lost: false },
        );
        let place = if delay_ms > 0 { deferred(now, delay_ms, None) } else { Place::Waiting };
        let row = Row::new(place, (now.at.0, now.seq));
        if self.paused || self.channels.is_empty() {
            self.add_waiting(uid, row);
        } else {
            for channel in self.channels.values_mut() {
                channel.add(uid, row.clone());
            }
        }
    }

    /// Records the OK of the message.
    pub(crate) fn accept(&mut self, uid: Uid) {
        self.known = true;
        let Some(message) = self.messages.get_mut(&uid) else { return };
        message.known = true;
        if self.durability == Durability::Fsync {
            message.durable = true;
            self.durable = self.durable.max(message.seq);
        }
    }

    /// Returns the channel, and creates it if missing.
    pub(crate) fn create_channel(&mut self, name: &str, now: Now) -> &mut Channel {
        self.known = true;
        if !self.channels.contains_key(name) {
            let limit = (self.ephemeral || is_ephemeral(name)).then_some(self.queue_limit);
            self.channels.insert(name.to_owned(), Channel::new(now.seq, limit));
            self.pump(now);
        }
        self.channels.entry(name.to_owned()).or_default()
    }

    /// Moves the topic's waiting messages to its channels.
    pub(crate) fn pump(&mut self, now: Now) {
        if self.paused || self.channels.is_empty() {
            return;
        }
        for (uid, mut row) in std::mem::take(&mut self.waiting) {
            let at = self.messages.get(&uid).map_or(0, |message| message.seq);
            let here = (now.at.0, at);
            match &mut row.place {
                Place::Waiting if row.fresh => (row.from, row.to, row.born) = (here, here, here),
                // Messages that became due while they waited here come back now.
                Place::Deferred { due, .. } => *due = (*due).max(now.at),
                _ => row.come_back((now.at.0, 0), (now.at.0 + SLACK_US, u64::MAX)),
            }
            row.handed_on = true;
            for channel in self.channels.values_mut() {
                channel.rows.insert(uid, row.clone());
            }
        }
    }

    /// Handles a pause undone by a power loss: messages that waited here are in the channels.
    pub(super) fn resumed(&mut self) {
        if self.channels.is_empty() {
            return;
        }
        for (uid, row) in std::mem::take(&mut self.waiting) {
            for channel in self.channels.values_mut() {
                channel.rows.entry(uid).or_insert_with(|| row.clone());
            }
        }
    }

    /// Records a delivery to a consumer of a channel.
    pub(crate) fn deliver(
        &mut self,
        channel: &str,
        session: SessionId,
        id: Id,
        attempts: u16,
        uid: Uid,
        now: Now,
    ) -> Result<(), String> {
        self.known = true;
        // A dead letter's delivery says nothing about the topic's own record.
        let wild = self.channels.get(channel).and_then(|c| c.rows.get(&uid)).is_none_or(|row| row.wild);
        if let Some(message) = self.messages.get_mut(&uid).filter(|_| !wild) {
            message.known = true;
        }
        self.age(now.at);
        self.check_age(uid, now.at)?;
        self.note_left(channel, uid);
        let (messages, ghosts) = (&self.messages, &self.ghosts);
        let channel = self.channels.get_mut(channel).ok_or("there is no such channel")?;
        if !channel.rows.contains_key(&uid) && ghosts.contains(&uid) {
            let mut row = Row::new(Place::Waiting, (0, 0));
            row.give_up();
            channel.rows.insert(uid, row);
        }
        let known = |uid: Uid| messages.get(&uid).is_some_and(|message| message.known);
        channel.deliver(session, id, attempts, uid, now, known)
    }

    /// Drops the messages that wait in the topic itself.
    pub(crate) fn empty(&mut self, now: Now) {
        self.emptied.extend(std::mem::take(&mut self.waiting).into_keys().map(|uid| (now.seq, uid)));
        // A pause restored by a power loss may have put them back into the topic.
        if self.paused {
            let rows = self.channels.values_mut().flat_map(|channel| channel.rows.values_mut());
            rows.filter(|row| row.wild).for_each(Row::give_up);
        }
    }

    /// Deletes a channel.
    pub(crate) fn delete_channel(&mut self, name: &str) {
        if let Some(channel) = self.channels.remove(name) {
            self.ghosts.extend(channel.letters());
            self.deleted.insert(name.to_owned());
        }
    }

    /// Moves a channel back to retained messages, or past everything.
    pub(crate) fn seek(&mut self, name: &str, to: SeekTo, now: Now) {
        let Some(channel) = self.channels.get_mut(name) else { return };
        if to == SeekTo::End {
            return channel.empty(now);
        }
        channel.seek();
        if matches!(to, SeekTo::Time(_)) {
            channel.rows.values_mut().for_each(Row::give_up);
        }
        self.ghosts.extend(self.messages.keys());
        if to == SeekTo::Beginning {
            self.replay(name, now);
        }
    }

    /// Returns the channel, which must exist.
    pub(crate) fn channel(&mut self, name: &str) -> &mut Channel {
        self.channels.entry(name.to_owned()).or_default()
    }

    pub(crate) fn is_ghost(&self, uid: Uid) -> bool {
        self.ghosts.contains(&uid)
    }

    /// All messages ever published.
    pub(crate) fn uids(&self) -> impl Iterator<Item = Uid> {
        self.messages.keys().copied()
    }

    /// Records damage to a message's record or its dead letter: the message is no longer owed.
    pub(crate) fn lose(&mut self, uid: Uid) {
        if let Some(message) = self.messages.get_mut(&uid) {
            (message.known, message.durable, message.lost) = (false, false, true);
        }
        let rows = self.channels.values_mut().map(|channel| &mut channel.rows).chain([&mut self.waiting]);
        rows.filter_map(|rows| rows.get_mut(&uid)).for_each(Row::give_up);
    }

    /// Records damage to its checkpoint.
    pub(crate) fn shatter(&mut self) {
        (self.shattered, self.durable) = (true, 0);
        for message in self.messages.values_mut() {
            (message.known, message.durable, message.lost) = (false, false, true);
        }
        let rows = self.channels.values_mut().flat_map(|channel| channel.rows.values_mut());
        rows.chain(self.waiting.values_mut()).for_each(Row::give_up);
        self.ghosts.extend(self.messages.keys());
    }

    /// Adds a message that existed before the first life.
    pub(crate) fn import(&mut self, uid: Uid, channel: Option<&str>, now: Now) {
        self.known = true;
        let Now { at, seq, .. } = now;
        self.messages.insert(
            uid,
            Message { seq, at, bytes: 0, imported: true, known: true, durable: true, lost: false },
        );
        let mut row = Row::new(Place::Waiting, (0, 0));
        (row.to, row.fresh, row.attempts) = ((u64::MAX, 0), false, 1);
        match channel {
            Some(channel) => {
                let channel = self.channels.entry(channel.to_owned()).or_default();
                channel.rows.insert(uid, row);
            }
            None if self.channels.is_empty() => {
                self.waiting.insert(uid, row);
            }
            None => {
                let channels = self.channels.values_mut();
                channels.for_each(|channel| channel.rows.extend([(uid, row.clone())]));
            }
        }
    }

    /// Ends a life.
    pub(crate) fn crash(&mut self, life: &LifeEnd) {
        let durable = self.durable;
        let ephemeral = self.channels.extract_if(.., |name, _| is_ephemeral(name));
        let forgotten = ephemeral.filter(|(_, channel)| channel.made > durable).count() > 0;
        if life.how == End::Power {
            if forgotten {
                // Messages they had taken are in the topic again.
                self.ghosts.extend(self.messages.keys());
            }
            let back = self.emptied.iter().filter(|(seq, _)| *seq > durable).map(|(_, uid)| *uid);
            self.ghosts.extend(back);
        }
        for message in self.messages.values_mut() {
            message.durable |= message.seq <= durable && !message.lost;
            message.known &= life.how != End::Power || message.durable;
        }
        // Below `fsync`, a power loss may keep the event that makes a dead letter, and lose the letter.
        let letters = life.how != End::Power || self.durability == Durability::Fsync;
        self.channels.values_mut().for_each(|channel| channel.crash(life, durable, letters));
        self.waiting.values_mut().for_each(|row| row.crash(life, durable));
    }

    /// Records a step of the wall clock.
    pub(crate) fn step(&mut self, nanos: i64) {
        self.doubt_ages();
        let rows = self.channels.values_mut().flat_map(|channel| channel.rows.values_mut());
        rows.chain(self.waiting.values_mut()).for_each(|row| row.step(nanos));
    }

    /// Begins a new life.
    pub(crate) fn restart(&mut self, now: Instant, wall: i64, stepped: bool) {
        let rows = self.channels.values_mut().flat_map(|channel| channel.rows.values_mut());
        rows.chain(self.waiting.values_mut()).for_each(|row| row.restart(now, wall, stepped));
    }

    pub(crate) fn is_known(&self, uid: Uid) -> bool {
        self.messages.get(&uid).is_some_and(|message| message.known)
    }

    /// Least and greatest number of messages that wait in the topic itself.
    pub(crate) fn waiting(&self) -> (u64, u64) {
        let known = self.waiting.iter().filter(|(uid, row)| row.is_owed() && self.is_known(**uid)).count();
        (known as u64, self.waiting.len() as u64)
    }

    /// Least and greatest number of messages in a channel.
    pub(crate) fn held_by(&self, channel: &Channel, now: Instant) -> (u64, u64) {
        let known = channel.rows.iter().filter(|(uid, row)| row.is_owed() && self.is_known(**uid));
        let known = known.filter(|(_, row)| !row.wild && !channel.may_have_died(row, now)).count() as u64;
        let wild = channel.rows.values().any(|row| row.wild) || !self.ghosts.is_empty();
        let most = channel.rows.values().filter(|row| row.gone.is_none()).count() as u64;
        (known, if wild { u64::MAX } else { most })
    }

    /// Messages that are owed to a channel and not in flight, as a hint for debugging.
    pub(crate) fn idle(&self, channel: &Channel) -> Vec<String> {
        let idle =
            channel.rows.iter().filter(|(uid, row)| row.is_owed() && !row.wild && self.is_known(**uid));
        let idle = idle.filter(|(_, row)| !matches!(row.place, Place::InFlight { .. }));
        idle.take(5).map(|(uid, row)| format!("{uid} {row:?}")).collect()
    }

    /// Messages still owed, as text to follow the topic's name.
    pub(crate) fn missing(&self) -> Vec<String> {
        let owed = |(uid, row): &(&Uid, &Row)| row.is_owed() && self.is_known(**uid);
        let mut missing = self.dropped_in_the_middle();
        for (name, channel) in &self.channels {
            let rows = channel.rows.iter().filter(owed);
            missing.extend(rows.map(|(uid, row)| format!("/{name} {uid} ({:?})", row.place)));
        }
        missing.extend(self.waiting.iter().filter(owed).map(|(uid, _)| format!(" {uid}")));
        missing
    }
}
