//! TOUCH: the client needs more time.

use net::Io;
use wire::nsq::{MessageId, RawId, Verb};

use super::Flow;
use crate::channel::Refused;
use crate::connection::Connection;
use crate::queue::Queue;

impl Queue {
    pub(super) fn touch<I: Io>(&mut self, io: &mut I, client: &mut Connection, raw: RawId) -> Flow {
        let now = self.clock().now;
        let touched = match (self.holding(client, &raw), MessageId::from_hex(&raw)) {
            (Some(subscription), Some(id)) => match self.channel_of(subscription) {
                Some(channel) => channel.touch(subscription.consumer, id.0, now).map(|()| subscription),
                None => Err(Refused::NotInFlight),
            },
            _ => Err(Refused::NotInFlight),
        };
        match touched {
            Ok(subscription) => {
                self.schedule(subscription.topic, subscription.channel);
                Flow::Next
            }
            Err(why) => self.not_done(io, client, Verb::Touch, raw, why),
        }
    }
}
