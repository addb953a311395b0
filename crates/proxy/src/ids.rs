//! Names of pools and servers that mean the same on every shard and are never given twice.
//!
//! The control thread gives them when it plans a [`crate::Generation`]; mail between threads names things by
//! them. On a shard they lead to its own keys ([`crate::keys`]) for as long as new requests and clients may
//! come: what drains has lost its id.

use std::collections::BTreeMap;

use crate::keys::{PoolKey, ServerKey};

/// Names a pool in all generations in which it serves its clients the same protocol from the same kind of
/// servers. The number is the tag of its listeners.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PoolId(pub u32);

/// Names a server in all generations in which the same connections can be used to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerId(pub u64);

/// One shard's keys by id.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    pub(crate) pools: BTreeMap<PoolId, PoolKey>,
    pub(crate) servers: BTreeMap<ServerId, ServerKey>,
    /// Ids from here on belong to generations that are still to come.
    pub(crate) pools_end: PoolId,
}
