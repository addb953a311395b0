//! Warnings about pools that work, but hardly as intended; found when a configuration is checked.
//!
//! nutcracker reports none of these. No warning refuses a pool, since fleets run on such pools.

use std::fmt;

use crate::{Distribution, Hash, Node, Ring, ketama_points};

/// A setting of a pool that is hardly intended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// The hash has so few values that some servers can never be chosen.
    HashTooNarrow {
        /// The hash.
        hash: Hash,
        /// The distribution it is used with.
        distribution: Distribution,
        /// Servers that get keys.
        reached: usize,
        /// Servers of the pool.
        servers: usize,
    },
    /// The server's weight is so small next to the others that it gets no point, and so no key.
    NoPoints {
        /// Index of the server.
        server: usize,
        /// Its identity; bytes that are not UTF-8 are replaced.
        identity: String,
        /// Its weight.
        weight: u32,
    },
    /// Weights differ, but this distribution ignores them.
    WeightsIgnored(Distribution),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::HashTooNarrow { hash, distribution, reached: 1, servers } => write!(
                f,
                "hash {hash} has 15 bits only: with distribution {distribution} all keys go to one of the \
                 {servers} servers"
            ),
            Warning::HashTooNarrow { hash, distribution, reached, servers } => write!(
                f,
                "hash {hash} has 15 bits only: with distribution {distribution} keys reach {reached} of the \
                 {servers} servers"
            ),
            Warning::NoPoints { identity, weight, .. } => write!(
                f,
                "server '{identity}' gets no keys: its weight {weight} is too small next to the others"
            ),
            Warning::WeightsIgnored(distribution) => {
                write!(f, "distribution {distribution} ignores the servers' weights")
            }
        }
    }
}

/// Doubtful settings of a pool whose servers are all live, in index order.
pub fn warnings(distribution: Distribution, hash: Hash, nodes: &[Node<'_>]) -> Vec<Warning> {
    let nodes: Vec<Node> = nodes.iter().map(|node| Node { live: true, ..*node }).collect();
    match distribution {
        Distribution::Random => weights_ignored(distribution, &nodes),
        Distribution::LibmemcachedKetamaUnweighted => {
            let mut found = narrow(distribution, hash, &nodes);
            found.extend(weights_ignored(distribution, &nodes));
            found
        }
        Distribution::Modula => narrow(distribution, hash, &nodes),
        Distribution::Ketama | Distribution::LibmemcachedKetama => {
            let mut found = narrow(distribution, hash, &nodes);
            found.extend(without_points(&nodes));
            found
        }
    }
}

fn weights_ignored(distribution: Distribution, nodes: &[Node<'_>]) -> Vec<Warning> {
    let differ = nodes.windows(2).any(|pair| matches!(pair, [a, b] if a.weight != b.weight));
    if differ { vec![Warning::WeightsIgnored(distribution)] } else { Vec::new() }
}

/// Tries every value of a hash that has few of them.
fn narrow(distribution: Distribution, hash: Hash, nodes: &[Node<'_>]) -> Vec<Warning> {
    const CRC32_MAX: u32 = 0x7fff;
    if hash != Hash::Crc32 || nodes.len() < 2 {
        return Vec::new();
    }
    let mut ring = Ring::build(distribution, hash, nodes);
    let mut reached = vec![false; nodes.len()];
    for server in (0..=CRC32_MAX).filter_map(|value| ring.server_of_hash(value)) {
        if let Some(flag) = reached.get_mut(server) {
            *flag = true;
        }
    }
    let (reached, servers) = (reached.iter().filter(|&&flag| flag).count(), nodes.len());
    if reached == servers {
        Vec::new()
    } else {
        vec![Warning::HashTooNarrow { hash, distribution, reached, servers }]
    }
}

fn without_points(nodes: &[Node<'_>]) -> Vec<Warning> {
    let mut owns = vec![false; nodes.len()];
    for point in ketama_points(nodes) {
        if let Some(flag) = owns.get_mut(point.server as usize) {
            *flag = true;
        }
    }
    let poor = nodes.iter().enumerate().zip(owns).filter(|(_, owns)| !owns);
    poor.map(|((server, node), _)| Warning::NoPoints {
        server,
        identity: String::from_utf8_lossy(node.identity).into_owned(),
        weight: node.weight,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(distribution: Distribution, hash: Hash, weights: &[u32]) -> Vec<String> {
        let names: Vec<String> = (0..weights.len()).map(|i| format!("n{i}")).collect();
        let nodes: Vec<Node> = names.iter().zip(weights).map(|(n, &w)| Node::new(n.as_bytes(), w)).collect();
        warnings(distribution, hash, &nodes).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn crc32_and_ketama() {
        assert_eq!(
            texts(Distribution::Ketama, Hash::Crc32, &[1, 1, 1]),
            ["hash crc32 has 15 bits only: with distribution ketama all keys go to one of the 3 servers"]
        );
        assert!(texts(Distribution::Ketama, Hash::Crc32, &[1]).is_empty());
        assert!(texts(Distribution::Ketama, Hash::Crc32a, &[1, 1, 1]).is_empty());
    }

    #[test]
    fn crc32_and_modula() {
        assert!(texts(Distribution::Modula, Hash::Crc32, &[1, 1, 1]).is_empty());
        assert_eq!(
            texts(Distribution::Modula, Hash::Crc32, &[32768, 1]),
            ["hash crc32 has 15 bits only: with distribution modula all keys go to one of the 2 servers"]
        );
    }

    #[test]
    fn weights() {
        assert_eq!(
            texts(Distribution::Ketama, Hash::Md5, &[100_000, 1, 50_000]),
            ["server 'n1' gets no keys: its weight 1 is too small next to the others"]
        );
        assert!(texts(Distribution::Modula, Hash::Md5, &[100_000, 1]).is_empty());
        assert_eq!(
            texts(Distribution::Random, Hash::Md5, &[1, 2]),
            ["distribution random ignores the servers' weights"]
        );
        assert!(texts(Distribution::Random, Hash::Md5, &[2, 2]).is_empty());
        assert_eq!(
            texts(Distribution::LibmemcachedKetamaUnweighted, Hash::Md5, &[1, 2]),
            ["distribution libmemcached_ketama_unweighted ignores the servers' weights"]
        );
    }
}
