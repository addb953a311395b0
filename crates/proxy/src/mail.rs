//! Mail to a shard's proxy, from those of other shards and from the control thread.
//!
//! Mail is sent and forgotten: no shard waits for another one.

use std::net::IpAddr;
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
    /// The generation that the shard is to serve from now on.
    Generation(Box<Step>),
    /// An operator wants an ejected server back in the ring, without a probe.
    Restore {
        /// The server.
        server: ServerId,
    },
    /// Another shard has ejected a server: all shards should use the same ring.
    Ejected {
        /// The server.
        server: ServerId,
    },
    /// A client that this shard shall serve.
    Client(Box<Moved>),
    /// A login of a client was verified.
    Verified(Verified),
    /// Clients are to go to the process that replaces this one; None: no more of them.
    HandOver(Option<HandOver>),
    /// A client that came from another process.
    Arrival(Box<Departure>),
}

/// A client on its way to another shard.
#[derive(Debug)]
pub struct Moved {
    pub(crate) pool: PoolId,
    pub(crate) parcel: Parcel,
    /// Its address; None for a unix socket.
    pub(crate) from: Option<IpAddr>,
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

/// A step to another generation.
#[derive(Debug)]
pub struct Step {
    /// The generation.
    pub generation: Arc<Generation>,
    /// Listeners of this shard that come, change and go with it.
    pub listeners: Vec<ListenerChange>,
    /// Called once the step is taken.
    pub receipt: Receipt,
}

/// A listener that comes, changes or goes. Its tag is the number of its pool's [`PoolId`].
#[derive(Debug)]
pub enum ListenerChange {
    /// It comes.
    Listen(Listener),
    /// Its new clients belong to another pool, or get other options.
    Set(ListenerId, ListenOptions),
    /// It goes.
    Unlisten(ListenerId),
}

/// Acknowledges a letter: called once the shard has done what it says, dropped if it never will. An error
/// says that a listener could not be added; all else is done.
pub struct Receipt(pub Box<dyn FnOnce(io::Result<()>) + Send>);

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receipt")
    }
}
