//! Placement of keys: the only way from a key to its group and the group's server.
//!
//! ```text
//! key ─▶ Placement::group_of ─▶ group ─▶ Placement::server_of ─▶ server
//! ```
//! Keys of one group may travel in one request: a command of several keys is split by group, and one whose
//! keys must stay together is served only if they have one group. On a ring a group is a server. Where
//! servers require smaller groups (a slot of a Redis Cluster), it is that.

use config::checked;
use ring::{Node, Ring};

use crate::keys::ServerKey;
use crate::server::Server;
use crate::slab::Slab;

/// Set of keys that may travel in one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group(u32);

/// Placement of a pool's keys.
#[derive(Debug)]
pub(crate) enum Placement {
    /// twemproxy's distributions: the live servers share the hashes among them.
    Ring(Hashed),
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
        let ring = Ring::build(config.distribution, config.hash, &[]).seeded(seed as u32);
        Placement::Ring(Hashed { ring, hash_tag: config.hash_tag, servers: Vec::new(), built: Vec::new() })
    }

    /// True if two configurations place keys by the same rule, apart from their servers.
    pub(crate) fn is_the_same(a: &checked::Pool, b: &checked::Pool) -> bool {
        (a.distribution, a.hash, a.hash_tag) == (b.distribution, b.hash, b.hash_tag)
    }

    /// The group of a key, None if all servers are ejected.
    #[inline]
    pub(crate) fn group_of(&mut self, key: &[u8]) -> Option<Group> {
        match self {
            Placement::Ring(hashed) => {
                let at = hashed.ring.server_of_key(ring::tagged(key, hashed.hash_tag))?;
                Some(Group(at as u32))
            }
        }
    }

    /// The server of a group.
    #[inline]
    pub(crate) fn server_of(&self, group: Group) -> Option<ServerKey> {
        match self {
            Placement::Ring(hashed) => hashed.servers.get(group.0 as usize).copied(),
        }
    }

    /// The server of a key, None if all are ejected.
    #[inline]
    pub(crate) fn server_of_key(&mut self, key: &[u8]) -> Option<ServerKey> {
        let group = self.group_of(key)?;
        self.server_of(group)
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
        }
    }
}

fn node(server: &Server) -> Node<'_> {
    Node { identity: server.ring_name.as_bytes(), weight: server.weight(), live: server.is_in_ring() }
}
