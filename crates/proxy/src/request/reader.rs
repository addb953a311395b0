//! The node that a read goes to, in a pool that reads from replicas.
//!
//! ```text
//! slot ▸ settled owner, its replicas ▸ those that may be read from (crate::replica_watch) ▸ the nearest ▸ one for each client
//! ```
//! While a slot is unsettled, reads go where writes go: a replica does not know of keys that have moved. A
//! request that a replica declines or loses takes a detour to the owner ([`crate::detour`]), and so does one
//! to which it says that the key is missing.

use config::checked::ReadFrom;
use wire::redis::Command;

use crate::client::Client;
use crate::keys::{LaneKey, PoolKey, ServerKey};
use crate::placement::Group;
use crate::proxy::Proxy;

/// No replica may be read from, and the pool reads from no other node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoReplica;

/// The error for it.
pub(super) const NO_REPLICA: &[u8] =
    b"-ERR no replica of this key may be read from now (read_from, replica_lag_max): try again later\r\n";

/// Distance added to a node that is held up: beyond all zones.
const HELD_UP: u8 = 128;

impl Proxy {
    /// True if this command of a client may go to a replica. While it watches keys, what it reads has to be
    /// as new as its watch, or it would change what others have changed before.
    #[inline]
    pub(super) fn is_replica_read(&self, client: &Client, command: &Command) -> bool {
        let reads_replicas = self.pools[client.pool].reads_replicas;
        reads_replicas && command.may_read_replica() && client.session.watched().is_none()
    }

    /// The client's connection for a read of this key. `Ok(None)` if it has to take a detour.
    #[cold]
    pub(super) fn lane_of_read(&mut self, client: &Client, key: &[u8]) -> Result<Option<LaneKey>, NoReplica> {
        self.earn_hedge(client.pool);
        let Some(group) = self.pools[client.pool].placement.group_of(key) else { return Ok(None) };
        let reader = self.reader_of(client.pool, group, client.id.index as usize)?;
        Ok(reader.map(|server| self.servers[server].lane_of(client)))
    }

    /// The replicas of a group's owner that may be read from.
    pub(crate) fn fit_replicas(
        &self,
        pool: PoolKey,
        group: Group,
        owner: ServerKey,
    ) -> impl Iterator<Item = ServerKey> + Clone {
        let pool = &self.pools[pool];
        let of_slot = pool.placement.slots().map_or(&[][..], |slots| slots.replicas(group.slot()));
        let is_fit = |key: &ServerKey| {
            let server = &self.servers[*key];
            server.standing.is_fit && server.is_in_ring()
        };
        of_slot.iter().copied().chain(pool.replicas_of(owner)).filter(is_fit)
    }

    /// The node that reads of a group go to; `spread` chooses among equals.
    pub(super) fn reader_of(
        &self,
        pool_key: PoolKey,
        group: Group,
        spread: usize,
    ) -> Result<Option<ServerKey>, NoReplica> {
        let pool = &self.pools[pool_key];
        let Some(owner) = pool.placement.server_of(group) else { return Ok(None) };
        let policy = pool.config.discovery.read_from;
        let replicas = self.fit_replicas(pool_key, group, owner);
        let too = Some(owner).filter(|_| policy == ReadFrom::Nearest);
        let distance = |key: ServerKey| {
            let server = &self.servers[key];
            server.standing.distance.saturating_add(if server.is_held_up() { HELD_UP } else { 0 })
        };
        let (mut count, mut nearest) = (0, u8::MAX);
        for key in replicas.clone().chain(too) {
            match distance(key).cmp(&nearest) {
                std::cmp::Ordering::Less => (count, nearest) = (1, distance(key)),
                std::cmp::Ordering::Equal => count += 1,
                std::cmp::Ordering::Greater => {}
            }
        }
        if count == 0 {
            return if policy == ReadFrom::Replica { Err(NoReplica) } else { Ok(Some(owner)) };
        }
        let found = replicas.chain(too).filter(|key| distance(*key) == nearest).nth(spread % count);
        if found.is_some_and(|found| found != owner) {
            pool.stats.replica_reads.inc();
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
