//! What a daemon shows is compared with what the oracle believes: at a start, and whenever somebody asks for statistics.

use net::Instant;
use queue::queue::{ChannelStats, Snapshot, TopicStats};

use super::{Channel, Oracle, Topic};
use crate::messaging::scenario::End;

impl Oracle {
    /// A new life begins: what was sure is there, and what is there becomes sure.
    pub(crate) fn adopt(&mut self, snapshot: &Snapshot, after: Option<End>, at: Instant, wall: i64) {
        let power = after == Some(End::Power);
        let shown = snapshot.topics.as_deref().unwrap_or_default();
        let mut faults = Vec::new();
        self.topics.retain(|name, topic| {
            let there = shown.iter().find(|stats| stats.name == *name);
            match there {
                Some(stats) => {
                    topic.adopt(stats, power).iter().for_each(|why| faults.push(format!("{name}{why}")))
                }
                None if topic.known => faults.push(format!("topic {name} is gone")),
                None => {}
            }
            topic.restart(at, wall);
            there.is_some()
        });
        for stats in shown.iter().filter(|stats| !self.topics.contains_key(&stats.name)) {
            faults.push(format!("topic {} comes from nowhere", stats.name));
        }
        self.faults.append(&mut faults);
        self.check_counts(snapshot, at);
    }

    /// Statistics agree with what is there.
    pub(crate) fn check_counts(&mut self, snapshot: &Snapshot, at: Instant) {
        for stats in snapshot.topics.as_deref().unwrap_or_default() {
            let Some(topic) = self.topics.get(&stats.name) else { continue };
            let (least, most) = topic.waiting();
            if topic.ghosts.is_empty() && !(least..=most).contains(&stats.depth) {
                let why = format!("depth of {} is {}, of {least} to {most}", stats.name, stats.depth);
                self.faults.push(why);
            }
            for channel in &stats.channels {
                let Some(known) = topic.channels.get(&channel.name) else { continue };
                if let Some(why) = check_channel(topic, known, channel, at) {
                    self.faults.push(format!("{}/{}: {why}", stats.name, channel.name));
                }
            }
        }
    }
}

fn check_channel(topic: &Topic, known: &Channel, stats: &ChannelStats, at: Instant) -> Option<String> {
    let (least, most) = topic.held_by(known);
    let total = stats.depth + stats.in_flight + stats.deferred;
    if !(least..=most).contains(&total) {
        let ChannelStats { depth, in_flight, deferred, .. } = stats;
        return Some(format!(
            "depth {depth}, in flight {in_flight}, deferred {deferred}, and there are {least} to {most} messages"
        ));
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
            self.paused = stats.paused;
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
                None => faults.push(format!("/{} comes from nowhere", shown.name)),
            }
        }
        faults
    }
}
