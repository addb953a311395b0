//! The way in: from a client's bytes to a server's connection.

mod redis;
mod memcache;
mod admission;
mod refuse;
mod refused_transaction;
mod transaction;
mod private;
mod subscribe;
mod publish;
mod split;
mod every;
mod scan;
mod about;
mod forward;
mod embedded;
mod publish_embedded;
mod blocking;
mod replicas;
mod watch;
mod script;
mod first_key;
mod reader;

pub(crate) use embedded::wall_ms;
pub(crate) use first_key::first_key;
pub(crate) use split::merge_of;
pub(crate) use transaction::MULTI;

use bytes::Bytes;

/// Scanner state of a partly received request.
#[derive(Debug)]
pub(crate) enum Partial {
    Redis(wire::redis::RequestScanner),
    Memcache(wire::memcache::RequestScanner),
}

/// The bytes of a request on its way to a server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Frame<'a> {
    /// In a reused buffer: to be copied, or written at once.
    Slice(&'a [u8]),
    /// In its own memory.
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

/// Size from which requests and replies are passed on in their own memory.
pub(crate) const SHARE_MIN: usize = 64 * 1024;
