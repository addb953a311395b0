//! The reasons for which a flush gives nothing: it could not be tried, it was tried in vain, or the files are
//! elsewhere.
//!
//! Only a flush that was tried and failed poisons the journal; the others are tried again.

/// The reason nothing new is known to be on the device.
#[derive(Debug)]
pub(super) enum FlushError {
    /// It could not be tried.
    Refused(String),
    /// The journal's directory is not where it was.
    Displaced,
    /// It was tried and failed: nobody knows what the device has.
    Failed(String),
}

/// The reason the last flush was refused, until one succeeds.
#[derive(Debug)]
pub(super) struct FlushRefused {
    pub why: String,
    /// True if records go to files that a restart does not find.
    pub displaced: bool,
}
