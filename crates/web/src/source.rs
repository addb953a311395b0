//! Source of figures over all topics: the queue of this process, or a fleet over HTTP.
//!
//! Pages and API show both alike. The process answers with its figures as they are; a fleet is asked, and its
//! answers are parsed and merged.

mod fleet;
mod own;

use std::collections::BTreeMap;
use std::pin::Pin;

use crate::figures::{Count, TopicRow};
use crate::fleet::Outcome;

/// A source of figures.
pub(crate) trait Source: Send + Sync {
    /// All topics, by name.
    ///
    /// # Errors
    /// If nobody answers.
    fn topics(&self) -> Pending<'_, Vec<TopicRow>>;

    /// Messages of each channel on each queue, by `TOPIC:CHANNEL:NODE`.
    ///
    /// # Errors
    /// If nobody answers.
    fn counts(&self) -> Pending<'_, BTreeMap<String, Count>>;
}

/// An answer under way.
pub(crate) type Pending<'a, T> = Pin<Box<dyn Future<Output = Outcome<T>> + Send + 'a>>;
