//! Settings of nsqd as checked, and the reason for which it would not start.
//!
//! All but the log is the queue's, which the native file configures as well.

use crate::checked::Queue;
use crate::log_level::LogLevel;

/// nsqd as its flags and its file say.
#[derive(Debug, Clone, PartialEq)]
pub struct Nsqd {
    /// Its queue.
    pub queue: Queue,
    /// Least severe level that is logged.
    pub log_level: LogLevel,
    /// Prefix of each log line.
    pub log_prefix: String,
}

/// The reason nsqd would not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// nsqd's words, to follow `failed to instantiate nsqd - `.
    pub text: String,
    /// The flag that is at fault.
    pub flag: &'static str,
    /// nsqd has logged its version and id when it finds this out; None if not, else that id.
    pub after_banner: Option<u16>,
}
