//! Messages that were delivered too often are set aside: they go to the channel's dead-letter topic.
//!
//! The dead letter is written to its topic first, and only then the channel is done with the message: a crash in between leaves
//! both, never neither.

use journal::{Block, ReadOutcome};
use serde::Serialize;

use super::Queue;
use crate::channel::Dying;
use crate::disk::{Job, Purpose};
use crate::message::Message;
use crate::registry::TopicKey;
use crate::topic::{ChannelKey, at};

/// Most dead letters that are written before others have their turn.
const PER_TURN: usize = 1000;

/// What a dead letter says of its past; kept with it as JSON.
#[derive(Debug, Serialize)]
struct Origin<'a> {
    topic: &'a str,
    channel: &'a str,
    id: String,
    timestamp: i64,
    attempts: u16,
    reason: &'a str,
    died: i64,
}

/// The topic that dead letters of a channel go to, unless it is configured otherwise.
pub(super) fn dead_letter_topic(topic: &str, channel: &str) -> String {
    let strip = |name: &str| name.strip_suffix("#ephemeral").unwrap_or(name).to_owned();
    let (mut topic, mut channel) = (strip(topic), strip(channel));
    // A name has 64 characters at most; of two long ones each keeps its front.
    let room = wire::nsq::NAME_BYTES_MAX - ".".len() - ".dead".len();
    topic.truncate((room - channel.len().min(room)).max(room / 2));
    channel.truncate(room - topic.len());
    format!("{topic}.{channel}.dead")
}

impl Queue {
    /// Sets aside what a channel has given up.
    pub(super) fn bury(&mut self, key: TopicKey, channel_key: ChannelKey) {
        let Some(topic) = self.topics.get_mut(key) else { return };
        let topic_name = topic.name.clone();
        let Some(channel) = topic.channel(channel_key) else { return };
        if channel.burying {
            return;
        }
        let channel_name = channel.name.clone();
        let target = match channel.settings.dead_letter_topic.as_str() {
            "" => dead_letter_topic(&topic_name, &channel_name),
            name => name.to_owned(),
        };
        let mut written = Vec::new();
        for _ in 0..PER_TURN {
            let Some((dying, block)) = self.next_dying(key, channel_key) else { break };
            match self.write_dead_letter(&target, &topic_name, &channel_name, dying, &block) {
                Ok(()) => written.push(dying),
                Err(why) => {
                    telemetry::error!(
                        topic = topic_name,
                        channel = channel_name,
                        error = why,
                        "dead letter refused"
                    );
                    self.keep_dying(key, channel_key, dying);
                    break;
                }
            }
        }
        if written.is_empty() {
            return;
        }
        let clock = self.clock;
        let committed = match self.topics.find(&target).and_then(|key| self.topics.get_mut(key)) {
            Some(target) => target.commit(clock),
            None => Err("dead-letter topic is gone".to_owned()),
        };
        if let Err(why) = committed {
            telemetry::error!(
                topic = topic_name,
                channel = channel_name,
                error = why,
                "dead letters refused"
            );
            written.into_iter().for_each(|dying| self.keep_dying(key, channel_key, dying));
            return;
        }
        if let Some(channel) = self.channel_at((key, channel_key)) {
            written.into_iter().for_each(|dying| channel.buried(dying.message.at));
        }
        if let Some(target) = self.topics.find(&target) {
            self.mark_dirty(target);
        }
        self.mark_dirty(key);
        self.schedule(key, channel_key);
    }

    /// The next message to be set aside, with its record. `None` if there is none, or it has to be read from a file first.
    fn next_dying(&mut self, key: TopicKey, channel_key: ChannelKey) -> Option<(Dying, Block)> {
        let (channel, journal) = self.topics.get_mut(key)?.channel_and_journal(channel_key)?;
        let dying = *channel.dying.front()?;
        let fetched = channel.fetched_dead.take().filter(|block| block.start().0 == dying.message.at);
        let outcome = match fetched {
            Some(block) => ReadOutcome::Block(block),
            None => journal.read_one(at(dying.message.at), 4096),
        };
        match outcome {
            ReadOutcome::Block(block) => {
                channel.dying.pop_front();
                Some((dying, block))
            }
            ReadOutcome::NeedsDisk(job) => {
                channel.burying = true;
                self.submit(Job::Read(key, Purpose::Bury(channel_key, dying.message.at), job));
                None
            }
            ReadOutcome::AtEnd | ReadOutcome::Gone { .. } => {
                channel.dying.pop_front();
                channel.lose_message(dying.message.at);
                None
            }
        }
    }

    fn write_dead_letter(
        &mut self,
        target: &str,
        topic: &str,
        channel: &str,
        dying: Dying,
        block: &Block,
    ) -> Result<(), String> {
        let message = block.records().next().and_then(|record| Message::decode(record.payload));
        let Some(message) = message else {
            // Nothing can be read of it: there is nothing to keep.
            return Ok(());
        };
        let origin = Origin {
            topic,
            channel,
            id: wire::nsq::MessageId(dying.message.id).to_string(),
            timestamp: message.timestamp,
            attempts: dying.message.attempts,
            reason: dying.reason,
            died: self.clock.wall.0,
        };
        let origin = serde_json::to_vec(&origin).unwrap_or_default();
        let wall = self.clock.wall.0;
        let target = self.open_topic(target)?;
        let target = self.topics.get_mut(target).ok_or("dead-letter topic is gone")?;
        let letter = Message { origin: &origin, ..Message::new(wall, message.body) };
        target.stage(&letter, None).map(|_| ()).map_err(|e| e.to_string())
    }

    fn keep_dying(&mut self, key: TopicKey, channel_key: ChannelKey, dying: Dying) {
        if let Some(channel) = self.channel_at((key, channel_key)) {
            channel.dying.push_back(dying);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dead_letter_topic_is_always_a_name() {
        let long = "a".repeat(64);
        for (topic, channel) in
            [("t", "c"), (&long, "c"), ("t", &long), (&long, &long), ("t#ephemeral", "c#ephemeral")]
        {
            let name = dead_letter_topic(topic, channel);
            assert!(wire::nsq::valid_name(name.as_bytes()).is_some(), "{name}");
            assert!(name.ends_with(".dead") && !name.contains('#'));
        }
        assert_eq!(dead_letter_topic("orders", "billing"), "orders.billing.dead");
    }
}
