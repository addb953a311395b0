//! Ids of pools and servers that mean the same on every shard and are never reused.
//!
//! The control thread assigns them when it plans a [`crate::Generation`]; mail between threads uses them. A
//! shard maps them to its own keys ([`crate::keys`]) while new requests and clients may come: a draining pool
//! or server has no id any more.

use std::collections::BTreeMap;

use crate::keys::{PoolKey, ServerKey};

/// Id of a pool in all generations in which it serves its clients the same protocol from the same kind of
/// servers. The number is the tag of its listeners.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PoolId(pub u32);

/// Id of a server in all generations in which its connections can be reused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerId(pub u64);

/// One shard's keys by id.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    pub(crate) pools: BTreeMap<PoolId, PoolKey>,
    pub(crate) servers: BTreeMap<ServerId, ServerKey>,
    /// First id of generations that are still to come.
    pub(crate) pools_end: PoolId,
}
