//! Records of requests that take a detour ([`crate::detour`]), in lines of one client and one slot.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use net::{ConnId, Instant, TimerId};
use wire::memcache::Expect;

use crate::keys::{DetourId, PoolKey, ServerKey};
use crate::server::pending::Owner;

/// Most detours at once on a shard.
pub(crate) const DETOURS_MAX: usize = 65_536;

/// A client and a slot: the requests of one line.
pub(crate) type LineKey = (PoolKey, (u32, u32), u16);

/// One request.
#[derive(Debug)]
pub(crate) struct Detour {
    pub(crate) owner: Owner,
    pub(crate) client: ConnId,
    pub(crate) pool: PoolKey,
    pub(crate) slot: u16,
    /// Time it was accepted.
    pub(crate) at: Instant,
    pub(crate) expect: Expect,
    pub(crate) safe: bool,
    /// Number of the lane, the same at every server.
    pub(crate) lane: u16,
    pub(crate) bytes: Bytes,
    /// Its next destination.
    pub(crate) next: Next,
    /// Time it is looked at again, while it waits.
    pub(crate) due: Option<Instant>,
    /// Redirects that were followed.
    pub(crate) hops: u32,
    /// Times its node did not know its script.
    pub(crate) scripts: u32,
    /// Times it waited.
    pub(crate) waits: u32,
    /// The error that it last met.
    pub(crate) error: Vec<u8>,
    pub(crate) counted: usize,
}

/// Destination of a detour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The owner of its slot.
    Owner,
    /// This server, after `ASKING`.
    Asking(ServerKey),
    /// Any server but this one: the owner cannot be reached, and others may know of a new one.
    Other(ServerKey),
}

/// All detours of a shard.
#[derive(Debug, Default)]
pub(crate) struct Detours {
    pub(crate) records: BTreeMap<DetourId, Detour>,
    pub(crate) next_id: DetourId,
    pub(crate) lines: BTreeMap<LineKey, VecDeque<DetourId>>,
    /// Detours that wait, by the time they are looked at again.
    pub(crate) due: BTreeSet<(Instant, DetourId)>,
    pub(crate) timer: Option<(TimerId, Instant)>,
}

impl Detour {
    pub(crate) fn line(&self) -> LineKey {
        (self.pool, (self.client.index, self.client.generation), self.slot)
    }

    pub(crate) fn memory(&self) -> usize {
        size_of::<Detour>() + self.bytes.len() + self.error.capacity()
    }
}

impl Detours {
    /// Number of requests.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// True if a pool has any.
    pub(crate) fn has_pool(&self, pool: PoolKey) -> bool {
        !self.records.is_empty() && self.records.values().any(|detour| detour.pool == pool)
    }

    /// Memory, recounted.
    pub(crate) fn census(&self) -> usize {
        self.records.values().map(Detour::memory).sum()
    }

    pub(crate) fn wait_until(&mut self, id: DetourId, at: Instant) {
        let Some(detour) = self.records.get_mut(&id) else { return };
        if let Some(before) = detour.due.replace(at) {
            self.due.remove(&(before, id));
        }
        self.due.insert((at, id));
    }

    pub(crate) fn stop_waiting(&mut self, id: DetourId) {
        if let Some(before) = self.records.get_mut(&id).and_then(|detour| detour.due.take()) {
            self.due.remove(&(before, id));
        }
    }

    pub(crate) fn is_first(&self, id: DetourId) -> bool {
        self.place(id) == Some(0)
    }

    /// Place of a detour in its line.
    pub(crate) fn place(&self, id: DetourId) -> Option<usize> {
        let line = self.records.get(&id).and_then(|detour| self.lines.get(&detour.line()))?;
        line.iter().position(|other| *other == id)
    }
}
