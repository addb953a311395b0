//! Changed users for connected clients: revoked rights end at once.

use net::{ConnId, Io};

use super::Queue;
use crate::authority::Access;
use crate::command::may;
use crate::connection::Connection;
use crate::options::Authority;

impl Queue {
    /// Looks up the users of all clients again. Consumers that may no longer consume are closed; their
    /// messages go back to the channel.
    pub(super) fn review_rights<I: Io>(&mut self, io: &mut I) {
        if self.authority != Authority::Users {
            return;
        }
        let conns: Vec<ConnId> = self.clients.iter().flatten().map(|client| client.id).collect();
        for conn in conns {
            let Some(mut client) = self.take_client(conn) else { continue };
            client.last_topic.is_granted = false;
            if let Some(login) = &mut client.login {
                match self.options.users.user(login.user.name().as_bytes()) {
                    Some(user) => login.user = user.clone(),
                    None => client.log_out(),
                }
            }
            if self.may_consume_still(&client) {
                self.put_client(client);
            } else {
                telemetry::info!(client = %client.peer, "connection closed: its user may no longer consume");
                self.close_client(io, client);
            }
        }
    }

    fn may_consume_still(&self, client: &Connection) -> bool {
        let Some(subscription) = client.subscription else { return true };
        let Some(topic) = self.topics.get(subscription.topic) else { return true };
        let Some(channel) = topic.channel(subscription.channel) else { return true };
        let user = client.login.as_ref().map(|login| &login.user);
        user.is_some_and(|user| may(user, Access::Subscribe, &topic.name, &channel.name))
    }
}
