//! The embedded cache: what `servers = ["local"]` puts behind a pool instead of a Redis or memcached server.
//!
//! A [`Store`] keeps strings under a byte limit and answers requests of either protocol in place: bytes of a
//! request and the time in, bytes of the reply out. It touches no socket, no clock and no log. One shard owns it, so
//! nothing is locked.
//!
//! ```text
//! Store::execute_redis    ▸ redis::COMMANDS    ▸ redis/{string, counter, key, expire}  ┐
//!                                                                                      ├▸ store (quick_cache)
//! Store::execute_memcache ▸ memcache::COMMANDS ▸ memcache/{fetch, update, touch, meta} ┘
//! ```
//!
//! Both protocols see one kind of [`store::Entry`]: value, client flags, cas unique, time it dies. Replies and error
//! texts are those of Redis 7.0 and memcached 1.6.18; the tests beside the crate ask the real ones. What is different
//! on purpose:
//!
//! - Redis: strings only. Every other command gets an error that says so.
//! - A value that can never fit under the byte limit is refused (`-OOM …`, `SERVER_ERROR out of memory …`).
//! - An expired entry goes when it is next asked for, or when its room is needed; until then `DBSIZE` and
//!   `curr_items` count it.
//! - `flush_all N` takes effect after N seconds; memcached is a second early.
//! - A key that was created in base64 stays marked so; memcached forgets it on append, on growth of a counter and on
//!   vivification, and then puts raw bytes of the key into its replies.

pub mod memcache;
pub mod redis;
mod store;

pub(crate) use memcache::counters::Surroundings;
pub use store::{Counters, Store};
