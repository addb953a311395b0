//! The registration protocol V1 between nsqd (client) and nsqlookupd (server).
//!
//! ```text
//! nsqd ──▶ "  V1" ▸ line '\n' …        IDENTIFY only: i32 size ▸ JSON
//! nsqd ◀── i32 size ▸ data             no frame type: an error is told from an answer by its text
//! ```
//! Every error is fatal. [`scanner`](Scanner) is the server's side, [`request`] and [`read_response`] are the
//! client's, [`Node`] is what the two tell each other. A size is checked before anything is waited for: the
//! original dies of a negative one.

mod node;
pub mod request;
mod scanner;

pub use node::Node;
pub use scanner::{Command, Refusal, Scan, Scanner};

/// Magic bytes nsqd sends first.
pub const MAGIC_V1: &[u8; 4] = b"  V1";

/// The answer to all commands but IDENTIFY.
pub const OK: &[u8] = b"OK";

/// Largest body of IDENTIFY that our lookup server reads, bytes. The original has no limit.
pub const IDENTIFY_BYTES_MAX: u32 = 1 << 20;

/// Appends a response as the server sends it.
pub fn write_response(out: &mut Vec<u8>, data: &[u8]) {
    out.extend_from_slice(&super::command::length(data.len()));
    out.extend_from_slice(data);
}

/// Outcome of scanning a lookup's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadResponse<'a> {
    /// The response is not whole; this many bytes are needed from its first one on.
    NeedMore {
        /// Total bytes.
        want: usize,
    },
    /// A whole response in the first `len` bytes.
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
