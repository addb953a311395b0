//! The server that a cache key lives on: twemproxy's hashes and distributions, bit-exact.
//!
//! A fleet of cache servers is only useful while everybody agrees where a key is. This crate gives the same
//! answer as nutcracker 0.5.0 (twemproxy) for each of its 12 hashes, 3 distributions, weights, server names,
//! hash tags and ejected servers; and as libmemcached for its ketama, weighted and not. No socket, no clock, no global state.
//!
//! ```
//! use nuthatch_ring::{Distribution, Hash, Node, Ring, sort_order, tagged};
//!
//! // nutcracker puts the servers of a pool in its own order first: identity length, then bytes.
//! let identities = ["alpha", "beta", "gamma", "delta10", "eps"];
//! let order = sort_order(&identities);
//! let mut nodes: Vec<Node> = order.iter().map(|&i| Node::new(identities[i].as_bytes(), 1)).collect();
//!
//! let mut ring = Ring::build(Distribution::Ketama, Hash::Md5, &nodes);
//! let key = tagged(b"{user:1}:cart", Some(*b"{}")); // user:1
//! let server = ring.server_of_key(key).expect("some server is live");
//!
//! // A server went away: the others share its keys.
//! nodes[server].live = false;
//! ring.rebuild(&nodes);
//! assert_ne!(ring.server_of_key(key), Some(server));
//! ```
//!
//! # Choosing
//!
//! Compatibility decides in an old fleet. In a new one take `ketama` with `murmur`, `one_at_a_time`, `jenkins`
//! or `md5`. The default `fnv1a_64` mixes the last bytes of a key so little that runs of similar keys stay
//! together. `crc32` has 15 bits only, so with ketama all keys land on one server: [`warnings`] says so.
#![forbid(unsafe_code)]

mod table;

// Key to hash.
mod hash;
mod tag;

// Hash to server.
mod distribution;
mod node;
mod ring;

mod continuum;
mod modula;
mod random;

// Around a pool: how servers are numbered, and what is wrong with it.
mod order;
mod warning;

pub use continuum::{Point, ketama_points};
pub use distribution::Distribution;
pub use hash::Hash;
pub use node::Node;
pub use order::{libmemcached_identity, sort_order};
pub use random::Random;
pub use ring::Ring;
pub use tag::tagged;
pub use warning::{Warning, warnings};
