//! One connection: a socket, its input, its output and its stage of life.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;

use crate::layer::Stack;
use crate::outbox::Outbox;
use crate::stream::Stream;
use crate::{Instant, LayerFault, TimerId};

#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) stream: Stream,
    pub(crate) stage: Stage,
    /// Bytes shown to the app and not consumed; holds no memory when empty.
    pub(crate) inbox: BytesMut,
    /// Input length the app is waiting for before it can continue.
    pub(crate) want: usize,
    pub(crate) outbox: Outbox,
    pub(crate) flags: Flags,
    pub(crate) opening: Option<Box<Opening>>,
    pub(crate) timer: Option<TimerId>,
    pub(crate) layers: Option<Box<Stack>>,
    /// Bytes for a client whose first byte is not TLS.
    pub(crate) plain_answer: &'static [u8],
}

/// State of a connection's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The name is being resolved or the connect is in progress.
    Opening,
    /// Open in both directions.
    Open,
    /// The app has finished it: queued output is written, then the sending side is shut down.
    Finishing,
    /// The sending side is shut down; further input is discarded until the peer closes too, because a reset
    /// from the kernel would destroy what was sent last.
    Lingering,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flags {
    pub(crate) paused: bool,
    /// The kernel may have more to read: the last event was not read to its end.
    pub(crate) readable: bool,
    /// The peer has sent FIN, according to the last event.
    pub(crate) peer_done: bool,
    /// The peer's FIN was reported to the app.
    pub(crate) ended: bool,
    /// In the shard's list of connections to write to.
    pub(crate) dirty: bool,
    /// True for an outgoing connection.
    pub(crate) outgoing: bool,
    /// The peer has sent something.
    pub(crate) heard: bool,
    /// In the shard's list of connections to read from.
    pub(crate) queued: bool,
    /// The last write was short: wait for a writable event.
    pub(crate) blocked: bool,
    pub(crate) notify_drained: bool,
    /// Unconsumed input must be shown again (after a resume).
    pub(crate) show_again: bool,
    /// A layer was pushed and has not seen its first input.
    pub(crate) layer_pushed: bool,
    /// A layer was pushed in an invalid position, or could not be created.
    pub(crate) layer_bad: Option<LayerFault>,
    /// An outgoing TLS connection before the end of its handshake: `connected` is not reported yet.
    pub(crate) greeting: bool,
    /// The app finished it before the handshake was done: its output leaves after the handshake.
    pub(crate) finish_after_handshake: bool,
    /// The layers hold input that they have not decoded.
    pub(crate) layer_more: bool,
}

/// State needed only until an outgoing connection is established.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    /// Addresses not tried yet.
    pub(crate) addresses: VecDeque<SocketAddr>,
    /// Deadline of the whole connect.
    pub(crate) deadline: Instant,
    /// The resolver has not answered yet.
    pub(crate) unresolved: bool,
    pub(crate) keepalive: Option<Duration>,
    /// The last failure, reported when no address is left.
    pub(crate) errno: Option<i32>,
}

impl Conn {
    pub(crate) fn new(stream: Stream, stage: Stage) -> Conn {
        Conn {
            stream,
            stage,
            inbox: BytesMut::new(),
            want: 0,
            outbox: Outbox::default(),
            flags: Flags::default(),
            opening: None,
            timer: None,
            layers: None,
            plain_answer: b"",
        }
    }

    /// Memory held for this connection, in both directions.
    pub(crate) fn held(&self) -> usize {
        inbox_memory(&self.inbox) + self.outbox.memory() + self.layers_memory()
    }

    pub(crate) fn layers_memory(&self) -> usize {
        self.layers.as_ref().map_or(0, |layers| layers.memory())
    }

    /// True until the handshake of a layer is done.
    pub(crate) fn handshaking(&self) -> bool {
        self.layers.as_ref().is_some_and(|layers| layers.handshaking())
    }

    /// True for a client that has not said anything to the app yet.
    pub(crate) fn is_silent(&self) -> bool {
        self.stage == Stage::Open && !self.flags.outgoing && (!self.flags.heard || self.handshaking())
    }

    /// Bytes sent by the app that the kernel has not accepted or the layers have not encoded.
    pub(crate) fn unsent(&self) -> usize {
        self.outbox.len() + self.layers.as_ref().map_or(0, |layers| layers.gathered())
    }
}

/// Memory of unconsumed input. Capacity reserved far ahead of the bytes (a large buffer doubles when it
/// grows) does not count yet: the system provides pages as they are written.
#[inline]
pub(crate) fn inbox_memory(inbox: &BytesMut) -> usize {
    const TOUCHED: usize = 64 * 1024;
    inbox.capacity().min(inbox.len() + TOUCHED)
}
