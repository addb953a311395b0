//! modula: hash modulo the sum of weights.
//!
//! nutcracker lists each live server once per unit of weight and takes entry `hash % length`. Here the list
//! is a running sum of weights, so that a weight of a million costs nothing.

use crate::node::Node;

/// The live servers and the end of each one's share.
#[derive(Debug, Clone)]
pub(crate) struct Modula {
    /// Running sums of weights; the last is the length of nutcracker's list.
    ends: Vec<u64>,
    /// Index of the server of each share.
    servers: Vec<u32>,
    total: u64,
    /// Every weight is 1: the entry is the position.
    equal: bool,
}

impl Modula {
    /// None if no server is live, or all weights are 0.
    pub(crate) fn new(nodes: &[Node<'_>]) -> Option<Modula> {
        let mut modula = Modula { ends: Vec::new(), servers: Vec::new(), total: 0, equal: true };
        for (server, node) in nodes.iter().enumerate().filter(|(_, node)| node.live) {
            modula.total += u64::from(node.weight);
            modula.equal &= node.weight == 1;
            modula.ends.push(modula.total);
            modula.servers.push(server as u32);
        }
        if modula.total == 0 { None } else { Some(modula) }
    }

    /// Server of entry `hash % length`.
    #[inline]
    pub(crate) fn server_of_hash(&self, hash: u32) -> u32 {
        let entry = u64::from(hash) % self.total;
        let share = if self.equal { entry as usize } else { self.ends.partition_point(|&end| end <= entry) };
        self.servers.get(share).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_the_list_with_repeats() {
        for weights in [&[1u32, 1, 1][..], &[1, 2, 3, 1, 1], &[5], &[1_000_000, 1]] {
            let nodes: Vec<Node> = weights.iter().map(|&w| Node::new(b"", w)).collect();
            let modula = Modula::new(&nodes).expect("live");
            let list: Vec<u32> =
                weights.iter().enumerate().flat_map(|(i, &w)| vec![i as u32; w as usize]).collect();
            for hash in (0..5000).chain([u32::MAX, u32::MAX - 1]) {
                assert_eq!(
                    modula.server_of_hash(hash),
                    list[hash as usize % list.len()],
                    "{weights:?} {hash}"
                );
            }
        }
    }

    #[test]
    fn dead_servers_have_no_share() {
        let mut nodes = vec![Node::new(b"a", 1), Node::new(b"b", 2), Node::new(b"c", 1)];
        nodes[1].live = false;
        let modula = Modula::new(&nodes).expect("live");
        assert_eq!([0, 1, 2].map(|hash| modula.server_of_hash(hash)), [0, 2, 0]);
        for node in &mut nodes {
            node.live = false;
        }
        assert!(Modula::new(&nodes).is_none());
    }
}
