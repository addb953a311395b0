//! Topics and channels that are deleted with their last user, `name#ephemeral`.
//!
//! A channel is deleted with its last consumer and a topic with its last channel, at the end of the turn; no
//! such topic is ever on the disk, and both are gone after a restart. While they exist their messages are
//! owed like others, except those that arrived when there was no room: these are dropped, and no publication
//! is refused.

use queue::queue::{ChannelStats, Snapshot, TopicStats};

use super::Oracle;
use super::channel::Channel;
use super::row::{Event, Place, Row};
use super::topic::Topic;
use crate::messaging::body::Uid;
use crate::messaging::names::is_ephemeral;

impl Oracle {
    /// Removes channels without a consumer, and topics without a channel.
    pub(crate) fn end_turn(&mut self) {
        for (topic, channel) in std::mem::take(&mut self.doomed) {
            let Some(known) = self.topics.get_mut(&topic) else { continue };
            if known.channels.get(&channel).is_some_and(|channel| channel.consumers.is_empty()) {
                known.channels.remove(&channel);
                self.report.deserted += 1;
                self.leave_topic(&topic);
            }
        }
    }

    /// Deletes a channel.
    pub(super) fn delete_channel(&mut self, topic: &str, channel: &str) {
        let Some(known) = self.topics.get_mut(topic) else { return };
        known.delete_channel(channel);
        self.leave_topic(topic);
    }

    /// Deletes an ephemeral topic that has lost its last channel.
    fn leave_topic(&mut self, name: &str) {
        if is_ephemeral(name) && self.topics.get(name).is_some_and(|topic| topic.channels.is_empty()) {
            self.topics.remove(name);
        }
    }

    /// Checks that ephemeral topics and channels exist exactly while they have a user.
    pub(super) fn check_ephemeral(&mut self, snapshot: &Snapshot) {
        let shown = snapshot.topics.as_deref().unwrap_or_default();
        let mut faults = Vec::new();
        for stats in shown {
            let known = self.topics.get(&stats.name);
            if known.is_none() && is_ephemeral(&stats.name) {
                faults.push(format!("topic {} is there, and its last channel is gone", stats.name));
            }
            let has = |name: &str| known.is_some_and(|topic| topic.channels.contains_key(name));
            let left = stats.channels.iter().filter(|c| is_ephemeral(&c.name) && !has(&c.name));
            faults.extend(left.map(|channel| {
                format!("{}/{} is there, and its last consumer is gone", stats.name, channel.name)
            }));
        }
        for (name, topic) in &self.topics {
            let stats = shown.iter().find(|stats| stats.name == *name);
            if topic.ephemeral && topic.known && stats.is_none() {
                faults.push(format!("ephemeral topic {name} is gone, and it has a channel, or none yet"));
            }
            let used =
                topic.channels.iter().filter(|(name, c)| is_ephemeral(name) && !c.consumers.is_empty());
            for (channel, _) in used.filter(|(name, _)| !shows(stats, name)) {
                faults.push(format!("{name}/{channel} is gone, and it has a consumer"));
            }
        }
        self.faults.append(&mut faults);
    }

    /// Messages still owed to ephemeral channels.
    pub(crate) fn missing_ephemeral(&self) -> Option<String> {
        self.topics.iter().find_map(|(name, topic)| {
            let channels = topic.channels.iter().filter(|(_, channel)| channel.limit.is_some());
            channels.into_iter().find_map(|(channel, known)| {
                let owed = |(uid, row): &(&Uid, &Row)| row.is_owed() && topic.is_known(**uid);
                let (uid, row) = known.rows.iter().find(owed)?;
                Some(format!("ephemeral {name}/{channel} owes message {uid} ({:?})", row.place))
            })
        })
    }
}

fn shows(stats: Option<&TopicStats>, channel: &str) -> bool {
    stats.is_some_and(|stats| stats.channels.iter().any(|stats| stats.name == channel))
}

impl Topic {
    /// Adds a message that waits in the topic; it is owed only if it certainly fits.
    pub(super) fn add_waiting(&mut self, uid: Uid, mut row: Row) {
        row.satisfied |= self.ephemeral && self.waiting.len() as u64 >= self.queue_limit;
        self.waiting.insert(uid, row);
    }

    /// Forgets dropped messages once a channel is empty: they never arrive, and free their room.
    pub(super) fn forget_dropped(&mut self, stats: &ChannelStats, now: Event) {
        let messages = &self.messages;
        let known = |uid: &Uid| messages.get(uid).is_some_and(|message| message.known);
        let Some(channel) = self.channels.get_mut(&stats.name).filter(|channel| channel.limit.is_some())
        else {
            return;
        };
        if stats.depth + stats.in_flight + stats.deferred > 0 {
            return;
        }
        let dropped = |row: &Row| row.satisfied && row.place == Place::Waiting && !row.wild;
        let rows =
            channel.rows.iter_mut().filter(|(uid, row)| row.gone.is_none() && dropped(row) && known(uid));
        for (_, row) in rows {
            row.gone = Some(now);
        }
    }

    /// Checks that an ephemeral topic does not exceed its limit.
    pub(super) fn check_held(&self, depth: u64) -> Option<String> {
        let deferred = self.waiting.values().filter(|row| !row.fresh).count() as u64;
        let most = self.queue_limit + deferred;
        (self.ephemeral && depth > most).then(|| format!("depth is {depth}, and it may hold {most}"))
    }

    /// Checks a channel's limit: messages that came back, were deferred or waited in the topic do not count,
    /// and a seek may bring back any number.
    pub(super) fn check_channel_held(&self, channel: &Channel, stats: &ChannelStats) -> Option<String> {
        let counted = |row: &Row| row.fresh && row.place == Place::Waiting && !row.handed_on;
        let again = channel.rows.values().filter(|row| !counted(row));
        let most = channel.limit? + again.filter(|row| row.gone.is_none()).count() as u64;
        let sure = self.ghosts.is_empty();
        (sure && stats.depth > most).then(|| format!("depth is {}, and it may hold {most}", stats.depth))
    }
}

impl Channel {
    /// Adds a message; it is owed only if it certainly fits.
    pub(super) fn add(&mut self, uid: Uid, mut row: Row) {
        if let Some(limit) = self.limit {
            row.satisfied |= self.rows.values().filter(|row| row.gone.is_none()).count() as u64 >= limit;
        }
        self.rows.insert(uid, row);
    }
}
