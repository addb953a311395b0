//! Jobs of the queue's shard, and of `/config`, for the control thread.

use queue::authority::AuthQuery;
use queue::outside::{Asker, Notice};

use super::quota::Ticket;

/// A job for the control thread.
pub enum ControlJob {
    /// Identify a client.
    Auth(Asker, AuthQuery, Ticket),
    /// Others may want to know.
    Notice(Notice),
    /// Asks the nsqlookupds for the channels of this topic that they know.
    Channels(String, Ticket),
    /// Other nsqlookupds are registered with from now on.
    Lookups,
}
