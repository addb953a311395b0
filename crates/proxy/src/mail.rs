//! Mail between the proxies of shards.
//!
//! Mail is sent and forgotten: no shard waits for another one.

use net::Parcel;

use crate::client::Session;
use crate::keys::{PoolKey, ServerKey};

/// Mail from other shards to a shard's proxy.
#[derive(Debug)]
pub enum Mail {
    /// Another shard has ejected a server: all shards should use the same ring.
    Ejected {
        /// The server.
        server: ServerKey,
    },
    /// A client that this shard shall serve.
    Client(Box<Moved>),
}

/// A client on its way to another shard.
#[derive(Debug)]
pub struct Moved {
    pub(crate) pool: PoolKey,
    pub(crate) parcel: Parcel,
    /// None: it was only just accepted.
    pub(crate) session: Option<Session>,
}
