//! The registration protocol V1 between nsqd (client) and nsqlookupd (server).
//!
//! ```text
//! nsqd ──▶ "  V1" ▸ line '\n' …        IDENTIFY only: i32 size ▸ JSON
//! nsqd ◀── i32 size ▸ data             no frame type: only the text distinguishes an error from an answer
//! ```
//! Every error is fatal. [`scanner`](Scanner) is the server's side, [`request`] and [`read_response`] are the
//! client's, [`Node`] is the identity that they exchange. Sizes are checked before waiting for data: the
//! original crashes on a negative one.

mod node;
pub mod request;
mod scanner;

pub use node::Node;
pub use scanner::{Command, Refusal, Scan, Scanner};

/// Magic bytes nsqd sends first.
pub const MAGIC_V1: &[u8; 4] = b"  V1";

/// The answer to all commands but IDENTIFY.
pub const OK: &[u8] = b"OK";

/// Largest IDENTIFY body that our lookup server reads, in bytes. The original has no limit.
pub const IDENTIFY_BYTES_MAX: u32 = 1 << 20;

/// Appends a response as the server sends it.
pub fn write_response(out: &mut Vec<u8>, data: &[u8]) {
    out.extend_from_slice(&super::command::length(data.len()));
    out.extend_from_slice(data);
}

/// Outcome of scanning the server's response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadResponse<'a> {
    /// The response is incomplete; this many bytes are needed from its first one on.
    NeedMore {
        /// Total bytes.
        want: usize,
    },
    /// A complete response in the first `len` bytes.
    Done {
        /// Its data.
        data: &'a [u8],
        /// Its length.
        len: usize,
    },
    /// A size below zero or over the limit.
    Bad,
}

/// Reads the response at the start of `bytes`; its data may be `data_max` bytes long.
pub fn read_response(bytes: &[u8], data_max: usize) -> ReadResponse<'_> {
    let Some(size) = bytes.first_chunk() else { return ReadResponse::NeedMore { want: 4 } };
    let Ok(size) = usize::try_from(i32::from_be_bytes(*size)) else { return ReadResponse::Bad };
    if size > data_max {
        return ReadResponse::Bad;
    }
    match bytes.get(4..4 + size) {
        Some(data) => ReadResponse::Done { data, len: 4 + size },
        None => ReadResponse::NeedMore { want: 4 + size },
    }
}

#[cfg(test)]
mod tests;
