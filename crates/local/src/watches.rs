//! Memory of the watches: versions of keys that somebody watches, and keys that somebody waits for.
//!
//! `store/watch.rs` keeps it.

use std::collections::HashMap;

/// Versions of watched keys.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    pub(crate) keys: HashMap<Box<[u8]>, Watched>,
    pub(crate) last: u64,
    /// Keys that somebody waits for and that have changed.
    pub(crate) ready: Vec<Box<[u8]>>,
}

/// Version of a key, and the number of those who watch it or wait for it.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    pub(crate) version: u64,
    pub(crate) watchers: usize,
    pub(crate) waiting: usize,
}
