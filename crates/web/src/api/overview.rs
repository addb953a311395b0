//! All topics with their sums over the source, for the list of topics.
//!
//! Gathered at most once in [`FRESH`], however many look: with ten thousand topics the statistics of a queue
//! have some megabytes.

use std::time::Duration;

use super::warnings::Warnings;
use crate::figures::TopicRow;

/// Age up to which topics are shown again.
pub(crate) const FRESH: Duration = Duration::from_secs(2);

/// All topics, and what went wrong while they were gathered.
#[derive(Debug, Default)]
pub(crate) struct Overview {
    pub topics: Vec<TopicRow>,
    pub warnings: Warnings,
}
