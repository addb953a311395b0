//! Malformed requests: the line that memcached 1.6.18 answers with, and where the stream continues.

/// The reason a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// No such command, or a wrong number of arguments.
    Unknown,
    /// An invalid argument.
    Argument,
    /// A line longer than the limit.
    LineTooLong,
    /// A data block longer than the limit.
    TooLarge,
    /// The data block does not end at the announced length.
    DataChunk,
    /// Another protocol.
    Protocol,
    /// Well-formed, but no server is needed: the reply suffices.
    Answered,
}

/// Action on a request that cannot be forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadRequest {
    /// The reason.
    pub cause: Cause,
    /// The reply to the client, in the request's place. Empty if memcached sends none (`noreply`).
    pub reply: &'static [u8],
    /// Bytes to drop, counted from the frame's first; they may not all have arrived. The next request starts
    /// after them.
    pub skip: u64,
    /// The start of the next request is unknown: close the connection after the reply and stop reading.
    pub close: bool,
}

pub(super) const ERROR: &[u8] = b"ERROR\r\n";
pub(super) const BAD_FORMAT: &[u8] = b"CLIENT_ERROR bad command line format\r\n";
pub(super) const BAD_DATA: &[u8] = b"CLIENT_ERROR bad data chunk\r\n";
pub(super) const BAD_EXPTIME: &[u8] = b"CLIENT_ERROR invalid exptime argument\r\n";
pub(super) const BAD_DELTA: &[u8] = b"CLIENT_ERROR invalid numeric delta argument\r\n";
pub(super) const BAD_DELETE: &[u8] =
    b"CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n";
pub(super) const TOO_LARGE: &[u8] = b"SERVER_ERROR object too large for cache\r\n";
pub(super) const TOO_LONG: &[u8] = b"CLIENT_ERROR line too long\r\n";
pub(super) const BINARY: &[u8] = b"CLIENT_ERROR the binary protocol is not supported\r\n";
pub(super) const STATS_ARGUMENT: &[u8] =
    b"CLIENT_ERROR stats with this argument is not available through a proxy\r\n";
pub(super) const END: &[u8] = b"END\r\n";

pub(super) const META_FORMAT: &[u8] = b"CLIENT_ERROR bad command line format\r\n";
pub(super) const META_TOO_MANY_GET: &[u8] = b"CLIENT_ERROR options flags are too long\r\n";
pub(super) const META_TOO_MANY: &[u8] = b"CLIENT_ERROR options flags too long\r\n";
pub(super) const META_DUPLICATE: &[u8] = b"CLIENT_ERROR duplicate flag\r\n";
pub(super) const META_INVALID: &[u8] = b"CLIENT_ERROR invalid flag\r\n";
pub(super) const META_INVALID_OR_DUPLICATE: &[u8] = b"CLIENT_ERROR invalid or duplicate flag\r\n";
pub(super) const META_KEY: &[u8] = b"CLIENT_ERROR error decoding key\r\n";
pub(super) const META_TOKEN: &[u8] = b"CLIENT_ERROR bad token in command line format\r\n";
pub(super) const META_MODE_LENGTH: &[u8] = b"CLIENT_ERROR incorrect length for M token\r\n";
pub(super) const META_INITIAL: &[u8] = b"CLIENT_ERROR invalid numeric initial value\r\n";
pub(super) const META_DELTA: &[u8] = b"CLIENT_ERROR invalid numeric delta value\r\n";
pub(super) const META_OPAQUE: &[u8] = b"CLIENT_ERROR opaque token too long\r\n";
pub(super) const META_MODE_SET: &[u8] = b"CLIENT_ERROR invalid mode for ms M token\r\n";
pub(super) const META_MODE_ARITHMETIC: &[u8] = b"CLIENT_ERROR invalid mode for ma M token\r\n";

impl BadRequest {
    /// Answers, and continues after `skip` bytes.
    pub(super) fn skip(cause: Cause, reply: &'static [u8], skip: usize) -> Self {
        BadRequest { cause, reply, skip: skip as u64, close: false }
    }

    /// Answers, and closes.
    pub(super) fn close(cause: Cause, reply: &'static [u8]) -> Self {
        BadRequest { cause, reply, skip: 0, close: true }
    }

    /// Drops the reply if the client wants none and stays connected. A disconnected client gets the reason.
    pub(super) fn unless_noreply(mut self, noreply: bool) -> Self {
        if noreply && !self.close {
            self.reply = b"";
        }
        self
    }
}
