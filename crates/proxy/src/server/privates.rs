//! The private connections of a server: which client has each, and who waits for one. The rest is in
//! [`crate::server::private`].

use std::collections::VecDeque;

use net::{ConnId, Instant};
use wire::redis::BlockTime;

use crate::keys::LaneKey;

/// A private connection.
#[derive(Debug)]
pub(crate) struct Private {
    /// It speaks RESP3.
    pub(crate) resp3: bool,
    /// Database that is selected on it.
    pub(crate) db: u32,
    /// Client that has it.
    pub(crate) user: Option<ConnId>,
    /// Time its client's request may block, beyond the pool's timeout.
    pub(crate) blocks: Option<BlockTime>,
}

/// A private connection that its client has left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Departed {
    pub(crate) lane: LaneKey,
    pub(crate) user: ConnId,
    /// The server may know of watched keys.
    pub(crate) watched: bool,
}

/// The private connections of a server.
#[derive(Debug, Default)]
pub(crate) struct Privates {
    pub(crate) all: Vec<Private>,
    /// Clients that wait for one, with the time each gives up.
    pub(crate) waiting: VecDeque<(ConnId, Instant)>,
}
