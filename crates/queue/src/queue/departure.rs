//! A move of a topic that is being prepared at the engine.

use std::collections::VecDeque;

use engine::Change;

use crate::request::Reply;

/// Changes at the engine, each of the topic or of one of its channels.
pub(super) type Steps = VecDeque<(Option<String>, Change)>;

/// A move that is being prepared.
pub(super) struct Departure {
    pub topic: String,
    /// Changes that are still to be made.
    pub steps: Steps,
    pub reply: Reply,
}
