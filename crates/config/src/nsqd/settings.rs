//! Checked settings of nsqd, and the reason why it would not start.
//!
//! All but the log settings belong to the queue, which the native file configures as well.

use crate::checked::Queue;
use crate::log_level::LogLevel;

/// nsqd's settings from its flags and its file.
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
    /// nsqd's text, to follow `failed to instantiate nsqd - `.
    pub text: String,
    /// The flag at fault.
    pub flag: &'static str,
    /// Node id, if nsqd has logged its version and id before it finds the fault; else None.
    pub after_banner: Option<u16>,
}
