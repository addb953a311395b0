//! Placement by the slots of a Redis Cluster.
//!
//! ```text
//! key ─▶ slot ─▶ owner          settled: requests go to the owner, any number at once
//!                └─ unsettled   it has just moved, is moving, or cannot be served: requests take a detour (crate::detour)
//! ```
//! The map comes with a generation; a redirect changes a single slot until the next map.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use net::Instant;
use ring::{SLOTS, key_slot};

use crate::keys::ServerKey;
use crate::topology::{NOBODY, SlotMap};

/// Time after a redirect for which requests to its slot take the detour.
const UNSETTLED: Duration = Duration::from_secs(1);

/// The owner of each slot.
#[derive(Debug)]
pub(crate) struct Slots {
    /// Index in `servers` of each slot's owner, or [`NOBODY`].
    owners: Vec<u16>,
    servers: Vec<ServerKey>,
    /// Replicas of each server, by its index.
    replicas: Vec<Vec<ServerKey>>,
    /// The map it was made from; None before the first.
    map: Option<Arc<SlotMap>>,
    /// Slots whose requests take the detour, and how long.
    unsettled: BTreeMap<u16, Instant>,
}

impl Slots {
    /// Makes a placement that knows nothing yet.
    pub(super) fn new() -> Slots {
        Slots {
            owners: vec![NOBODY; SLOTS],
            servers: Vec::new(),
            replicas: Vec::new(),
            map: None,
            unsettled: BTreeMap::new(),
        }
    }

    #[inline]
    pub(super) fn slot_of(key: &[u8]) -> u16 {
        key_slot(key)
    }

    /// The owner of a slot that requests may go straight to.
    #[inline]
    pub(crate) fn settled_owner(&self, slot: u16) -> Option<ServerKey> {
        if !self.unsettled.is_empty() && self.unsettled.contains_key(&slot) {
            return None;
        }
        self.owner(slot)
    }

    /// The owner of a slot.
    #[inline]
    pub(crate) fn owner(&self, slot: u16) -> Option<ServerKey> {
        let owner = *self.owners.get(usize::from(slot))?;
        self.servers.get(usize::from(owner)).copied()
    }

    /// The replicas of a slot's owner.
    pub(crate) fn replicas(&self, slot: u16) -> &[ServerKey] {
        let owner = self.owners.get(usize::from(slot)).copied().unwrap_or(NOBODY);
        self.replicas.get(usize::from(owner)).map_or(&[], Vec::as_slice)
    }

    /// True if a server owns slots.
    pub(crate) fn is_owner(&self, server: ServerKey) -> bool {
        let Some(at) = self.servers.iter().position(|known| *known == server) else { return false };
        self.owners.iter().any(|owner| usize::from(*owner) == at)
    }

    /// The map it was made from.
    pub(crate) fn map(&self) -> Option<&Arc<SlotMap>> {
        self.map.as_ref()
    }

    /// Makes requests to a slot take the detour for a while.
    pub(crate) fn unsettle(&mut self, slot: u16, now: Instant) {
        self.unsettled.insert(slot, now + UNSETTLED);
    }

    /// Ends the detours whose time is over. True if there are more.
    pub(crate) fn settle(&mut self, now: Instant) -> bool {
        if !self.unsettled.is_empty() {
            self.unsettled.retain(|_, until| *until > now);
        }
        !self.unsettled.is_empty()
    }

    /// Sets the owner of one slot, as a redirect says. False if it is no server of this pool.
    pub(crate) fn set_owner(&mut self, slot: u16, server: ServerKey, now: Instant) -> bool {
        let Some(at) = self.servers.iter().position(|known| *known == server) else { return false };
        if let Some(owner) = self.owners.get_mut(usize::from(slot)) {
            *owner = at as u16;
        }
        self.unsettle(slot, now);
        true
    }

    /// Takes another map, whose servers are `servers`. Slots that change their owner are unsettled.
    pub(super) fn set_map(&mut self, map: Option<&Arc<SlotMap>>, servers: &[ServerKey], now: Instant) {
        let same = match (&self.map, map) {
            (Some(old), Some(new)) => Arc::ptr_eq(old, new),
            (old, new) => old.is_none() && new.is_none(),
        };
        if same && self.servers == servers {
            return;
        }
        let owners = map.map_or_else(|| vec![NOBODY; SLOTS], |map| map.owners.clone());
        for (slot, owner) in (0..).zip(&owners) {
            let before = self.owner(slot);
            if before.is_some() && before != servers.get(usize::from(*owner)).copied() {
                self.unsettle(slot, now);
            }
        }
        self.owners = owners;
        self.servers = servers.to_vec();
        let of_server = |at: usize| {
            let replicas = map.and_then(|map| map.replicas.get(&u16::try_from(at).ok()?));
            let replicas = replicas.into_iter().flatten();
            replicas.filter_map(|index| servers.get(usize::from(*index)).copied()).collect()
        };
        self.replicas = (0..servers.len()).map(of_server).collect();
        self.map = map.cloned();
    }
}
