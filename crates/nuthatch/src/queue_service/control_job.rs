//! Jobs of the queue's shard, and of `/config`, for the control thread.

use queue::authority::AuthQuery;
use queue::outside::{Asker, Notice};

/// A job for the control thread.
pub enum ControlJob {
    /// Identify a client.
    Auth(Asker, AuthQuery),
    /// Others may want to know.
    Notice(Notice),
    /// Which channels of this topic do others know?
    Channels(String),
    /// From now on these nsqlookupds are registered with.
    Lookups(Vec<String>),
}
