//! Series of the last hour: their names, and the host that keeps them.
//!
//! A series has a point each [`STEP_SECONDS`], [`POINTS`] at most, oldest first; NaN where nothing is known.

use crate::frame::Verdict;

/// Seconds between two points.
pub const STEP_SECONDS: u64 = 10;
/// Most points of a series: an hour.
pub const POINTS: usize = 360;

/// Name of a series: the words of its subject (`pool`, `alpha`), and what is measured.
pub fn key(subject: &[&str], measure: &str) -> String {
    let mut key = String::new();
    for word in subject {
        key.push_str(word);
        // No name has this character.
        key.push('\u{1f}');
    }
    key.push_str(measure);
    key
}

/// A change made by a person, for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManualChange {
    /// Subject: `topic t, channel c`, `pool a, server s`, `configuration`.
    pub subject: String,
    /// The change and its result: `emptied`, `ejected by hand`.
    pub text: String,
    /// Name of the user; empty if none is known.
    pub user: String,
    /// Address of the client.
    pub from: String,
}

/// The process around the pages.
pub trait Host: Send + Sync {
    /// The points of a series; None if it is not kept.
    fn series(&self, key: &str) -> Option<Vec<f32>>;

    /// The state of the process in a word or two.
    fn verdict(&self) -> Option<Verdict>;

    /// Names under which browsers may open the pages, besides addresses and the machine's own.
    fn http_names(&self) -> Vec<String>;

    /// Records a change made by a person.
    fn record(&self, change: ManualChange);
}
