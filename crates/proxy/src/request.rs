//! The way in: from a client's bytes to a server's connection.

mod receive;
mod admission;
mod redis;
mod memcache;
mod refuse;
mod transaction;
mod split;
mod every;
mod about;
mod forward;
mod embedded;

use bytes::Bytes;

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
