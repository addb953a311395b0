//! Limits on a peer's input.
//!
//! Every count and length that a scanner reads is checked against one of these before it stores or waits for
//! anything. The tests cover each maximum and one past it.

/// Limits on one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Arguments of one request, the command's name included.
    pub arguments_max: usize,
    /// Bytes of one argument (Redis: `proto-max-bulk-len`).
    pub bulk_bytes_max: usize,
    /// Bytes of an inline command, without its line end (Redis: `PROTO_INLINE_MAX_SIZE`).
    pub inline_bytes_max: usize,
    /// Bytes of a whole request on the wire. Never more than 4 GiB - 1, whatever this says.
    pub request_bytes_max: usize,
    /// False until the client has authenticated: errors then say `unauthenticated`, as in Redis. See
    /// [`Limits::unauthenticated`].
    pub authenticated: bool,
}

impl Default for Limits {
    /// 1,048,576 arguments, 512 MB an argument, 64 KB an inline command, 1 GB a request, as Redis.
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
    /// Limits of a client that must authenticate first: 10 arguments of 16,384 bytes, as Redis since 6.2.
    pub fn unauthenticated() -> Self {
        Limits { arguments_max: 10, bulk_bytes_max: 16 * 1024, authenticated: false, ..Limits::default() }
    }
}

/// Limits on one reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyLimits {
    /// Elements of one aggregate (a map of n pairs has 2n).
    pub elements_max: usize,
    /// Bytes of one bulk, verbatim string or bulk error.
    pub bulk_bytes_max: usize,
    /// Bytes of one line: simple strings, errors, numbers.
    pub line_bytes_max: usize,
    /// Nesting depth of aggregates: 1 allows only a flat array.
    pub depth_max: usize,
    /// Bytes of a whole reply on the wire. Never more than 4 GiB - 1, whatever this says.
    pub reply_bytes_max: usize,
}

impl ReplyLimits {
    /// 268,435,456 elements, 512 MB a bulk, 1 MB a line, 8192 levels, 4 GiB - 1 in all. Scripts of Redis
    /// return fewer levels, since their stack has 8,000 places. These only distinguish a reply from garbage;
    /// the receiver limits the memory of a reply.
    pub const DEFAULT: ReplyLimits = ReplyLimits {
        elements_max: 1 << 28,
        bulk_bytes_max: 512 * 1024 * 1024,
        line_bytes_max: 1024 * 1024,
        depth_max: 8192,
        reply_bytes_max: u32::MAX as usize,
    };
}

impl Default for ReplyLimits {
    fn default() -> Self {
        ReplyLimits::DEFAULT
    }
}
