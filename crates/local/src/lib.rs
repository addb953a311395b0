//! The embedded cache, a library without input and output.
//!
//! Its purpose, its differences from the originals and its limits are on the first page, `README.md`, which
//! follows. Then read `store.rs` (entries under a byte limit) and the tables of commands, `redis.rs` and
//! `memcache.rs`.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod memcache;
pub mod redis;
mod decimal;
mod dump;
mod entry;
mod events;
mod eviction;
mod index;
mod keyspace;
mod lua;
mod published;
mod scripts;
mod store;
mod value;
mod watches;

pub use memcache::counters::Surroundings;
pub use published::{Audience, Published};
pub use store::{Counters, Store};
