//! A connection of the simulated loop.

use bytes::BytesMut;
use net::TimerId;

use crate::network::LinkId;

/// Stages of a connection's life, as in `net`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Opening,
    Open,
    Finishing,
    Lingering,
}

#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) link: Option<LinkId>,
    /// Server that it was opened to: an index of the world's backends.
    pub(crate) backend: Option<usize>,
    pub(crate) stage: Stage,
    pub(crate) inbox: BytesMut,
    pub(crate) want: usize,
    pub(crate) outbox: BytesMut,
    /// Bytes in front of the outbox that have left since it was empty.
    pub(crate) torn: Vec<u8>,
    pub(crate) paused: bool,
    pub(crate) readable: bool,
    pub(crate) ended: bool,
    pub(crate) dirty: bool,
    pub(crate) queued: bool,
    pub(crate) blocked: bool,
    pub(crate) notify_drained: bool,
    pub(crate) show_again: bool,
    /// True if input always lies in the connection's own buffer, as behind a layer.
    pub(crate) always_owned: bool,
    pub(crate) timer: Option<TimerId>,
    /// Unsent bytes when a finished connection's timer was set.
    pub(crate) left: usize,
}
