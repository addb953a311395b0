//! Dead letters are brought back to the channel that gave them up.
//!
//! The dead-letter topic is read through a channel of its own, named [`CHANNEL`], like any consumer would: what was brought back is
//! finished there, and a crash in between brings a message back twice rather than never. All letters in that topic are
//! moved: channels that share a dead-letter topic by configuration share this, too.

use journal::Block;
use net::ConnId;
use wire::nsq::MessageId;
use wire::nsq::frame::MESSAGE_HEADER_BYTES;

use super::{Queue, TopicKey};
use crate::ask::{Answer, Reply};
use crate::consumers::{ConsumerKey, Terms};
use crate::delivery::{Sink, deliver};
use crate::disk::{Job, Purpose};
use crate::message::Message;
use crate::topic::ChannelKey;

/// The channel that dead letters are read through.
pub const CHANNEL: &str = "redrive";
/// Most dead letters that one order brings back.
const COUNT_MAX: usize = 100_000;
/// How many are moved with one write.
const BATCH: usize = 256;
/// No client has this id.
const NOBODY: ConnId = ConnId { index: u32::MAX, generation: u32::MAX };

/// An order under way.
#[derive(Debug)]
pub(super) struct Redrive {
    letters: (TopicKey, ChannelKey),
    consumer: ConsumerKey,
    target: (TopicKey, ChannelKey),
    left: usize,
    moved: u64,
    reply: Reply,
}

#[derive(Default)]
struct Taken(Vec<(u64, i64, Vec<u8>)>);

impl Sink for Taken {
    fn deliver(&mut self, _conn: ConnId, head: &[u8; MESSAGE_HEADER_BYTES], body: &[u8]) -> bool {
        let timestamp = head[8..16].try_into().map_or(0, i64::from_be_bytes);
        let id = head[18..].try_into().ok().and_then(|hex| MessageId::from_hex(&hex));
        self.0.push((id.map_or(0, |id| id.0), timestamp, body.to_vec()));
        true
    }
}

impl Queue {
    pub(super) fn ask_redrive(&mut self, topic: &str, channel: &str, count: usize, reply: Reply) {
        match self.plan_redrive(topic, channel) {
            Err(answer) => reply.send(answer),
            Ok(None) => reply.send(Answer::Count(0)),
            Ok(Some((letters, target))) => {
                let terms = Terms {
                    conn: NOBODY,
                    timeout: std::time::Duration::from_secs(3600),
                    timeout_max: std::time::Duration::from_secs(3600),
                    sample_rate: 0,
                    nearness: crate::consumers::Nearness::Elsewhere,
                };
                let Some(source) = self.channel_at(letters) else { return reply.send(Answer::Count(0)) };
                let consumer = source.subscribe(terms);
                let redrive =
                    Redrive { letters, consumer, target, left: count.min(COUNT_MAX), moved: 0, reply };
                self.redrive(redrive);
            }
        }
    }

    /// The dead-letter topic with its channel, and the channel that gets the messages back; `None` if nothing has died.
    #[allow(clippy::type_complexity)]
    fn plan_redrive(
        &mut self,
        topic: &str,
        channel: &str,
    ) -> Result<Option<((TopicKey, ChannelKey), (TopicKey, ChannelKey))>, Answer> {
        let key = self.topics.find(topic).ok_or(Answer::NoTopic)?;
        let found = self.topics.get(key).and_then(|topic| topic.find(channel)).ok_or(Answer::NoChannel)?;
        let letters = self.dead_letter_topic_of(topic, channel).ok_or(Answer::NoChannel)?;
        if self.topics.find(&letters).is_none() {
            return Ok(None);
        }
        // Whoever reads dead letters through a channel of their own has not taken them away from here.
        let letters = self.open_channel_from(&letters, CHANNEL, true).map_err(Answer::Refused)?;
        Ok(Some((letters, (key, found))))
    }

    /// Moves dead letters until enough are moved, none is left, or one has to be read from a file first.
    fn redrive(&mut self, mut order: Redrive) {
        let clock = self.clock;
        while order.left > 0 {
            let mut taken = Taken::default();
            let Some(topic) = self.topics.get_mut(order.letters.0) else { break };
            let Some(channel) = topic.channel_mut(order.letters.1) else { break };
            channel.set_ready(order.consumer, order.left.min(BATCH) as u32);
            let job = deliver(topic, order.letters.1, clock, &mut taken);
            if let Some(channel) = topic.channel_mut(order.letters.1) {
                channel.set_ready(order.consumer, 0);
                // Nobody else is to take what this order waits for.
                channel.reading |= job.is_some();
            }
            if taken.0.is_empty() && job.is_none() {
                break;
            }
            if let Err(why) = self.bring_back(&mut order, taken.0) {
                self.end_redrive(order, Some(why));
                return;
            }
            if let Some(job) = job {
                let number = self.next_ask;
                self.next_ask += 1;
                self.submit(Job::Read(order.letters.0, Purpose::Redrive(number), job));
                self.redrives.insert(number, order);
                return;
            }
        }
        self.end_redrive(order, None);
    }

    /// A block of dead letters was read.
    pub(super) fn redrive_arrived(&mut self, number: u64, block: Option<Block>) {
        let Some(order) = self.redrives.remove(&number) else { return };
        let readable = block.is_some();
        if let Some(channel) = self.channel_at(order.letters) {
            channel.reading = false;
            channel.fetched = block;
        }
        if readable {
            self.redrive(order);
        } else {
            self.end_redrive(order, Some("dead letters cannot be read".to_owned()));
        }
    }

    fn bring_back(&mut self, order: &mut Redrive, taken: Vec<(u64, i64, Vec<u8>)>) -> Result<(), String> {
        let clock = self.clock;
        let (key, channel) = order.target;
        let target = self.topics.get_mut(key).ok_or("the topic is gone")?;
        let messages: Vec<Message<'_>> =
            taken.iter().map(|(_, timestamp, body)| Message::new(*timestamp, body)).collect();
        target.add_private(channel, &messages, clock).map_err(|e| e.to_string())?;
        order.left -= messages.len().min(order.left);
        order.moved += messages.len() as u64;
        if let Some(source) = self.channel_at(order.letters) {
            for (id, ..) in &taken {
                // It is in flight to this order, which nobody can take it from.
                let _ = source.finish(order.consumer, *id);
            }
        }
        self.mark_dirty(order.letters.0);
        self.mark_dirty(key);
        self.schedule(key, channel);
        Ok(())
    }

    fn end_redrive(&mut self, order: Redrive, why: Option<String>) {
        let clock = self.clock;
        if let Some(source) = self.channel_at(order.letters) {
            source.unsubscribe(order.consumer, clock);
        }
        self.mark_dirty(order.letters.0);
        order.reply.send(why.map_or(Answer::Count(order.moved), Answer::Refused));
    }
}
