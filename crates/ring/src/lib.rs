//! Key in, index of a server out: a library without input and output.
//!
//! Its purpose and how to choose a hash are on the first page, `README.md`, which follows. Read on in
//! `ring.rs` (a pool's placement), then `continuum.rs` (the points of ketama) and `hash.rs`.
//!
#![doc = include_str!("../README.md")]
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
