//! REQ: the message shall be delivered again, now or later.

use std::time::Duration;

use net::Io;
use wire::nsq::{MessageId, RawId, Verb};

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
        let requeued = match (client.subscription, MessageId::from_hex(&raw)) {
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
}
