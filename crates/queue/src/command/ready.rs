//! RDY: how many messages a client wants to have in flight.

use super::Flow;
use crate::connection::Connection;
use crate::queue::Queue;

impl Queue {
    pub(super) fn ready(&mut self, client: &mut Connection, count: u64) -> Flow {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if let Some(subscription) = client.subscription
            && let Some(channel) = self.channel_of(subscription)
        {
            channel.set_ready(subscription.consumer, count);
            self.schedule(subscription.topic, subscription.channel);
        }
        Flow::Next
    }
}
