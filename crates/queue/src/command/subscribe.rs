//! SUB: the connection becomes a consumer of a channel, which is created if need be.

use std::time::Duration;

use net::Io;
use wire::nsq::{ClientState, Refusal, Verb, frame};

use super::Flow;
use super::auth::Rights;
use crate::authority::Access;
use crate::connection::{Connection, Subscription};
use crate::consumers::Terms;
use crate::queue::{Queue, Subscribable};

impl Queue {
    pub(super) fn subscribe<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Connection,
        topic: &str,
        channel: &str,
    ) -> Flow {
        match self.check_rights(io, client, Verb::Sub, Access::Subscribe, topic, channel) {
            Rights::Granted => {}
            Rights::Wait => return Flow::Again,
            Rights::Refused(refusal) => return self.fail(io, client, &refusal),
        }
        if self.is_on_engine(topic) {
            match self.subscribable(client, topic, channel) {
                Ok(Subscribable::Now) => {}
                Ok(Subscribable::Later) => return Flow::Again,
                Err(why) => return self.fail(io, client, &Refusal::Failed(Verb::Sub, &why.to_string())),
            }
        }
        let opened = match self.open_channel(topic, channel) {
            Ok(opened) => opened,
            Err(why) => return self.fail(io, client, &Refusal::Failed(Verb::Sub, &why.to_string())),
        };
        let max = u64::from(self.settings().max_channel_consumers);
        let terms = Terms {
            conn: client.id,
            timeout: Duration::from_millis(client.settings.msg_timeout_ms),
            timeout_max: self.settings().max_msg_timeout,
            sample_rate: client.settings.sample_rate,
            nearness: self
                .options()
                .nearness(&client.identity.topology_region, &client.identity.topology_zone),
        };
        let Some(target) = self.channel_at(opened) else {
            return self.fail(io, client, &Refusal::Failed(Verb::Sub, Refusal::DELETED));
        };
        if max > 0 && target.consumers.len() as u64 >= max {
            return self.fail(io, client, &Refusal::TooManyConsumers(topic, channel, max));
        }
        let consumer = target.subscribe(terms);
        client.subscription = Some(Subscription { topic: opened.0, channel: opened.1, consumer });
        client.state = ClientState::Subscribed;
        self.reply(io, client, frame::OK);
        Flow::Next
    }
}
