//! A move of a topic that is being prepared at the engine.

use std::collections::VecDeque;

use engine::Change;

use crate::request::Reply;

/// Changes at the engine, each of the topic or of one of its channels.
pub(super) type Steps = VecDeque<(Option<String>, Change)>;

/// The channel through which what waited for a first channel is moved, to all channels.
pub(super) const ALL: &str = "all.moving";

/// A move that is being prepared.
pub(super) struct Departure {
    pub topic: String,
    /// Changes that are still to be made.
    pub steps: Steps,
    pub reply: Reply,
}
