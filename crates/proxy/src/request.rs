//! The way in: from a client's bytes to a server's connection.

mod redis;
mod memcache;
mod admission;
mod refuse;
mod transaction;
mod split;
mod every;
mod about;
mod forward;
mod embedded;

use bytes::Bytes;
use net::Input;

/// Scanner state of a request of which only a part has arrived.
#[derive(Debug)]
pub(crate) enum Partial {
    Redis(wire::redis::RequestScanner),
    Memcache(wire::memcache::RequestScanner),
}

/// A request as it is passed on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Frame<'a> {
    /// In a buffer that is used again: to be copied, or written at once.
    Slice(&'a [u8]),
    /// In memory of its own.
    Shared(&'a Bytes),
}

impl Frame<'_> {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Frame::Slice(bytes) => bytes,
            Frame::Shared(bytes) => bytes,
        }
    }
}

/// Requests and replies of at least this many bytes are handed on in memory of their own.
pub(crate) const SHARE_MIN: usize = 64 * 1024;

/// Takes the first `len` bytes of the input for a request that is passed on, in memory of their own if they
/// are many.
#[inline]
fn hand_on(input: &mut Input<'_>, len: usize, to: impl FnOnce(Frame<'_>)) {
    if len >= SHARE_MIN {
        to(Frame::Shared(&input.take(len)));
    } else {
        to(Frame::Slice(&input.bytes()[..len]));
        input.consume(len);
    }
}
