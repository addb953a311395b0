//! What the queue's shard, and `/config`, have the control thread do or find out.

use queue::authority::AuthQuery;
use queue::outside::{Asker, Notice};

/// What the control thread is to do or to find out.
pub enum Question {
    /// Who is this client?
    Auth(Asker, AuthQuery),
    /// Others may want to know.
    Notice(Notice),
    /// Which channels of this topic do others know?
    Channels(String),
    /// From now on these nsqlookupds are registered with.
    Lookups(Vec<String>),
}
