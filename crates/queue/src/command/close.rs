//! CLS: no more deliveries. The client may still finish what it has, and then closes.

use net::Io;
use wire::nsq::{ClientState, frame};

use super::Flow;
use crate::connection::Connection;
use crate::queue::Queue;

impl Queue {
    pub(super) fn close<I: Io>(&mut self, io: &mut I, client: &mut Connection) -> Flow {
        client.state = ClientState::Closing;
        if let Some(subscription) = client.subscription
            && let Some(channel) = self.channel_of(subscription)
        {
            channel.close(subscription.consumer);
        }
        self.reply(io, client, frame::CLOSE_WAIT);
        Flow::Next
    }
}
