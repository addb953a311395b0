//! Refusals, as memcached 1.6.18 words them.
//!
//! Texts that one command alone gives stand beside that command.

/// Wrong words: an answer that the client gets, without the line end.
pub(super) type Refusal = &'static str;

/// Memcached's answer to most of what it cannot read.
pub(super) const BAD_FORMAT: Refusal = "CLIENT_ERROR bad command line format";
