//! Requests that wait for an element of the embedded cache, found by key, by client and by deadline.
//!
//! `request/blocking.rs` keeps them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use net::{ConnId, Instant};

use crate::client::Seq;
use crate::keys::ServerKey;

/// Waiting requests, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Blocked {
    pub(crate) requests: BTreeMap<u64, Waiting>,
    pub(crate) by_key: HashMap<Box<[u8]>, BTreeSet<u64>>,
    pub(crate) by_client: HashMap<ConnId, u64>,
    pub(crate) deadlines: BTreeSet<(Instant, u64)>,
    pub(crate) last: u64,
}

/// A request that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) client: ConnId,
    pub(crate) seq: Seq,
    pub(crate) server: ServerKey,
    pub(crate) frame: Box<[u8]>,
    pub(crate) keys: Vec<Box<[u8]>>,
    pub(crate) deadline: Option<Instant>,
}
