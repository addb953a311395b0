//! The share of a pool's keys that a change of its ring moves to another server.
//!
//! It is counted over sample keys, always the same, so that a change has one
//! answer. None of them has a hash tag.

use std::fmt;

use ring::{Node, Ring};

use crate::checked::{Pool, Topology};

/// Number of sample keys: enough for an error below one per cent, and few enough for a reload
/// that changes the rings of 50 pools.
const KEYS: u64 = 4_000;

/// Number of sample keys that move, out of all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    moved: u64,
}

impl Share {
    /// Share between 0 and 1.
    pub fn ratio(self) -> f64 {
        self.moved as f64 / KEYS as f64
    }
}

impl fmt::Display for Share {
    /// In per cent; `no keys` and `all keys` only if exact.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.moved, (self.moved * 100 + KEYS / 2) / KEYS) {
            (0, _) => f.write_str("no keys"),
            (KEYS, _) => f.write_str("all keys"),
            (_, 0) => f.write_str("less than 1 % of keys"),
            (_, 100) => f.write_str("more than 99 % of keys"),
            (_, percent) => write!(f, "{percent} % of keys"),
        }
    }
}

/// Counts the keys that move. None if keys have no place that is known here: the distribution picks servers
/// at random, or a cluster places them.
pub(super) fn moved(old: &Pool, new: &Pool) -> Option<Share> {
    let is_ring = |pool: &&Pool| {
        pool.distribution != ring::Distribution::Random && pool.discovery.topology != Topology::Cluster
    };
    if ![old, new].iter().all(is_ring) {
        return None;
    }
    let (mut before, mut after) = (built(old), built(new));
    let moved = (0..KEYS).filter(|n| {
        let key = sample(*n);
        let old_place = before.server_of_key(&key).map(|at| old.servers[at].identity.as_str());
        let new_place = after.server_of_key(&key).map(|at| new.servers[at].identity.as_str());
        old_place != new_place
    });
    Some(Share { moved: moved.count() as u64 })
}

/// The ring of a pool with all servers live.
fn built(pool: &Pool) -> Ring {
    let names: Vec<String> = pool.servers.iter().map(|server| pool.ring_name(server)).collect();
    let nodes: Vec<Node<'_>> = names
        .iter()
        .zip(&pool.servers)
        .map(|(name, server)| Node::new(name.as_bytes(), server.weight))
        .collect();
    Ring::build(pool.distribution, pool.hash, &nodes)
}

/// A sample key: 16 digits that look random, since some hashes keep similar keys together.
fn sample(n: u64) -> [u8; 16] {
    // The finalizer of splitmix64.
    let mut bits = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    std::array::from_fn(|digit| b"0123456789abcdef"[(bits >> (60 - 4 * digit) & 15) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::default_pool;

    #[test]
    fn a_good_hash_moves_the_new_servers_share() {
        let pool = |count: u8| {
            let server = |n| crate::endpoint::server(&format!("10.0.0.{n}:6379")).unwrap();
            Pool { hash: ring::Hash::Murmur, ..default_pool("p", (1..=count).map(server).collect()) }
        };
        let share = moved(&pool(9), &pool(10)).unwrap().ratio();
        assert!((0.08..0.12).contains(&share), "{share}");
        assert_eq!(moved(&pool(9), &pool(9)), Some(Share { moved: 0 }));
        let modula = |count| Pool { distribution: ring::Distribution::Modula, ..pool(count) };
        assert!(moved(&modula(9), &modula(10)).unwrap().ratio() > 0.85);
        let random = |count| Pool { distribution: ring::Distribution::Random, ..pool(count) };
        assert_eq!(moved(&random(9), &random(10)), None);
    }

    #[test]
    fn shown() {
        for (moved, text) in [
            (0, "no keys"),
            (1, "less than 1 % of keys"),
            (KEYS / 200, "1 % of keys"),
            (KEYS / 4, "25 % of keys"),
            (KEYS - 1, "more than 99 % of keys"),
            (KEYS, "all keys"),
        ] {
            assert_eq!(Share { moved }.to_string(), text);
        }
    }
}
