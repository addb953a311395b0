//! Limits on what a peer may send.
//!
//! Every count and every length that a scanner reads is held against one of these before anything is kept or
//! waited for. The tests stand at each maximum and one past it.

/// Limits on one request of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Arguments of one request, the command's name included.
    pub arguments_max: usize,
    /// Bytes of one argument (Redis: `proto-max-bulk-len`).
    pub bulk_bytes_max: usize,
    /// Bytes of an inline command, without its line end (Redis: `PROTO_INLINE_MAX_SIZE`).
    pub inline_bytes_max: usize,
    /// Bytes of a whole request as it stands on the wire. Never more than 4 GiB - 1 is accepted, whatever
    /// this says.
    pub request_bytes_max: usize,
    /// False until the client has given its password: errors then say `unauthenticated`, as Redis does. See
    /// [`Limits::unauthenticated`].
    pub authenticated: bool,
}

impl Default for Limits {
    /// 1,048,576 arguments, 512 MB an argument, 64 KB an inline command, 1 GB a request: as Redis.
    fn default() -> Self {
        Limits {
            arguments_max: 1_048_576,
            bulk_bytes_max: 512 * 1024 * 1024,
            inline_bytes_max: 64 * 1024,
            request_bytes_max: 1024 * 1024 * 1024,
            authenticated: true,
        }
    }
}

impl Limits {
    /// Limits of a client that has still to give its password where one is needed: 10 arguments of 16,384
    /// bytes, as Redis since 6.2.
    pub fn unauthenticated() -> Self {
        Limits { arguments_max: 10, bulk_bytes_max: 16 * 1024, authenticated: false, ..Limits::default() }
    }
}

/// Limits on one reply of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyLimits {
    /// Elements of one aggregate (a map of n pairs has 2n).
    pub elements_max: usize,
    /// Bytes of one bulk, verbatim string or bulk error.
    pub bulk_bytes_max: usize,
    /// Bytes of one line: simple strings, errors, numbers.
    pub line_bytes_max: usize,
    /// Aggregates inside each other: 1 allows a flat array only.
    pub depth_max: usize,
    /// Bytes of a whole reply as it stands on the wire. Never more than 4 GiB - 1 is accepted, whatever this
    /// says.
    pub reply_bytes_max: usize,
}

impl ReplyLimits {
    /// 268,435,456 elements, 512 MB a bulk, 1 MB a line, 32 levels, 4 GiB - 1 in all. These only tell a reply
    /// from garbage; what memory a reply may take is for its receiver to say.
    pub const DEFAULT: ReplyLimits = ReplyLimits {
        elements_max: 1 << 28,
        bulk_bytes_max: 512 * 1024 * 1024,
        line_bytes_max: 1024 * 1024,
        depth_max: 32,
        reply_bytes_max: u32::MAX as usize,
    };
}

impl Default for ReplyLimits {
    fn default() -> Self {
        ReplyLimits::DEFAULT
    }
}
