//! A transaction as one piece of bytes, kept until its outcome: see [`crate::detour`].

use bytes::Bytes;

use crate::keys::{DetourId, LaneKey, ServerKey};

/// A transaction that may be sent again.
#[derive(Debug)]
pub(crate) struct Piece {
    /// All requests, MULTI and EXEC included.
    pub(crate) bytes: Bytes,
    /// End of each.
    ends: Vec<usize>,
    /// Hash slot of its first key.
    pub(crate) slot: u16,
    /// Number of its lane, the same at every server.
    pub(crate) number: u16,
    /// Server that it was last sent to, or is for; None while no node is known.
    pub(crate) server: Option<ServerKey>,
    /// It was lost on a connection before it left.
    pub(crate) is_unsent: bool,
    pub(crate) detour: Option<DetourId>,
}

impl Piece {
    /// Makes a piece of these requests, with keys of this slot, for this lane of this server, if one is
    /// known.
    pub(crate) fn new<'a>(
        requests: impl Iterator<Item = &'a [u8]>,
        slot: u16,
        (number, server): (u16, Option<ServerKey>),
    ) -> Piece {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for request in requests {
            bytes.extend_from_slice(request);
            ends.push(bytes.len());
        }
        Piece { bytes: bytes.into(), ends, slot, number, server, is_unsent: false, detour: None }
    }

    /// The connection that it was last sent on, or is for.
    pub(crate) fn lane(&self) -> Option<LaneKey> {
        Some(LaneKey { server: self.server?, number: self.number })
    }

    /// Its memory in bytes.
    pub(crate) fn memory(&self) -> usize {
        size_of::<Piece>() + self.bytes.len() + self.ends.capacity() * size_of::<usize>()
    }

    /// All requests.
    pub(crate) fn requests(&self) -> impl Iterator<Item = Bytes> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| self.bytes.slice(start..*end))
    }
}
