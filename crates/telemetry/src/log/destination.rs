//! Destinations of a log: standard error or a file.
//!
//! The writer opens them, and reopens files for rotation.

use std::path::PathBuf;

/// Destination of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard error.
    Stderr,
    /// A file, appended to; created with mode 0644 if absent.
    File(PathBuf),
}
