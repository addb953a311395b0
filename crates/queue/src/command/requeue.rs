//! REQ: delivers the message again, now or later.

use std::time::Duration;

use net::Io;
use wire::nsq::{MessageId, RawId, Refusal, Verb};

use super::Flow;
use crate::channel::Refused;
use crate::connection::Connection;
use crate::queue::Queue;

impl Queue {
    pub(super) fn requeue<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Connection,
        raw: RawId,
        delay_ms: u64,
    ) -> Flow {
        let clock = self.clock();
        let delay = Duration::from_millis(delay_ms);
        if delay_ms > 0 && self.deferred_full(client) {
            // The message stays in flight and is redelivered after its timeout.
            self.refuse(io, client, &Refusal::Failed(Verb::Req, "too many deferred messages"));
            return Flow::Next;
        }
        let requeued = match (self.holding(client, &raw), MessageId::from_hex(&raw)) {
            (Some(subscription), Some(id)) => match self.channel_of(subscription) {
                Some(channel) => {
                    channel.requeue(subscription.consumer, id.0, delay, clock).map(|()| subscription)
                }
                None => Err(Refused::NotInFlight),
            },
            _ => Err(Refused::NotInFlight),
        };
        match requeued {
            Ok(subscription) => {
                self.note_events(subscription);
                Flow::Next
            }
            Err(why) => self.not_done(io, client, Verb::Req, raw, why),
        }
    }

    /// True if the client's topic is at its limit of deferred messages.
    fn deferred_full(&mut self, client: &Connection) -> bool {
        let max = self.settings().max_deferred;
        let topic = client.subscription.and_then(|subscription| self.topic_mut(subscription.topic));
        topic.is_some_and(|topic| topic.deferred_count() >= max)
    }
}
