//! PUB, MPUB, DPUB: messages come in.
//!
//! ```text
//! rights ▸ topic (created if need be) ▸ room ▸ stage … turn_end ▸ commit ▸ OK
//! ```
//! The body goes from the connection's input straight into the journal's batch. Pipelined publications of one
//! turn share one entry in the client's line of owed answers.

use std::time::Duration;

use net::Io;
use wire::nsq::{Refusal, Verb};

use super::Flow;
use super::auth::Rights;
use crate::authority::Access;
use crate::connection::{Connection, Owed};
use crate::error::QueueError;
use crate::message::Message;
use crate::options::Authority;
use crate::queue::{Queue, Waiter};
use crate::registry::TopicKey;

/// Bytes in a topic's batch after which it is written within the turn.
const BATCH_BYTES: usize = 4 << 20;

impl Queue {
    pub(super) fn publish_one<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Connection,
        verb: Verb,
        topic: &str,
        body: &[u8],
        delay_ms: u64,
    ) -> Flow {
        match self.check_publication(io, client, verb, topic) {
            Rights::Granted => {}
            Rights::Wait => return Flow::Again,
            Rights::Refused(refusal) => return self.fail(io, client, &refusal),
        }
        let staged = self
            .open_last_topic(client, topic)
            .and_then(|key| self.stage(key, std::iter::once(body), 1, body.len(), delay_ms).map(|()| key));
        self.publication_staged(io, client, verb, 1, staged)
    }

    pub(super) fn publish_batch<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Connection,
        topic: &str,
        messages: wire::nsq::Messages<'_>,
    ) -> Flow {
        let (count, bytes) = (messages.len(), messages.body_bytes());
        client.last_topic.set(topic);
        let staged = self
            .open_last_topic(client, topic)
            .and_then(|key| self.stage(key, messages, count, bytes, 0).map(|()| key));
        self.publication_staged(io, client, Verb::Mpub, count as u64, staged)
    }

    /// Makes the checks that precede the sizes of an MPUB, as nsqd does.
    pub(crate) fn begin_mpub<I: Io>(&mut self, io: &mut I, client: &mut Connection, topic: &str) -> Flow {
        client.batch_topic = None;
        match self.check_publication(io, client, Verb::Mpub, topic) {
            Rights::Granted => {}
            Rights::Wait => {
                client.batch_topic = Some(topic.to_owned());
                return Flow::Again;
            }
            Rights::Refused(refusal) => return self.fail(io, client, &refusal),
        }
        match self.open_last_topic(client, topic) {
            Ok(_) => Flow::Next,
            Err(why) => self.fail(io, client, &Refusal::Failed(Verb::Mpub, &why.to_string())),
        }
    }

    /// Makes this topic the client's last one, and checks the right to publish to it.
    #[inline]
    fn check_publication<'a, I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Connection,
        verb: Verb,
        topic: &'a str,
    ) -> Rights<'a> {
        client.last_topic.set(topic);
        if client.last_topic.is_granted && self.authority() == Authority::Users {
            return Rights::Granted;
        }
        self.check_rights(io, client, verb, Access::Publish, topic, "")
    }

    /// The client's last topic, which has this name, created if necessary.
    #[inline]
    fn open_last_topic(&mut self, client: &mut Connection, topic: &str) -> Result<TopicKey, QueueError> {
        match client.last_topic.key.filter(|key| self.has_topic(*key)) {
            Some(key) => Ok(key),
            None => {
                let key = self.open_topic(topic).and_then(|key| self.accepting(key))?;
                client.last_topic.key = Some(key);
                Ok(key)
            }
        }
    }

    /// Puts messages into a topic's batch, all or none. A batch is one write, and is refused as a whole.
    pub(crate) fn stage<'a>(
        &mut self,
        key: TopicKey,
        bodies: impl Iterator<Item = &'a [u8]>,
        count: usize,
        bytes: usize,
        delay_ms: u64,
    ) -> Result<(), QueueError> {
        let (clock, room) = (self.clock(), self.room());
        let max_deferred = self.settings().max_deferred;
        let disk_full = self.out_of_space().is_some();
        let largest = self.forwardable_bytes(key);
        let topic = self.topic_mut(key).ok_or(QueueError::Exiting)?;
        room.take_messages(topic, count, bytes, delay_ms > 0)?;
        if disk_full && !topic.in_memory() {
            return Err(self.disk_full());
        }
        if topic.is_on_engine() {
            let due =
                if delay_ms > 0 { clock.to_wall(clock.now + Duration::from_millis(delay_ms)) } else { 0 };
            return self.stage_for_engine(key, bodies, bytes, due);
        }
        topic.admit(count as u64, bytes as u64)?;
        let due = (delay_ms > 0).then(|| clock.now + Duration::from_millis(delay_ms));
        if due.is_some() && topic.deferred_count() + count as u64 > max_deferred {
            return Err(QueueError::TooManyDeferred { max: max_deferred });
        }
        if topic.journal.staged_bytes() > BATCH_BYTES {
            // An error is answered to the clients that published before.
            let _ = topic.commit(clock);
        }
        let wall_due = due.map_or(0, |due| clock.to_wall(due));
        let mark = topic.mark();
        for body in bodies {
            if let Some(max) = largest.filter(|max| body.len() > *max) {
                topic.unstage(mark);
                return Err(QueueError::TooLargeForEngine { size: body.len(), max });
            }
            let message = Message { due: wall_due, ..Message::new(clock.wall.0, body) };
            if let Err(e) = topic.stage(&message, due) {
                topic.unstage(mark);
                return Err(e.into());
            }
        }
        self.mark_dirty(key);
        Ok(())
    }

    fn publication_staged<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Connection,
        verb: Verb,
        count: u64,
        staged: Result<TopicKey, QueueError>,
    ) -> Flow {
        let key = match staged {
            Ok(key) => key,
            Err(why) => return self.fail(io, client, &Refusal::Failed(verb, &why.to_string())),
        };
        client.count_published(count);
        let conn = client.id;
        let Some(target) = self.topic_mut(key) else { return Flow::Next };
        if let Some(Waiter::Client { conn: last, number }) = target.last_waiter()
            && *last == conn
            && client.owed.extend_last(*number, verb)
        {
            return Flow::Next;
        }
        let number = client.owed.push(Owed::Publication { verb, count: 1, outcome: None });
        target.wait(Waiter::Client { conn, number });
        Flow::Next
    }
}
