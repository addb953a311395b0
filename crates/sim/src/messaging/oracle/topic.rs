//! A topic, as the oracle believes it to be.

use std::collections::{BTreeMap, BTreeSet};

use net::Instant;
use queue::settings::Durability;

use super::channel::deferred;
use super::row::{LifeEnd, Place};
use super::{Channel, Now, Row, SLACK_US};
use crate::messaging::body::Uid;
use crate::messaging::frames::Id;
use crate::messaging::scenario::End;
use crate::messaging::session::SessionId;

/// A message, wherever it is.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// The fact of its publication.
    seq: u64,
    /// It is there: it got its OK, or was delivered, and no crash may have taken it since.
    known: bool,
    /// It is on the device.
    durable: bool,
}

#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) durability: Durability,
    pub(crate) paused: bool,
    pub(crate) channels: BTreeMap<String, Channel>,
    messages: BTreeMap<Uid, Message>,
    /// Messages that no channel has yet.
    waiting: BTreeMap<Uid, Row>,
    /// Messages that may be delivered by a channel that is not known to have them.
    pub(crate) ghosts: BTreeSet<Uid>,
    /// It is known to be there.
    pub(crate) known: bool,
    /// Every fact up to this one is on the device.
    pub(crate) durable: u64,
}

impl Topic {
    /// A topic that may be there from now on.
    pub(crate) fn new(durability: Durability) -> Topic {
        Topic {
            durability,
            paused: false,
            channels: BTreeMap::new(),
            messages: BTreeMap::new(),
            waiting: BTreeMap::new(),
            ghosts: BTreeSet::new(),
            known: false,
            durable: 0,
        }
    }

    /// A message may be there from now on.
    pub(crate) fn publish(&mut self, uid: Uid, delay_ms: u64, now: Now) {
        self.messages.insert(uid, Message { seq: now.seq, known: false, durable: false });
        let place = if delay_ms > 0 { deferred(now, delay_ms, None) } else { Place::Waiting };
        let row = Row::new(place, (now.at.0, now.seq));
        if self.paused || self.channels.is_empty() {
            self.waiting.insert(uid, row);
        } else {
            for channel in self.channels.values_mut() {
                channel.rows.insert(uid, row.clone());
            }
        }
    }

    /// The message is there.
    pub(crate) fn accept(&mut self, uid: Uid) {
        self.known = true;
        let Some(message) = self.messages.get_mut(&uid) else { return };
        message.known = true;
        if self.durability == Durability::Fsync {
            message.durable = true;
            self.durable = self.durable.max(message.seq);
        }
    }

    /// The channel, which is made if it is not there.
    pub(crate) fn create_channel(&mut self, name: &str, now: Now) -> &mut Channel {
        self.known = true;
        if !self.channels.contains_key(name) {
            self.channels.insert(name.to_owned(), Channel::new(now.seq));
            self.pump(now);
        }
        self.channels.entry(name.to_owned()).or_default()
    }

    /// Gives the channels what waits in the topic.
    pub(crate) fn pump(&mut self, now: Now) {
        if self.paused || self.channels.is_empty() {
            return;
        }
        for (uid, mut row) in std::mem::take(&mut self.waiting) {
            let at = self.messages.get(&uid).map_or(0, |message| message.seq);
            let here = (now.at.0, at);
            match &mut row.place {
                Place::Waiting if row.fresh => (row.from, row.to, row.born) = (here, here, here),
                // What fell due while it waited here comes back now.
                Place::Deferred { due, .. } => *due = (*due).max(now.at),
                _ => row.come_back((now.at.0, 0), (now.at.0 + SLACK_US, u64::MAX)),
            }
            for channel in self.channels.values_mut() {
                channel.rows.insert(uid, row.clone());
            }
        }
    }

    /// A message was sent to a consumer of a channel.
    pub(crate) fn deliver(
        &mut self,
        channel: &str,
        session: SessionId,
        id: Id,
        attempts: u16,
        uid: Uid,
        now: Now,
    ) -> Result<(), String> {
        if let Some(message) = self.messages.get_mut(&uid) {
            (message.known, self.known) = (true, true);
        }
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

    /// A life has ended.
    pub(crate) fn crash(&mut self, life: &LifeEnd) {
        let durable = self.durable;
        for message in self.messages.values_mut() {
            message.durable |= message.seq <= durable;
            message.known &= life.how != End::Power || message.durable;
        }
        self.known &= life.how != End::Power || durable > 0;
        self.channels.values_mut().for_each(|channel| channel.crash(life, durable));
        self.waiting.values_mut().for_each(|row| row.crash(life, durable));
    }

    /// A new life begins.
    pub(crate) fn restart(&mut self, now: Instant, wall: i64) {
        let rows = self.channels.values_mut().flat_map(|channel| channel.rows.values_mut());
        rows.chain(self.waiting.values_mut()).for_each(|row| row.restart(now, wall));
    }

    pub(crate) fn is_known(&self, uid: Uid) -> bool {
        self.messages.get(&uid).is_some_and(|message| message.known)
    }

    /// How many messages wait in the topic itself: for sure, and at most.
    pub(crate) fn waiting(&self) -> (u64, u64) {
        let known = self.waiting.iter().filter(|(uid, row)| row.is_owed() && self.is_known(**uid)).count();
        (known as u64, self.waiting.len() as u64)
    }

    /// How many messages are in a channel: for sure, and at most.
    pub(crate) fn held_by(&self, channel: &Channel) -> (u64, u64) {
        let known = channel.rows.iter().filter(|(uid, row)| row.is_owed() && self.is_known(**uid));
        let known = known.filter(|(_, row)| !row.wild).count() as u64;
        let wild = channel.rows.values().any(|row| row.wild) || !self.ghosts.is_empty();
        let most = channel.rows.values().filter(|row| row.gone.is_none()).count() as u64;
        (known, if wild { u64::MAX } else { most })
    }

    /// What is still owed, as text that goes behind the topic's name.
    pub(crate) fn missing(&self) -> Vec<String> {
        let owed = |(uid, row): &(&Uid, &Row)| row.is_owed() && self.is_known(**uid);
        let mut missing: Vec<String> = Vec::new();
        for (name, channel) in &self.channels {
            let rows = channel.rows.iter().filter(owed);
            missing.extend(rows.map(|(uid, row)| format!("/{name} {uid} ({:?})", row.place)));
        }
        missing.extend(self.waiting.iter().filter(owed).map(|(uid, _)| format!(" {uid}")));
        missing
    }
}
