//! The two special targets: their lines pass at every level.
//!
//! A `tracing` target is usually the module that logs; these two name the kind of a line instead.

/// Target of lines that pass at every level.
pub const ALWAYS: &str = "always";
/// Target of lines about a received signal; they pass at every level.
pub const SIGNAL: &str = "signal";
