//! Jobs of the queue's shard, and of `/config`, for the control thread.

use access::Proof;
use queue::auth::Authenticator;
use queue::authority::AuthQuery;
use queue::outside::{Asker, Notice};
use wire::nsq::lookup::Node;

use super::quota::Ticket;

/// Identity of the queue towards authorization servers and lookups.
pub struct Outward {
    /// Identifies clients.
    pub authenticator: Authenticator,
    /// Our identity for lookups.
    pub node: Node,
    /// Limit on an answer of a lookup.
    pub response_bytes_max: usize,
}

/// A job for the control thread.
pub enum ControlJob {
    /// Identify a client.
    Auth(Asker, AuthQuery, Ticket),
    /// Verify a password that is slow to verify.
    Login(Asker, Proof, Ticket),
    /// Others may want to know.
    Notice(Notice),
    /// Asks the nsqlookupds for the channels of this topic that they know.
    Channels(String, Ticket),
    /// Other nsqlookupds are registered with from now on.
    Lookups,
    /// From now on clients are identified by these servers, and lookups are told this node.
    Configure(Box<Outward>),
}
