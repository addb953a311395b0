//! (a) A client's bytes become requests, one after the other, until they run out or the client has to wait.

use config::checked::Protocol;
use net::{ConnId, Input, Io};

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

    /// Counts requests of a client of `pool`, and their bytes.
    #[inline]
    pub(super) fn count_requests(&self, pool: PoolKey, requests: u64, bytes: u64) {
        let stats = &self.pools[pool].stats;
        stats.client_requests.add(requests);
        stats.client_request_bytes.add(bytes);
    }
}
