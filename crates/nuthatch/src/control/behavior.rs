//! Behaviour of a process that depends on its face.
//!
//! The original programs differ in signals, texts and exit statuses.

use crate::config_watch::Watched;
use crate::reload::source::Source;

/// Differences between faces.
pub struct FaceBehavior {
    /// Name and version of the service in the statistics.
    pub service: (&'static str, &'static str),
    /// Exit status after SIGINT; after SIGTERM and SIGQUIT it is 0.
    pub interrupted: u8,
    /// Signal texts are nutcracker's.
    pub nutcracker: bool,
    /// SIGHUP reads the configuration again.
    pub hangup_reloads: bool,
    /// The configuration of this process.
    pub source: Source,
    /// Its file, and the files that it names, with their state before they were
    /// read; None if they are not watched.
    pub watched: Option<Watched>,
}
