//! One connection: a socket, what arrived on it, what is on its way out, and where it is in its life.

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
    /// Bytes that were shown to the app and not consumed; without memory when empty.
    pub(crate) inbox: BytesMut,
    /// The app cannot do anything before `inbox` has this many bytes.
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
    /// Both ways.
    Open,
    /// The app is done with it: what is queued is written, then the sending side is shut.
    Finishing,
    /// The sending side is shut; what still arrives is thrown away until the peer closes too, so that the
    /// kernel does not answer it with a reset that would destroy what we sent last.
    Lingering,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flags {
    pub(crate) paused: bool,
    /// The kernel may have more to read: the last event was not read to its end.
    pub(crate) readable: bool,
    /// The peer has sent FIN, as far as the last event tells.
    pub(crate) peer_done: bool,
    /// The app was told of the peer's FIN.
    pub(crate) ended: bool,
    /// In the shard's list of connections to write to.
    pub(crate) dirty: bool,
    /// We opened it.
    pub(crate) outgoing: bool,
    /// In the shard's list of connections to read from.
    pub(crate) queued: bool,
    /// The last write was short: wait for the kernel to say that there is room.
    pub(crate) blocked: bool,
    pub(crate) notify_drained: bool,
    /// Unconsumed input must be shown again (after a resume).
    pub(crate) show_again: bool,
    /// A layer was pushed and has not seen its first input.
    pub(crate) layer_pushed: bool,
    /// A layer was pushed where it cannot stand, or could not be made.
    pub(crate) layer_bad: Option<LayerFault>,
    /// We opened it with TLS, whose handshake is not done: the app does not know yet that it is connected.
    pub(crate) greeting: bool,
    /// The app has finished it before the handshake was done: what it sent leaves once that is.
    pub(crate) finish_after_handshake: bool,
    /// The layers have input left that they have not decoded.
    pub(crate) layer_more: bool,
}

/// State needed only until a connection that we opened is established.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    /// Addresses not tried yet.
    pub(crate) addresses: VecDeque<SocketAddr>,
    /// Deadline of all of it.
    pub(crate) deadline: Instant,
    /// The resolver has not answered yet.
    pub(crate) unresolved: bool,
    pub(crate) keepalive: Option<Duration>,
    /// The last failure, told when no address is left.
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

    /// Memory held for this connection, both ways.
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

    /// Bytes that the app has sent and the kernel has not taken, or its layers have not encoded.
    pub(crate) fn unsent(&self) -> usize {
        self.outbox.len() + self.layers.as_ref().map_or(0, |layers| layers.gathered())
    }
}

/// Memory of what has arrived and was not consumed. What is reserved far ahead of the bytes (a large buffer
/// doubles when it grows) is not memory yet: the system gives pages as they are written.
#[inline]
pub(crate) fn inbox_memory(inbox: &BytesMut) -> usize {
    const TOUCHED: usize = 64 * 1024;
    inbox.capacity().min(inbox.len() + TOUCHED)
}
