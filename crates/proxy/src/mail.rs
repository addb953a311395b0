//! Mail to the proxies of shards, from each other and from the control thread.
//!
//! Mail is sent and forgotten: no shard waits for another one.

use std::sync::Arc;

use net::Parcel;
use wire::upgrade;

use crate::client::Session;
use crate::keys::{PoolKey, ServerKey};

/// Mail to a shard's proxy.
#[derive(Debug)]
pub enum Mail {
    /// Another shard has ejected a server: all shards should use the same ring.
    Ejected {
        /// The server.
        server: ServerKey,
    },
    /// A client that this shard shall serve.
    Client(Box<Moved>),
    /// Clients are to go to the process that replaces this one; None: no more of them.
    HandOver(Option<HandOver>),
    /// A client that came from another process.
    Arrival(Box<Departure>),
}

/// A client on its way to another shard.
#[derive(Debug)]
pub struct Moved {
    pub(crate) pool: PoolKey,
    pub(crate) parcel: Parcel,
    /// None: it was only just accepted.
    pub(crate) session: Option<Session>,
}

/// A client on its way to another process, or from one.
#[derive(Debug)]
pub struct Departure {
    /// Shard that it was on.
    pub shard: usize,
    /// Its session and its pool.
    pub client: upgrade::Client,
    /// Its connection.
    pub parcel: Parcel,
}

/// A hand-over of clients to another process.
#[derive(Clone)]
pub struct HandOver {
    /// Pools that the other process serves.
    pub pools: Arc<[upgrade::Pool]>,
    /// Takes those that go. Never waits.
    pub send: Arc<dyn Fn(Departure) + Send + Sync>,
}

impl std::fmt::Debug for HandOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HandOver").field("pools", &self.pools).finish_non_exhaustive()
    }
}
