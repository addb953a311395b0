//! Placement of keys: the only way from a key to its group and the group's server.
//!
//! ```text
//! key ─▶ Placement::group_of ─▶ group ─▶ Placement::server_of ─▶ server
//! ```
//! Keys of one group may travel in one request: a command of several keys is split by group, and one whose
//! keys must stay together is served only if they have one group. On a ring a group is a server. Where
//! servers require smaller groups (a slot of a Redis Cluster), it is that.

mod slots;

use std::sync::Arc;

use config::checked::{self, Topology};
use net::Instant;
use ring::{Node, Ring};

use crate::keys::ServerKey;
use crate::server::Server;
use crate::slab::Slab;
use crate::topology::SlotMap;
pub(crate) use slots::Slots;

/// Set of keys that may travel in one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group(u32);

impl Group {
    /// The slot, in a pool over a cluster.
    pub(crate) fn slot(self) -> u16 {
        self.0 as u16
    }
}

/// Placement of a pool's keys.
#[derive(Debug)]
pub(crate) enum Placement {
    /// twemproxy's distributions: the live servers share the hashes among them.
    Ring(Hashed),
    /// The slots of a Redis Cluster.
    Slots(Slots),
}

/// Placement of keys by their hash.
#[derive(Debug)]
pub(crate) struct Hashed {
    ring: Ring,
    hash_tag: Option<[u8; 2]>,
    /// Servers in the order of the ring's indices.
    servers: Vec<ServerKey>,
    /// Nodes that the ring was built from.
    built: Vec<Built>,
}

/// A node that a ring was built from.
#[derive(Debug)]
struct Built {
    identity: String,
    weight: u32,
    live: bool,
}

impl Built {
    fn is(&self, server: &Server) -> bool {
        (self.weight, self.live) == (server.weight(), server.is_in_ring())
            && self.identity == server.ring_name
    }
}

impl Placement {
    /// Makes a placement without servers.
    pub(crate) fn new(config: &checked::Pool, seed: u64) -> Placement {
        if config.discovery.topology == Topology::Cluster {
            return Placement::Slots(Slots::new());
        }
        let ring = Ring::build(config.distribution, config.hash, &[]).seeded(seed as u32);
        Placement::Ring(Hashed { ring, hash_tag: config.hash_tag, servers: Vec::new(), built: Vec::new() })
    }

    /// True if two configurations place keys by the same rule, apart from their servers.
    pub(crate) fn is_the_same(a: &checked::Pool, b: &checked::Pool) -> bool {
        let rule = |pool: &checked::Pool| {
            (pool.discovery.topology == Topology::Cluster, pool.distribution, pool.hash, pool.hash_tag)
        };
        rule(a) == rule(b)
    }

    /// The group of a key, None if all servers are ejected.
    #[inline]
    pub(crate) fn group_of(&mut self, key: &[u8]) -> Option<Group> {
        match self {
            Placement::Ring(hashed) => {
                let at = hashed.ring.server_of_key(ring::tagged(key, hashed.hash_tag))?;
                Some(Group(at as u32))
            }
            Placement::Slots(_) => Some(Group(Slots::slot_of(key).into())),
        }
    }

    /// The server of a group; None in a cluster if its requests have to take a detour.
    #[inline]
    pub(crate) fn server_of(&self, group: Group) -> Option<ServerKey> {
        match self {
            Placement::Ring(hashed) => hashed.servers.get(group.0 as usize).copied(),
            Placement::Slots(slots) => slots.settled_owner(group.slot()),
        }
    }

    /// The server of a key, None if all are ejected.
    #[inline]
    pub(crate) fn server_of_key(&mut self, key: &[u8]) -> Option<ServerKey> {
        let group = self.group_of(key)?;
        self.server_of(group)
    }

    /// The slots, in a pool over a cluster.
    #[inline]
    pub(crate) fn slots(&self) -> Option<&Slots> {
        match self {
            Placement::Ring(_) => None,
            Placement::Slots(slots) => Some(slots),
        }
    }

    /// The slots, in a pool over a cluster.
    pub(crate) fn slots_mut(&mut self) -> Option<&mut Slots> {
        match self {
            Placement::Ring(_) => None,
            Placement::Slots(slots) => Some(slots),
        }
    }

    /// Takes the slot map of a generation, in a pool over a cluster with these servers.
    pub(crate) fn set_map(&mut self, map: Option<&Arc<SlotMap>>, members: &[ServerKey], now: Instant) {
        if let Placement::Slots(slots) = self {
            slots.set_map(map, members, now);
        }
    }

    /// The server of a key, also where its requests have to take a detour: for those that cannot.
    pub(crate) fn home_of_key(&mut self, key: &[u8]) -> Option<ServerKey> {
        match self {
            Placement::Ring(_) => self.server_of_key(key),
            Placement::Slots(slots) => slots.owner(Slots::slot_of(key)),
        }
    }

    /// Rebuilds the placement after a server of `members` was added, removed, ejected or returned. A ring
    /// over the same names, weights and live servers is kept: most reloads change none.
    pub(crate) fn rebuild(&mut self, members: &[ServerKey], servers: &Slab<ServerKey, Server>) {
        match self {
            Placement::Ring(hashed) => {
                hashed.servers.clear();
                hashed.servers.extend_from_slice(members);
                let same = hashed.built.len() == members.len()
                    && hashed.built.iter().zip(members).all(|(built, key)| built.is(&servers[*key]));
                if same {
                    return;
                }
                let nodes: Vec<Node<'_>> = members.iter().map(|key| node(&servers[*key])).collect();
                hashed.ring.rebuild(&nodes);
                let built = members.iter().map(|key| &servers[*key]).map(|server| Built {
                    identity: server.ring_name.clone(),
                    weight: server.weight(),
                    live: server.is_in_ring(),
                });
                hashed.built = built.collect();
            }
            // It follows the map alone.
            Placement::Slots(_) => {}
        }
    }
}

fn node(server: &Server) -> Node<'_> {
    Node { identity: server.ring_name.as_bytes(), weight: server.weight(), live: server.is_in_ring() }
}
