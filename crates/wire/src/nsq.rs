//! The NSQ protocols: nsqd's V2 (clients) and nsqlookupd's V1 (registration).
//!
//! ```text
//! client ─▶ "  V2" ▸ command ▸ command …       command = words '\n' [ u32 size ▸ body ]
//! client ◀─ frame ▸ frame …                    frame   = u32 size ▸ i32 type ▸ data          size = 4 + data
//! message frame data                           i64 timestamp ▸ u16 attempts ▸ 16 hex digits ▸ body
//! ```
//! Integers are big-endian; a length is read as *signed* 32 bits, so that ffffffff is the size -1 and is
//! refused.
//!
//! Reading order: [`Scanner`] turns bytes into a [`Command`] and makes every check that needs no knowledge of
//! topics, in nsqd's order; [`Refusal`] is every error a client can get, with its text; [`frame`] is the
//! output direction. [`identify`] is the negotiation, [`auth`] the result of AUTH, [`lookup`] the other
//! protocol, [`http_mpub`] the bodies of `POST /mpub`.
//!
//! Nothing here allocates for bytes merely announced: a body counts only once its bytes have arrived, and the
//! caller learns how many to wait for. The exact rules and texts are those of nsqd 1.3.0.

pub mod auth;
mod batch;
mod command;
mod decimal;
pub mod frame;
pub mod fuzzing;
mod go;
pub mod http_mpub;
pub mod identify;
mod json;
pub mod lookup;
mod message_id;
mod name;
mod refusal;
mod scanner;
mod verb;

#[cfg(test)]
mod golden;

pub use batch::Messages;
pub use command::{Command, write_mpub};
pub use message_id::{MessageId, RawId};
pub use name::{NAME_BYTES_MAX, is_ephemeral, valid_name};
pub use refusal::{Code, Missing, Refusal};
pub use scanner::{Gate, Magic, Scan, Scanner, magic};
pub use verb::{ClientState, Verb};

/// Magic bytes a client sends first.
pub const MAGIC_V2: &[u8; 4] = b"  V2";

/// Longest command line with its line feed (the size of nsqd's read buffer). A longer one closes the
/// connection.
pub const LINE_BYTES_MAX: usize = 16_384;

/// Limits on a client's input. The defaults are nsqd's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest message body (`max-msg-size`), bytes.
    pub message_bytes_max: u64,
    /// Largest body of IDENTIFY, AUTH and MPUB (`max-body-size`), bytes. For MPUB also the sum of what is
    /// actually parsed.
    pub body_bytes_max: u64,
    /// Largest RDY count (`max-rdy-count`).
    pub ready_max: u64,
    /// Longest REQ delay (`max-req-timeout`), milliseconds: longer ones are clamped.
    pub requeue_ms_max: u64,
    /// Longest DPUB delay, milliseconds: longer ones are refused. nsqd uses `max-req-timeout` instead.
    pub defer_ms_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            message_bytes_max: 1_048_576,
            body_bytes_max: 5_242_880,
            ready_max: 2_500,
            requeue_ms_max: 3_600_000,
            defer_ms_max: 3_600_000,
        }
    }
}
