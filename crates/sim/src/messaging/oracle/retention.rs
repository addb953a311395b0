//! Limits of a topic: the age and amount of its messages, and retention for replay.
//!
//! A message that a limit may have dropped is no longer owed, and must not be delivered after its time to
//! live. Once the wall clock was stepped, ages prove nothing.

use net::Instant;
use queue::settings::TopicSettings;

use super::Oracle;
use super::channel::Channel;
use super::row::{Event, Place, Row};
use super::time::{Now, SLACK_US};
use super::topic::Topic;
use crate::messaging::body::Uid;

impl Oracle {
    /// Records the settings of a topic.
    pub(crate) fn set_settings(&mut self, topic: &str, settings: TopicSettings, at: Instant, wall: i64) {
        self.set_durability(topic, settings.durability);
        let now = self.now(at, wall);
        if let Some(topic) = self.topics.get_mut(topic) {
            topic.configure(settings, now);
        }
    }

    /// Records that publishing has ended and everything is being consumed.
    pub(crate) fn drain(&mut self) {
        self.topics.values_mut().for_each(|topic| topic.limits.draining = true);
    }
}

impl Topic {
    pub(crate) fn configure(&mut self, settings: TopicSettings, now: Now) {
        self.age(now.at);
        let old = &self.limits.settings;
        if (old.bytes_max, old.at_limit) != (settings.bytes_max, settings.at_limit) {
            self.limits.bytes_since = now.seq;
        }
        self.limits.retained_since = match settings.retention_seconds {
            0 => None,
            _ => self.limits.retained_since.or(Some(now.seq)),
        };
        self.limits.settings = settings;
        self.age(now.at);
    }

    /// Records a step of the wall clock, after which ages are unknown.
    pub(super) fn doubt_ages(&mut self) {
        self.limits.vague = true;
    }

    /// Ends the claim to messages that are or may be too old, or that a limit may have dropped.
    pub(crate) fn age(&mut self, now: Instant) {
        let ttl = self.limits.ttl_us();
        if ttl.is_none() && !self.limits.drops_oldest() {
            return;
        }
        let (vague, messages) = (self.limits.vague, &self.messages);
        // Imported messages are older than any run.
        let born =
            |uid: &Uid| messages.get(uid).filter(|m| !m.imported).map_or(0, |message| message.at.0 + 1);
        let young = |born: u64, ttl: u64| born > 0 && born + ttl > now.0 + SLACK_US;
        let lives = |uid: &Uid| ttl.is_some_and(|ttl| !vague && young(born(uid), ttl));
        let rows = self.channels.values_mut().flat_map(|channel| channel.rows.iter_mut());
        for (_, row) in rows.chain(self.waiting.iter_mut()).filter(|(uid, _)| !lives(uid)) {
            row.satisfied = true;
        }
    }

    /// Checks that a delivered message is not too old.
    pub(super) fn check_age(&self, uid: Uid, now: Instant) -> Result<(), String> {
        let (Some(ttl), false, Some(message)) =
            (self.limits.ttl_us(), self.limits.vague, self.messages.get(&uid))
        else {
            return Ok(());
        };
        let age = now.0.saturating_sub(message.at.0);
        if age > ttl + SLACK_US {
            Err(format!("it is {age} µs old, and was to live for {ttl}"))
        } else {
            Ok(())
        }
    }

    /// Checks that messages not yet taken by a channel are within the topic's byte limit.
    pub(crate) fn too_much(&self, channel: &Channel) -> Option<String> {
        let max = self.limits.settings.bytes_max;
        if !self.limits.rejects() {
            return None;
        }
        let rows = channel.rows.iter().filter(|(_, row)| is_left(row));
        let messages = rows.filter_map(|(uid, _)| self.messages.get(uid));
        let counted = messages.filter(|message| message.known && message.seq > self.limits.bytes_since);
        let bytes: u64 = counted.map(|message| message.bytes).sum();
        (bytes > max).then(|| format!("it holds {bytes} bytes, and may hold {max}"))
    }

    /// Records a delivery from the stream: during the drain, the first one is the oldest message left.
    pub(super) fn note_left(&mut self, channel: &str, uid: Uid) {
        if self.limits.draining
            && let Some(channel) = self.channels.get_mut(channel)
            && let Some(row) = channel.rows.get(&uid).filter(|row| is_left(row))
        {
            let born = row.born;
            channel.left_from = Some(channel.left_from.map_or(born, |left| left.min(born)));
        }
    }

    /// Lost messages that are younger than remaining ones, in a topic that drops the oldest.
    pub(super) fn dropped_in_the_middle(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (name, channel) in self.channels.iter().filter(|_| self.limits.drops_oldest()) {
            let Some(left) = channel.left_from else { continue };
            let gone = channel
                .rows
                .iter()
                .filter(|(uid, row)| is_left(row) && row.born > left && self.is_known(**uid));
            wrong.extend(gone.map(|(uid, _)| format!("/{name} {uid} (older ones were left)")));
        }
        wrong
    }

    /// Records a seek to the beginning: messages retained for replay are owed again.
    pub(super) fn replay(&mut self, channel: &str, now: Now) {
        let Some(since) = self.limits.retained_since else { return };
        let limits = &self.limits;
        if limits.vague || limits.drops_oldest() || limits.ttl_us().is_some() {
            return;
        }
        let kept_us = limits.settings.retention_seconds.saturating_mul(1_000_000);
        let Some(channel) = self.channels.get_mut(channel) else { return };
        for (uid, row) in &mut channel.rows {
            let Some(message) = self.messages.get(uid) else { continue };
            let young = now.at.0 + SLACK_US < message.at.0.saturating_add(kept_us);
            if message.known && !message.lost && message.seq > since && young {
                (row.gone, row.wild, row.satisfied) = (None, true, false);
                row.brought = Some(Event { at: Instant(0), seq: now.seq });
            }
        }
    }
}

/// True if the message is believed to be in the stream, not yet taken.
fn is_left(row: &Row) -> bool {
    row.fresh && row.place == Place::Waiting && row.gone.is_none() && !row.wild
}
