//! (a) A client's bytes become requests, one after the other, until they run out or the client has to wait.

use config::checked::Protocol;
use net::{ConnId, Input, Io};

use crate::client::{Client, Wait};
use crate::keys::PoolKey;
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
        match self.pools[client.pool].config.protocol {
            Protocol::Redis => self.receive_redis(io, &mut client, input),
            Protocol::Memcache => self.receive_memcache(io, &mut client, input),
        }
        self.settle(io, client);
    }

    /// Is there more of this client's input to scan, and may it be scanned now? What comes after a client's last request is thrown
    /// away.
    #[inline]
    pub(super) fn may_scan<I: Io>(&mut self, io: &mut I, client: &mut Client, input: &mut Input<'_>) -> bool {
        let unread = input.bytes().len();
        if client.session.leaving {
            input.consume(unread);
            return false;
        }
        unread > 0 && self.admit(io, client, unread)
    }

    /// Counts requests of a client of `pool`, and their bytes.
    #[inline]
    pub(super) fn count_requests(&self, pool: PoolKey, requests: u64, bytes: u64) {
        let stats = &self.pools[pool].stats;
        stats.client_requests.add(requests);
        stats.client_request_bytes.add(bytes);
    }

    /// May another request of this client be taken? If not, the client is not read until the reason is gone.
    /// `unread` is how many of its bytes are there.
    fn admit<I: Io>(&mut self, io: &mut I, client: &mut Client, unread: usize) -> bool {
        if client.session.paused.is_some() {
            // The request before this one has to wait for its server.
            return false;
        }
        let config = &self.pools[client.pool].config;
        let unsent = io.unsent(client.id);
        let wait = if client.waiting() >= config.client_pipeline_max as usize {
            // Read again at the reply that brings the line under half of its limit.
            Wait::Reply
        } else if client.held_bytes() + client.reply_size.of(client.waiting())
            > config.client_output_soft_bytes
        {
            // Read again at a reply: it lets some of them go, and shows how long replies are.
            Wait::Reply
        } else if unsent > config.client_output_soft_bytes {
            Wait::Drain
        } else {
            self.recount_client(client);
            match self.must_wait_for_memory(io, client, unread, unsent) {
                Some(wait) => wait,
                None => return true,
            }
        };
        match wait {
            Wait::Drain => io.notify_drained(client.id),
            Wait::Memory => self.starving.push(client.id),
            Wait::Reply | Wait::Server => {}
        }
        client.session.paused = Some(wait);
        io.pause(client.id);
        false
    }
}
