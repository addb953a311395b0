//! IDENTIFY: the client's identity, and the negotiated settings.
//!
//! The answer is sent in the clear. Then, if granted, TLS starts (with an OK inside), then one compression
//! (with another OK inside).

use net::{Io, Layer};
use wire::nsq::identify::Identify;

use super::Flow;
use crate::connection::{Connection, Holdup, Identity};
use crate::queue::Queue;

impl Queue {
    pub(super) fn identify<I: Io>(&mut self, io: &mut I, client: &mut Connection, body: &[u8]) -> Flow {
        let settled = Identify::parse(body)
            .and_then(|identify| Ok((identify.settle(self.terms(), &client.settings)?, identify)));
        let (settlement, identify) = match settled {
            Ok(settled) => settled,
            Err(refusal) => return self.fail(io, client, &refusal),
        };
        client.identity = Identity {
            client_id: cut(identify.client_id),
            hostname: cut(identify.hostname),
            user_agent: cut(identify.user_agent),
            topology_region: cut(identify.topology_region),
            topology_zone: cut(identify.topology_zone),
        };
        client.settings = settlement.settings;
        client.limits.ready_max = self.settings().max_rdy_count;
        self.start_heartbeat(io, client);
        let mut answer = Vec::new();
        settlement.write_reply(self.terms(), &mut answer);
        self.reply(io, client, &answer);
        let Some(upgrades) = settlement.upgrades else { return Flow::Next };
        match self.options().tls.clone().filter(|_| upgrades.tls && client.tls.is_none()) {
            Some(config) => {
                client.holdup = Some(Holdup::Handshake(upgrades));
                io.push_layer(client.id, Layer::TlsServer(config));
                Flow::Leave
            }
            None if self.compress(io, client, upgrades) => Flow::Leave,
            None => Flow::Next,
        }
    }
}

/// Bytes kept of each name in a client's IDENTIFY.
const NAME_BYTES_MAX: usize = 1024;

fn cut(mut text: String) -> String {
    if text.len() > NAME_BYTES_MAX {
        text.truncate(text.floor_char_boundary(NAME_BYTES_MAX));
        text.shrink_to_fit();
    }
    text
}
