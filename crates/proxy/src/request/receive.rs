//! (a) A client's bytes become requests, one after the other, until they run out or the client has to wait.

use config::checked::Protocol;
use net::{ConnId, Input, Io};

use crate::client::Client;
use crate::proxy::Proxy;

/// However long a request is going to be: after this many bytes more of it we want to be asked, since memory may have
/// become short meanwhile.
const READ_AHEAD: usize = 64 * 1024;

/// Asks for more of a request that will have `total` bytes.
pub(super) fn want_more(input: &mut Input<'_>, total: usize) {
    input.want(total.min(input.bytes().len() + READ_AHEAD));
}

impl Proxy {
    pub(crate) fn client_received<I: Io>(&mut self, io: &mut I, id: ConnId, input: &mut Input<'_>) {
        let Some(mut client) = self.take_client(id) else { return };
        match self.pools[client.pool as usize].config.protocol {
            Protocol::Redis => self.receive_redis(io, &mut client, input),
            Protocol::Memcache => self.receive_memcache(io, &mut client, input),
        }
        client.unread = input.bytes().len();
        self.settle(io, client);
    }

    /// May another request of this client be taken? If not, the client is not read until the reason is gone.
    pub(crate) fn admit<I: Io>(&mut self, io: &mut I, client: &mut Client) -> bool {
        let config = &self.pools[client.pool as usize].config;
        if client.waiting() >= config.client_pipeline_max as usize {
            // Resumed by the reply that brings the line under half of its limit.
        } else if client.held_bytes() > config.client_output_soft_bytes {
            // Resumed by the reply that lets some of them go.
        } else if io.unsent(client.id) > config.client_output_soft_bytes {
            io.notify_drained(client.id);
        } else if self.memory(io) > self.memory_budget {
            self.starving.push(client.id);
        } else {
            return true;
        }
        client.session.paused = true;
        io.pause(client.id);
        false
    }
}
