//! FIN: the message is done.

use net::Io;
use wire::nsq::{MessageId, RawId, Verb};

use super::Flow;
use crate::channel::Refused;
use crate::connection::Connection;
use crate::queue::Queue;

impl Queue {
    pub(super) fn finish<I: Io>(&mut self, io: &mut I, client: &mut Connection, raw: RawId) -> Flow {
        let clock = self.clock();
        let finished = match (self.holding(client, &raw), MessageId::from_hex(&raw)) {
            (Some(subscription), Some(id)) => match self.channel_of(subscription) {
                Some(channel) => channel.finish(subscription.consumer, id.0).map(|flight| {
                    if channel.latency.is_enabled() {
                        channel.latency.note(clock.wall.0.saturating_sub(flight.timestamp), clock.now);
                    }
                    subscription
                }),
                None => Err(Refused::NotInFlight),
            },
            _ => Err(Refused::NotInFlight),
        };
        match finished {
            Ok(subscription) => {
                self.note_events(subscription);
                Flow::Next
            }
            Err(why) => self.not_done(io, client, Verb::Fin, raw, why),
        }
    }
}
