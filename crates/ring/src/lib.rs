//! Key in, index of a server out: a library without I/O.
//!
//! `README.md`, included below, explains its purpose and how to choose a hash. Then read `ring.rs` (a pool's
//! placement), `points.rs` (the points of ketama) and `hash.rs`.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod table;

// Key to hash.
mod hash;
mod tag;
mod slot;

// Hash to server.
mod distribution;
mod node;
mod ring;

mod points;
mod modula;
mod random;

// Around a pool: the order of its servers, and warnings.
mod order;
mod warning;

pub use distribution::Distribution;
pub use hash::Hash;
pub use node::Node;
pub use order::{libmemcached_identity, sort_order};
pub use points::{Point, ketama_points};
pub use random::Random;
pub use ring::Ring;
pub use slot::{SLOTS, key_slot};
pub use tag::tagged;
pub use warning::{Warning, warnings};
