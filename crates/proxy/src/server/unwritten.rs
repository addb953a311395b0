//! Requests at the end of a connection's line that are not known to be written.
//!
//! They are counted when they are sent; `written` finds out when they have left.

/// Requests at the end of a connection's line that may be unwritten.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Unwritten {
    /// Their number; those answered meanwhile included.
    pub(crate) count: u32,
    /// Their bytes.
    pub(crate) bytes: usize,
    /// The connection is in `Proxy::unwritten`.
    pub(crate) listed: bool,
}

impl Unwritten {
    /// Adds a request. True if the connection is to be listed.
    #[inline]
    pub(crate) fn add(&mut self, len: usize) -> bool {
        self.count += 1;
        self.bytes += len;
        !std::mem::replace(&mut self.listed, true)
    }

    /// Adds a request of the handshake, which is not measured.
    pub(crate) fn add_handshake(&mut self) {
        self.count += 1;
    }

    /// State of a connection whose requests are lost.
    pub(crate) fn of_lost(self) -> Unwritten {
        Unwritten { listed: self.listed, ..Unwritten::default() }
    }
}
