//! Errors of a flush: it could not be attempted, it failed, or the files have been moved.
//!
//! Only a flush that was attempted and failed poisons the journal; the others are retried.

/// The reason a flush made no progress.
#[derive(Debug)]
pub(super) enum FlushError {
    /// It could not be attempted.
    Refused(String),
    /// The journal's directory has been moved.
    Displaced,
    /// It was attempted and failed: the contents of the device are unknown.
    Failed(String),
}

/// State of a refused flush, until one succeeds.
#[derive(Debug)]
pub(super) struct FlushRefused {
    pub why: String,
    /// True if records go to files that a restart would not find.
    pub displaced: bool,
}
