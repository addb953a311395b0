//! Destinations of a log: the standard error or a file.
//!
//! Opening it, and opening it anew for rotation, is the writer's.

use std::path::PathBuf;

/// Destination of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard error.
    Stderr,
    /// Appended to a file, made with mode 0644 if absent.
    File(PathBuf),
}
