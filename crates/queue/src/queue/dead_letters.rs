//! Dead letters: messages delivered too often go to the channel's dead-letter topic.
//!
//! They are written there in batches, and the channel finishes a batch once it is safe there
//! ([`super::moves`]). A failed write is retried every second; an unreadable message is lost, counted and
//! logged. Letters of a topic on the engine go to a topic there, unless one of that name is local.

use bytes::Bytes;
use engine::Publication;
use journal::{Block, ReadError, ReadOutcome};
use serde::Serialize;

use super::conditions::Subject;
use super::forwarders::{id_at_engine, id_for};
use super::{Queue, Waiter};
use crate::channel::DeadLetter;
use crate::disk::{Job, Purpose};
use crate::error::QueueError;
use crate::message::{Message, Position};
use crate::registry::TopicKey;
use crate::topic::{ChannelKey, Outcome, StageError, at};

/// Most dead letters of a batch.
const PER_TURN: usize = 1000;

/// A dead letter's history; kept with it as JSON.
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
    // A name has at most 64 characters; long names of topic and channel are truncated.
    let room = wire::nsq::NAME_BYTES_MAX - ".".len() - ".dead".len();
    topic.truncate((room - channel.len().min(room)).max(room / 2));
    channel.truncate(room - topic.len());
    format!("{topic}.{channel}.dead")
}

/// The id of a letter on the engine, however often it is written: by it the engine recognizes a letter whose
/// message came back because its node died before it had finished it.
fn id_of_letter(id: u64, timestamp: i64, topic: &str, channel: &str) -> u64 {
    id_for(id_for(id_at_engine(id, timestamp.cast_unsigned()), topic), channel)
}

/// Readable part of a dead letter.
enum Remains {
    /// Its record.
    Record(Block),
    /// Nothing: the record was released or is damaged.
    Nothing,
    /// Unknown until it is read from a file.
    Later,
}

impl Queue {
    /// Writes a batch of a channel's dead letters to the dead-letter topic. See [`super::moves`].
    pub(super) fn set_aside(&mut self, key: TopicKey, channel_key: ChannelKey) {
        let Some(topic) = self.topics.get_mut(key) else { return };
        let Some(channel) = topic.channel(channel_key) else { return };
        if channel.notes.dead_letter_pending
            || channel.dead_letters.is_empty()
            || !channel.departing.is_empty()
        {
            return;
        }
        let name = match &topic.engine {
            Some(engine) => &engine.name,
            None if topic.settings.moving => {
                topic.name.strip_suffix(super::moving::SUFFIX).unwrap_or(&topic.name)
            }
            None => &topic.name,
        };
        let names = (name.to_owned(), channel.name.clone());
        let on_engine = topic.is_on_engine() || topic.settings.moving;
        let target = match channel.settings.dead_letter_topic.as_str() {
            "" => dead_letter_topic(&names.0, &names.1),
            name => name.to_owned(),
        };
        let target =
            self.open_letters(&target, on_engine).and_then(|target| match self.move_refused(target) {
                Some(why) => Err(why),
                None => Ok(target),
            });
        let written = target.and_then(|target| self.write_batch((key, channel_key), &names, target));
        if let Err(why) = written {
            self.refuse_letters((key, channel_key), &why.to_string());
        }
    }

    /// The topic of dead letters, created if necessary where the topic is that they come from.
    fn open_letters(&mut self, name: &str, on_engine: bool) -> Result<TopicKey, QueueError> {
        if on_engine && !wire::nsq::is_ephemeral(name) {
            self.open_engine_topic(name)
        } else {
            self.open_local_topic(name, None)
        }
    }

    /// Writes a batch of a channel's dead letters, if any are in memory.
    fn write_batch(
        &mut self,
        source: (TopicKey, ChannelKey),
        names: &(String, String),
        target: TopicKey,
    ) -> Result<(), QueueError> {
        let mut letters = Vec::new();
        let mut lost = 0;
        let mut refused = Ok(());
        while letters.len() + lost < PER_TURN {
            let Some((letter, remains)) = self.next_dead_letter(source) else { break };
            let staged = match &remains {
                Remains::Record(block) => self.stage_letter(target, names, letter, block),
                Remains::Nothing => Ok(false),
                Remains::Later => break,
            };
            let Some(channel) = self.channel_at(source) else { break };
            channel.dead_letters.pop_front();
            match staged {
                Ok(true) => letters.push(letter),
                Ok(false) => {
                    channel.lose_message(letter.message.at);
                    lost += 1;
                }
                Err(StageError::Journal(journal::AppendError::BatchFull { .. })) if !letters.is_empty() => {
                    channel.dead_letters.push_front(letter);
                    break;
                }
                Err(why) => {
                    // Retried after the others.
                    channel.dead_letters.push_back(letter);
                    refused = Err(why.into());
                    break;
                }
            }
        }
        if lost > 0 {
            let (topic, channel) = names;
            telemetry::error!(
                topic,
                channel,
                count = lost,
                "dead letters lost: their records cannot be read"
            );
            self.mark_dirty(source.0);
            self.schedule(source.0, source.1);
        }
        if letters.is_empty() {
            return refused;
        }
        let Some(channel) = self.channel_at(source) else { return refused };
        let batch = channel.depart(letters);
        let (topic, channel) = source;
        self.commit_move(topic, target, Waiter::Letters { topic, channel, batch });
        refused
    }

    /// The next dead letter and its readable part. `None` if there is none.
    fn next_dead_letter(&mut self, source: (TopicKey, ChannelKey)) -> Option<(DeadLetter, Remains)> {
        let (key, channel_key) = source;
        let (channel, journal) = self.topics.get_mut(key)?.channel_and_journal(channel_key)?;
        let letter = *channel.dead_letters.front()?;
        let fetched = channel.notes.fetched_dead.take().filter(|block| block.start().0 == letter.message.at);
        let outcome = match fetched {
            Some(block) => ReadOutcome::Block(block),
            None => journal.read_one(at(letter.message.at), 4096),
        };
        let remains = match outcome {
            ReadOutcome::Block(block) => Remains::Record(block),
            ReadOutcome::NeedsDisk(job) => {
                channel.notes.dead_letter_pending = true;
                self.submit(Job::Read(key, Purpose::DeadLetter(channel_key, letter.message.at), job));
                Remains::Later
            }
            ReadOutcome::AtEnd | ReadOutcome::Gone { .. } => Remains::Nothing,
        };
        Some((letter, remains))
    }

    /// Stages one dead letter. False if nothing of the message can be read.
    fn stage_letter(
        &mut self,
        target: TopicKey,
        (topic, channel): &(String, String),
        letter: DeadLetter,
        block: &Block,
    ) -> Result<bool, StageError> {
        let message = block.records().next().and_then(|record| Message::decode(record.payload));
        let Some(message) = message else { return Ok(false) };
        let origin = Origin {
            topic,
            channel,
            id: wire::nsq::MessageId(letter.message.id).to_string(),
            timestamp: message.timestamp,
            attempts: letter.message.attempts,
            reason: letter.reason,
            died: self.clock.wall.0,
        };
        let origin = serde_json::to_vec(&origin).unwrap_or_default();
        if self.topics.get(target).is_some_and(|target| target.is_on_engine()) {
            let id = id_of_letter(letter.message.id, message.timestamp, topic, channel);
            return self.stage_letter_for_engine(target, id, origin, message.body).map(|()| true);
        }
        let letter = Message { origin: &origin, ..Message::new(self.clock.wall.0, message.body) };
        // The topic was opened in this turn.
        let Some(target) = self.topics.get_mut(target) else { return Err(StageError::Full) };
        target.stage(&letter, None).map(|_| true)
    }

    fn stage_letter_for_engine(
        &mut self,
        target: TopicKey,
        id: u64,
        origin: Vec<u8>,
        body: &[u8],
    ) -> Result<(), StageError> {
        let (Some(link), Some(target)) = (&mut self.engine, self.topics.get_mut(target)) else {
            return Err(StageError::Full);
        };
        let max = link.body_bytes_max();
        if body.len() > max {
            return Err(StageError::TooLarge { size: body.len(), max });
        }
        // The history counts as part of the message, and is less important.
        let origin = if body.len() + origin.len() <= max { origin.into() } else { Bytes::new() };
        link.bytes += body.len();
        target.stage_for_engine(Publication { origin, ..Publication::new(id, Bytes::new()) }, body);
        Ok(())
    }

    /// Handles the outcome of a batch of dead letters.
    pub(super) fn letters_moved(&mut self, source: (TopicKey, ChannelKey), batch: u32, outcome: Outcome) {
        let Some(channel) = self.channel_at(source) else { return };
        match outcome {
            Outcome::Accepted => {
                channel.departed(batch);
                self.well(&Subject::DeadLetters(source.0, source.1));
                self.mark_dirty(source.0);
                self.schedule(source.0, source.1);
            }
            Outcome::Refused(why) => {
                channel.come_back(batch);
                self.refuse_letters(source, &why.to_string());
            }
        }
    }

    /// Puts dead letters off to the next tick, because they cannot be written now.
    fn refuse_letters(&mut self, source: (TopicKey, ChannelKey), why: &str) {
        let Some(channel) = self.channel_at(source) else { return };
        channel.notes.dead_letter_pending = true;
        self.dead_letter_retries.push(source);
        self.wrong(Subject::DeadLetters(source.0, source.1), &why);
    }

    /// Retries the channels whose dead letters were refused.
    pub(super) fn retry_dead_letters(&mut self) {
        for source in std::mem::take(&mut self.dead_letter_retries) {
            if let Some(channel) = self.channel_at(source) {
                channel.notes.dead_letter_pending = false;
            }
            self.schedule(source.0, source.1);
        }
    }

    /// Handles the read of a dead letter.
    pub(super) fn dead_arrived(
        &mut self,
        key: TopicKey,
        channel: ChannelKey,
        at: Position,
        block: Result<Block, ReadError>,
    ) {
        let source = (key, channel);
        match block {
            Ok(block) => {
                let Some(channel) = self.channel_at(source) else { return };
                channel.notes.dead_letter_pending = false;
                channel.notes.fetched_dead = (block.start().0 == at).then_some(block);
                self.schedule(source.0, source.1);
            }
            // Temporarily unreadable, or copied forward meanwhile.
            Err(error) => self.refuse_letters(source, &error.to_string()),
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
