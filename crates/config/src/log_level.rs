//! Severity of a log line, as every configuration names it.
//!
//! The names are nsqd's; the native file takes the same ones.

/// Severity of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For whoever debugs Nuthatch itself.
    Debug,
    /// Normal operation.
    Info,
    /// Something an operator may want to look at.
    Warn,
    /// Something failed.
    Error,
    /// The process ends.
    Fatal,
}
