//! Figures of topics and channels in lists over all of them.
//!
//! Both sources (`source`) give these shapes: the process from what it has sampled, a fleet by merging.

use serde::Serialize;

/// A topic summed over its channels and queues.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TopicRow {
    /// Its name.
    pub name: String,
    /// Channels; one of several queues counts once.
    pub channels: usize,
    /// Messages waiting in the topic and its channels.
    pub waiting: i64,
    /// Messages in flight.
    pub in_flight: i64,
    /// Messages not yet due.
    pub deferred: i64,
    /// Messages published.
    pub published: i64,
    /// Messages set aside after too many attempts.
    pub dead: i64,
    /// Consumers.
    pub consumers: i64,
    /// Bytes of its journals.
    pub stored: i64,
    /// True if it or a channel of it is paused, on some queue.
    pub paused: bool,
    /// Queues that have it.
    pub nodes: usize,
    /// True if messages wait in a channel without a consumer that is not paused.
    pub lonely: bool,
    /// Its rates, if the source knows them.
    pub rates: Option<Rates>,
}

/// Messages per second, lately.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rates {
    /// Published.
    pub published: f64,
    /// Finished, over all channels.
    pub finished: f64,
    /// Change of waiting messages; negative if they become fewer.
    pub growth: f64,
}

/// Messages of a channel on a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Count {
    /// The queue.
    pub node: String,
    /// The topic.
    pub topic_name: String,
    /// The channel.
    pub channel_name: String,
    /// Messages so far.
    pub message_count: i64,
}
