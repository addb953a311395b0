//! Jobs of the queue's shard, and of `/config`, for the control thread.

use queue::authority::AuthQuery;
use queue::outside::{Asker, Notice};

/// A job for the control thread.
pub enum ControlJob {
    /// Identify a client.
    Auth(Asker, AuthQuery),
    /// Others may want to know.
    Notice(Notice),
    /// Asks the nsqlookupds for the channels of this topic that they know.
    Channels(String),
    /// From now on these nsqlookupds are registered with.
    Lookups(Vec<String>),
}
