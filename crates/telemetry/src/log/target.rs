//! The two targets that are special: their lines pass at every level.
//!
//! A target of `tracing` is usually the module that logs; these two say what a line is instead.

/// Target of lines that every level lets pass.
pub const ALWAYS: &str = "always";
/// Target of lines about a signal that arrived; every level lets them pass.
pub const SIGNAL: &str = "signal";
