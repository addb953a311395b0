//! Error answers in memcached 1.6.18's words.
//!
//! Texts of a single command are defined next to that command.

/// An error line for the client, without the line end.
pub(super) type Refusal = &'static str;

/// memcached's answer to most malformed lines.
pub(super) const BAD_FORMAT: Refusal = "CLIENT_ERROR bad command line format";
