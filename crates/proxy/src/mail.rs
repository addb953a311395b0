//! Mail to a shard's proxy, from other shards and from the control thread.
//!
//! Senders do not wait: no shard waits for another one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::{fmt, io};

use net::{ListenOptions, Listener, ListenerId, Parcel};
use wire::upgrade;

use crate::client::Session;
use crate::gate::Verified;
use crate::generation::Generation;
use crate::ids::{PoolId, ServerId};

/// Mail to a shard's proxy.
#[derive(Debug)]
pub enum Mail {
    /// The next generation to serve.
    Generation(Box<Step>),
    /// An operator returns an ejected server to the ring without a probe.
    Restore {
        /// The server.
        server: ServerId,
    },
    /// Another shard has ejected a server; all shards should use the same ring.
    Ejected {
        /// The server.
        server: ServerId,
    },
    /// A client for this shard to serve.
    Client(Box<Moved>),
    /// A login of a client was verified.
    Verified(Verified),
    /// Starts the hand-over of clients to the process that replaces this one; None stops it.
    HandOver(Option<HandOver>),
    /// A client that came from another process.
    Arrival(Box<Departure>),
    /// A script that another shard's client has loaded.
    Script {
        /// Its pool.
        pool: PoolId,
        /// Its text; None if all scripts were removed.
        text: Option<Arc<[u8]>>,
        /// Counts the letters on their way.
        letter: Arc<()>,
    },
}

/// A doubt about the topology of a pool, for the control thread: a server cannot be reached, or is not what
/// it was taken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// Name of the pool.
    pub pool: String,
}

/// A client moving to another shard.
#[derive(Debug)]
pub struct Moved {
    pub(crate) pool: PoolId,
    pub(crate) parcel: Parcel,
    /// Its address; None for a unix socket.
    pub(crate) from: Option<SocketAddr>,
    /// None if it was only just accepted.
    pub(crate) session: Option<Session>,
}

/// A client moving to or from another process.
#[derive(Debug)]
pub struct Departure {
    /// Shard it was on.
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
    /// Takes the clients handed over. Never blocks.
    pub send: Arc<dyn Fn(Departure) + Send + Sync>,
}

impl std::fmt::Debug for HandOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HandOver").field("pools", &self.pools).finish_non_exhaustive()
    }
}

/// A step to another generation.
#[derive(Debug)]
pub struct Step {
    /// The generation.
    pub generation: Arc<Generation>,
    /// Listeners of this shard to add, change and remove.
    pub listeners: Vec<ListenerChange>,
    /// Called once the step is taken.
    pub receipt: Receipt,
}

/// A change of a listener. Its tag is the number of its pool's [`PoolId`].
#[derive(Debug)]
pub enum ListenerChange {
    /// Adds it.
    Listen(Listener),
    /// Assigns its new clients to another pool, or changes their options.
    Set(ListenerId, ListenOptions),
    /// Removes it.
    Unlisten(ListenerId),
}

/// Acknowledges mail: called once the shard has acted on it, dropped if it never will. An error means that a
/// listener could not be added; everything else is done.
pub struct Receipt(pub Box<dyn FnOnce(io::Result<()>) + Send>);

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receipt")
    }
}
