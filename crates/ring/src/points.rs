//! Points of ketama's circle.
//!
//! Each live server gets about 160 points, shifted by its weight: the four little-endian words of
//! `MD5(identity-i)` for i = 0, 1, 2 … The server of a hash is that of the first point at or above it; past
//! the last point, that of the first. The number of points is nutcracker's single-precision sum, quirks
//! included: 25 equal servers get 156 each, and next to a weight of 100000 a weight of 1 gets none.

use crate::Hash;
use crate::hash::md5_words;
use crate::node::Node;

/// Points of a server of average weight.
const POINTS_PER_SERVER: f32 = 160.0;
/// One MD5 digest gives four points.
const POINTS_PER_DIGEST: f32 = 4.0;
/// Points of a server in libmemcached's ketama without weights.
const LIBMEMCACHED_POINTS_PER_SERVER: u32 = 100;
/// Length at which nutcracker cuts `identity-i`, which makes very long names repeat their points.
const POINT_NAME_BYTES_MAX: usize = 272;

/// A point of the circle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Position on the circle.
    pub value: u32,
    /// Index of the server it belongs to.
    pub server: u32,
}

/// nutcracker 0.5.0's ketama points of the live servers, in ring order (equal values: lower index first).
///
/// `nodes` are in index order ([`crate::sort_order`]); a server has no points if it is not live or its weight
/// is too small next to the others (see [`crate::warnings`]).
pub fn ketama_points(nodes: &[Node<'_>]) -> Vec<Point> {
    points(nodes, POINT_NAME_BYTES_MAX)
}

/// libmemcached's weighted ketama: the same sum, but names are never cut.
pub(crate) fn libmemcached_points(nodes: &[Node<'_>]) -> Vec<Point> {
    points(nodes, usize::MAX)
}

/// libmemcached's ketama for servers of equal weight: a fixed number of points, each the hash of a distinct
/// name.
pub(crate) fn libmemcached_unweighted_points(hash: Hash, nodes: &[Node<'_>]) -> Vec<Point> {
    let mut points = Vec::new();
    for (server, node) in nodes.iter().enumerate().filter(|(_, node)| node.live) {
        for i in 0..LIBMEMCACHED_POINTS_PER_SERVER {
            let name = [node.identity, b"-", i.to_string().as_bytes()].concat();
            points.push(Point { value: hash.hash(&name), server: server as u32 });
        }
    }
    points.sort_by_key(|point| point.value);
    points
}

fn points(nodes: &[Node<'_>], name_bytes_max: usize) -> Vec<Point> {
    let live = nodes.iter().filter(|node| node.live).count();
    let weight_total: u64 = nodes.iter().filter(|node| node.live).map(|node| u64::from(node.weight)).sum();
    let mut points = Vec::with_capacity(live * POINTS_PER_SERVER as usize);
    for (server, node) in nodes.iter().enumerate().filter(|(_, node)| node.live) {
        for i in 0..digests_of(node.weight, weight_total, live) {
            let mut name = [node.identity, b"-", i.to_string().as_bytes()].concat();
            name.truncate(name_bytes_max);
            points.extend(md5_words(&name).map(|value| Point { value, server: server as u32 }));
        }
    }
    // Servers were visited in index order and the sort is stable, so the lower index wins a tie. libmemcached
    // compares the index explicitly; nutcracker gets it from glibc's qsort.
    points.sort_by_key(|point| point.value);
    points
}

/// Number of digests (of four points each) of a server: single precision, evaluated left to right, as in C.
fn digests_of(weight: u32, weight_total: u64, live: usize) -> u32 {
    let share = weight as f32 / weight_total as f32;
    let digests = share * POINTS_PER_SERVER / POINTS_PER_DIGEST * live as f32;
    ((f64::from(digests) + 0.000_000_000_1) as f32).floor() as u32
}

#[cfg(test)]
#[allow(clippy::unreadable_literal, reason = "as the original prints them")]
mod tests {
    use super::*;

    fn nodes(weights: &[u32]) -> (Vec<String>, Vec<u32>) {
        ((0..weights.len()).map(|i| format!("n{i}")).collect(), weights.to_vec())
    }

    fn counts(weights: &[u32]) -> Vec<usize> {
        let (names, weights) = nodes(weights);
        let nodes: Vec<Node> = names.iter().zip(&weights).map(|(n, &w)| Node::new(n.as_bytes(), w)).collect();
        let points = ketama_points(&nodes);
        (0..nodes.len()).map(|i| points.iter().filter(|p| p.server == i as u32).count()).collect()
    }

    #[test]
    fn points_per_weight_as_nutcracker() {
        assert_eq!(counts(&[1]), [160]);
        assert_eq!(counts(&[3, 1]), [240, 80]);
        assert_eq!(counts(&[7, 2, 1]), [336, 96, 48]);
        assert_eq!(counts(&[10, 1]), [288, 28]);
        assert_eq!(counts(&[100_000, 1]), [316, 0]);
        assert_eq!(counts(&[u32::MAX; 2]), [160, 160]);
    }

    #[test]
    fn equal_pools_that_lose_points_to_single_precision() {
        let quirky: Vec<usize> = (1..=200).filter(|&n| digests_of(1, n as u64, n) == 39).collect();
        let published =
            [25, 47, 50, 55, 61, 71, 94, 100, 107, 109, 110, 115, 122, 142, 159, 163, 188, 193, 200];
        assert_eq!(quirky, published);
    }

    #[test]
    fn first_points_of_a_server() {
        assert_eq!(md5_words(b"alpha-0"), [3243656713, 1814199703, 3984918403, 3868781210]);
        assert_eq!(md5_words(b"alpha-1"), [1617178041, 2210623143, 712215768, 529641880]);
    }
}
