//! Comparison of a daemon's statistics with the oracle's state, at each start and at each request for
//! statistics.

use net::Instant;
use queue::queue::{ChannelStats, Snapshot, TopicStats};

use super::Oracle;
use super::channel::Channel;
use super::row::Event;
use super::topic::Topic;
use crate::messaging::names::{DEAD, is_ephemeral};
use crate::messaging::scenario::End;

impl Oracle {
    /// Begins a new life: topics known to exist must be shown, and those shown become known.
    pub(crate) fn adopt(&mut self, snapshot: &Snapshot, after: Option<End>, at: Instant, wall: i64) {
        let power = after == Some(End::Power);
        let stepped = self.stepped;
        let shown = snapshot.topics.as_deref().unwrap_or_default();
        let mut faults = Vec::new();
        if power {
            self.bring_back(shown);
        }
        if self.was_excused {
            self.expect_refused(shown);
        }
        let mut gone = Vec::new();
        for (name, topic) in &mut self.topics {
            match shown.iter().find(|stats| stats.name == *name) {
                Some(stats) => {
                    let uncertain = power || std::mem::take(&mut topic.shattered);
                    let wrong = topic.adopt(stats, uncertain);
                    faults.extend(wrong.into_iter().map(|why| format!("{name}{why}")));
                    topic.restart(at, wall, stepped);
                }
                None => {
                    // A power loss takes topics that were never flushed.
                    if topic.known && !(power && topic.durable == 0) {
                        faults.push(format!("topic {name} is gone"));
                    }
                    gone.push(name.clone());
                }
            }
        }
        for name in gone {
            if let Some(topic) = self.topics.remove(&name) {
                self.forget(name, topic);
            }
        }
        let unknown = shown.iter().filter(|stats| !self.topics.contains_key(&stats.name));
        for stats in unknown.filter(|stats| !stats.name.ends_with(DEAD)) {
            faults.push(format!("topic {} comes from nowhere", stats.name));
        }
        self.faults.append(&mut faults);
        self.check_counts(snapshot, at);
    }

    /// Excuses topics whose creation was refused when the failing disk also refused their removal.
    fn expect_refused(&mut self, shown: &[TopicStats]) {
        let lasting = |stats: &&TopicStats| !stats.name.ends_with(DEAD) && !is_ephemeral(&stats.name);
        for stats in shown.iter().filter(lasting) {
            if !self.topics.contains_key(&stats.name) {
                let topic = self.topic(&stats.name);
                topic.shattered = true;
                topic.deleted.extend(stats.channels.iter().map(|channel| channel.name.clone()));
            }
        }
    }

    /// Restores deleted topics that a power loss brought back.
    fn bring_back(&mut self, shown: &[TopicStats]) {
        for stats in shown {
            let Some(old) = self.deleted.get(&stats.name) else { continue };
            let (uids, channels) =
                (old.uids().collect::<Vec<_>>(), old.channels.keys().cloned().collect::<Vec<_>>());
            let deleted = old.deleted.clone();
            let topic = self.topic(&stats.name);
            topic.ghosts.extend(uids);
            topic.deleted.extend(channels);
            topic.deleted.extend(deleted);
        }
    }

    /// Checks that statistics match the oracle's counts.
    pub(crate) fn check_counts(&mut self, snapshot: &Snapshot, at: Instant) {
        self.check_ephemeral(snapshot);
        self.check_memory(snapshot);
        let seq = self.seq;
        for stats in snapshot.topics.as_deref().unwrap_or_default() {
            let Some(topic) = self.topics.get_mut(&stats.name) else { continue };
            topic.channels.values_mut().for_each(|channel| channel.settle_dead(at));
            topic.age(at);
            let (least, most) = topic.waiting();
            if topic.ghosts.is_empty() && !(least..=most).contains(&stats.depth) {
                let why = format!("depth of {} is {}, of {least} to {most}", stats.name, stats.depth);
                self.faults.push(why);
            }
            if let Some(why) = topic.check_held(stats.depth) {
                self.faults.push(format!("{}: {why}", stats.name));
            }
            for channel in &stats.channels {
                topic.forget_dropped(channel, Event { at, seq });
                let Some(known) = topic.channels.get(&channel.name) else { continue };
                if let Some(why) = check_channel(topic, known, channel, at) {
                    self.faults.push(format!("{}/{}: {why}", stats.name, channel.name));
                }
            }
        }
    }
}

fn check_channel(topic: &Topic, known: &Channel, stats: &ChannelStats, at: Instant) -> Option<String> {
    let (least, most) = topic.held_by(known, at);
    let total = stats.depth + stats.in_flight + stats.deferred;
    if !(least..=most).contains(&total) {
        let ChannelStats { depth, in_flight, deferred, .. } = stats;
        return Some(format!(
            "depth {depth}, in flight {in_flight}, deferred {deferred}, and there are {least} to {most} messages: {}",
            topic.idle(known).join(", ")
        ));
    }
    if let Some(why) = topic.too_much(known).or_else(|| topic.check_channel_held(known, stats)) {
        return Some(why);
    }
    let held = known.held_for_sure(None, at) as u64;
    (stats.in_flight < held).then(|| format!("in flight {}, and consumers have {held}", stats.in_flight))
}

impl Topic {
    fn adopt(&mut self, stats: &TopicStats, power: bool) -> Vec<String> {
        let mut faults = Vec::new();
        self.known = true;
        if self.paused != stats.paused {
            if !power {
                faults.push(format!(" was paused: {}, and is: {}", self.paused, stats.paused));
            }
            // Messages handed to channels since may wait in the topic again.
            self.ghosts.extend(self.messages.keys());
            if stats.paused {
                let rows = self.channels.values_mut().flat_map(|channel| channel.rows.values_mut());
                rows.filter(|row| row.gone.is_none()).for_each(|row| row.wild = true);
            }
            self.paused = stats.paused;
        }
        if power && !self.paused {
            self.resumed();
        }
        let durable = self.durable;
        let mut lost = Vec::new();
        self.channels.retain(|name, channel| {
            let there = stats.channels.iter().any(|stats| stats.name == *name);
            if !there && (!power || channel.made <= durable) {
                faults.push(format!("/{name} is gone"));
            }
            if !there {
                lost.extend(channel.rows.keys().copied());
            }
            there
        });
        // A channel that was deleted and created again may be the old one.
        if power && self.channels.iter().any(|(name, c)| c.made > durable && self.deleted.contains(name)) {
            self.ghosts.extend(self.messages.keys());
        }
        self.ghosts.extend(lost);
        for shown in &stats.channels {
            match self.channels.get_mut(&shown.name) {
                Some(channel) if channel.paused != shown.paused => {
                    if !power {
                        faults.push(format!("/{} is paused: {}", shown.name, shown.paused));
                    }
                    channel.paused = shown.paused;
                }
                Some(_) => {}
                None if power && self.deleted.contains(&shown.name) && !is_ephemeral(&shown.name) => {
                    self.ghosts.extend(self.uids().collect::<Vec<_>>());
                    self.channels.insert(shown.name.clone(), Channel::default());
                }
                None => faults.push(format!("/{} comes from nowhere", shown.name)),
            }
        }
        faults
    }
}
