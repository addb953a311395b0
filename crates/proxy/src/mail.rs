//! What the proxies of shards tell each other.
//!
//! Mail is sent and forgotten: no shard waits for another one.

use net::Parcel;

use crate::client::Session;

/// What other shards tell a shard's proxy.
#[derive(Debug)]
pub enum Mail {
    /// Another shard has ejected a server: all shards should use the same ring.
    Ejected {
        /// Index of the pool.
        pool: u16,
        /// Index of the server.
        server: u16,
    },
    /// A client that this shard shall serve.
    Client(Box<Moved>),
}

/// A client on its way to another shard.
#[derive(Debug)]
pub struct Moved {
    pub(crate) pool: u16,
    pub(crate) parcel: Parcel,
    /// None: it was only just accepted.
    pub(crate) session: Option<Session>,
}
