//! A pool's placement: key in, index of the server out.
//!
//! Built once, used on every request: lookups neither allocate, lock nor panic. Failed servers are left out
//! by rebuilding it with another live set; the index of a server never changes.
//!
//! The next point on ketama's circle is found by the top bits of the hash:
//!
//! ```text
//! hash ──top bits──▶ starts[bucket] .. starts[bucket + 1] ──▶ points[..]: about one value to compare
//! ```

use crate::modula::Modula;
use crate::node::Node;
use crate::points::{Point, ketama_points, libmemcached_points, libmemcached_unweighted_points};
use crate::{Distribution, Hash, Random};

/// Maximum bits of the bucket table: 256 KiB of starts.
const BUCKET_BITS_MAX: u32 = 16;

/// A ring: maps each key to its server.
#[derive(Debug, Clone)]
pub struct Ring {
    distribution: Distribution,
    hash: Hash,
    random: Random,
    placement: Placement,
}

/// Rule by which a hash finds its server among the live ones.
#[derive(Debug, Clone)]
enum Placement {
    /// No server is live.
    Nobody,
    /// One server takes every key: no hash is computed.
    One(u32),
    Continuum(Continuum),
    Modula(Modula),
    /// The live servers.
    Random(Vec<u32>),
}

impl Ring {
    /// Builds the ring over `nodes`, which are in index order (nutcracker's is [`crate::sort_order`]).
    ///
    /// Only [`Distribution::Random`] draws random numbers; seed it with [`Ring::seeded`] (nutcracker: the
    /// time in seconds). Without a seed it starts like a C program that never called `srandom`.
    pub fn build(distribution: Distribution, hash: Hash, nodes: &[Node<'_>]) -> Ring {
        let placement = Placement::new(distribution, hash, nodes);
        Ring { distribution, hash, random: Random::new(1), placement }
    }

    /// This ring with its generator seeded as by `srandom(seed)`.
    #[must_use]
    pub fn seeded(mut self, seed: u32) -> Ring {
        self.random = Random::new(seed);
        self
    }

    /// Rebuilds the ring over the same servers with another live set. The generator keeps its state.
    pub fn rebuild(&mut self, nodes: &[Node<'_>]) {
        self.placement = Placement::new(self.distribution, self.hash, nodes);
    }

    /// Index of the server for `key`, or None if every server is ejected.
    ///
    /// `key` is the result of [`crate::tagged`]. As in nutcracker, an empty key has hash 0.
    #[inline]
    pub fn server_of_key(&mut self, key: &[u8]) -> Option<usize> {
        match &self.placement {
            Placement::Continuum(continuum) => Some(continuum.server_of_hash(self.hash_of_key(key)) as usize),
            Placement::Modula(modula) => Some(modula.server_of_hash(self.hash_of_key(key)) as usize),
            Placement::One(server) => Some(*server as usize),
            Placement::Nobody => None,
            Placement::Random(_) => self.server_of_hash(0),
        }
    }

    /// Index of the server for a hash computed elsewhere, or None if every server is ejected.
    pub fn server_of_hash(&mut self, hash: u32) -> Option<usize> {
        let server = match &self.placement {
            Placement::Continuum(continuum) => continuum.server_of_hash(hash),
            Placement::Modula(modula) => modula.server_of_hash(hash),
            Placement::One(server) => *server,
            Placement::Nobody => return None,
            Placement::Random(live) => {
                let drawn = self.random.draw() as usize;
                *live.get(drawn.checked_rem(live.len())?)?
            }
        };
        Some(server as usize)
    }

    /// Rule by which a hash finds its server.
    pub fn distribution(&self) -> Distribution {
        self.distribution
    }

    /// The hash of keys.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    #[inline]
    fn hash_of_key(&self, key: &[u8]) -> u32 {
        if key.is_empty() { 0 } else { self.hash.hash(key) }
    }
}

impl Placement {
    fn new(distribution: Distribution, hash: Hash, nodes: &[Node<'_>]) -> Placement {
        let live = || nodes.iter().enumerate().filter(|(_, node)| node.live).map(|(i, _)| i as u32);
        if distribution == Distribution::Random {
            let live: Vec<u32> = live().collect();
            return if live.is_empty() { Placement::Nobody } else { Placement::Random(live) };
        }
        let mut weighted = live().filter(|&i| nodes.get(i as usize).is_some_and(|node| node.weight > 0));
        match (weighted.next(), weighted.next()) {
            (None, _) => return Placement::Nobody,
            (Some(server), None) => return Placement::One(server),
            (Some(_), Some(_)) => {}
        }
        let placement = match distribution {
            Distribution::Ketama => Continuum::new(ketama_points(nodes)).map(Placement::Continuum),
            Distribution::LibmemcachedKetama => {
                Continuum::new(libmemcached_points(nodes)).map(Placement::Continuum)
            }
            Distribution::LibmemcachedKetamaUnweighted => {
                Continuum::new(libmemcached_unweighted_points(hash, nodes)).map(Placement::Continuum)
            }
            Distribution::Modula | Distribution::Random => Modula::new(nodes).map(Placement::Modula),
        };
        placement.unwrap_or(Placement::Nobody)
    }
}

/// Sorted points, with a table from a hash's top bits to the few points that can be next.
#[derive(Debug, Clone)]
struct Continuum {
    points: Vec<Point>,
    /// The index of each bucket's first point, plus one entry for the end.
    starts: Vec<u32>,
    /// Bits of the hash below the bucket number.
    shift: u32,
    /// Server of the first point: where the circle wraps to.
    first: u32,
}

impl Continuum {
    /// None if there are no points: no server is live.
    fn new(points: Vec<Point>) -> Option<Continuum> {
        let first = points.first()?.server;
        // Two buckets per point: most hold no point or one.
        let bits = (2 * points.len()).next_power_of_two().ilog2().clamp(1, BUCKET_BITS_MAX);
        let shift = u32::BITS - bits;
        let mut starts = Vec::with_capacity((1 << bits) + 1);
        let mut next = 0;
        for bucket in 0..1u32 << bits {
            next += points[next..].iter().take_while(|point| point.value >> shift < bucket).count();
            starts.push(next as u32);
        }
        starts.push(points.len() as u32);
        Some(Continuum { points, starts, shift, first })
    }

    /// Server of the first point at or above `hash`.
    #[inline]
    fn server_of_hash(&self, hash: u32) -> u32 {
        let bucket = (hash >> self.shift) as usize;
        let (start, end) = (self.start(bucket), self.start(bucket + 1));
        let below = self.points.get(start..end).unwrap_or_default().partition_point(|p| p.value < hash);
        self.points.get(start + below).map_or(self.first, |point| point.server)
    }

    #[inline]
    fn start(&self, bucket: usize) -> usize {
        self.starts.get(bucket).map_or(self.points.len(), |&start| start as usize)
    }
}

#[cfg(test)]
#[allow(clippy::unreadable_literal, reason = "as the original prints them")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ring(distribution: Distribution, live: &[bool]) -> Ring {
        let names: Vec<String> = (0..live.len()).map(|i| format!("n{i}")).collect();
        let nodes: Vec<Node> = names
            .iter()
            .zip(live)
            .map(|(name, &live)| Node { live, ..Node::new(name.as_bytes(), 1) })
            .collect();
        Ring::build(distribution, Hash::Murmur, &nodes)
    }

    #[test]
    fn nobody_is_live() {
        for &distribution in Distribution::ALL {
            for live in [&[][..], &[false], &[false, false]] {
                assert_eq!(ring(distribution, live).server_of_key(b"k"), None, "{distribution} {live:?}");
            }
            assert_eq!(ring(distribution, &[false, true, false]).server_of_key(b"k"), Some(1));
        }
    }

    #[test]
    fn an_empty_key_has_hash_0() {
        for &distribution in Distribution::ALL {
            if distribution != Distribution::Random {
                let mut ring = ring(distribution, &[true; 5]);
                assert_eq!(ring.server_of_key(b""), ring.server_of_hash(0), "{distribution}");
            }
        }
    }

    #[test]
    fn random_draws_as_libc_over_the_live() {
        let mut ring = ring(Distribution::Random, &[true, false, true, true]).seeded(42);
        let live = [0, 2, 3];
        for drawn in [71876166, 708592740, 1483128881, 907283241] {
            assert_eq!(ring.server_of_key(b"same"), Some(live[drawn % 3]));
        }
    }

    proptest! {
        #[test]
        fn the_table_finds_what_a_plain_search_finds(
            mut values in prop::collection::vec(prop_oneof![any::<u32>(), 0u32..64, (u32::MAX - 64)..=u32::MAX], 1..300),
            hashes in prop::collection::vec(prop_oneof![any::<u32>(), 0u32..64, (u32::MAX - 64)..=u32::MAX], 50),
        ) {
            values.sort_unstable();
            let points: Vec<Point> =
                values.iter().enumerate().map(|(i, &value)| Point { value, server: i as u32 }).collect();
            let continuum = Continuum::new(points.clone()).expect("points");
            for hash in hashes.into_iter().chain(values.iter().copied()) {
                let plain = points.iter().find(|p| p.value >= hash).unwrap_or(&points[0]).server;
                prop_assert_eq!(continuum.server_of_hash(hash), plain);
            }
        }


        #[test]
        fn any_pool_gives_a_live_server_or_none(
            distribution in prop::sample::select(Distribution::ALL),
            hash in prop::sample::select(Hash::ALL),
            servers in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..300), any::<u32>(), any::<bool>()), 0..12),
            keys in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..20),
        ) {
            let nodes: Vec<Node> = servers
                .iter()
                .map(|(identity, weight, live)| Node { identity, weight: *weight, live: *live })
                .collect();
            let mut ring = Ring::build(distribution, hash, &nodes);
            let usable = nodes.iter().any(|n| n.live && (n.weight > 0 || distribution == Distribution::Random));
            for key in keys {
                match ring.server_of_key(&key) {
                    Some(server) => prop_assert!(nodes[server].live),
                    None => prop_assert!(!usable),
                }
            }
        }

        #[test]
        fn ketama_moves_only_the_ejected_servers_keys(
            ejected in 0usize..6,
            keys in prop::collection::vec(any::<u32>(), 50),
        ) {
            let mut live = [true; 6];
            let mut before = ring(Distribution::Ketama, &live);
            live[ejected] = false;
            let mut after = ring(Distribution::Ketama, &live);
            for hash in keys {
                let (old, new) = (before.server_of_hash(hash), after.server_of_hash(hash));
                prop_assert!(old == new || old == Some(ejected));
            }
        }
    }
}
