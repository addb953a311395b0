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
    /// Verify a password with a slow hash.
    Login(Asker, Proof, Ticket),
    /// A notice for the nsqlookupds.
    Notice(Notice),
    /// Query the nsqlookupds for the channels of this topic.
    Channels(String, Ticket),
    /// The set of nsqlookupds has changed.
    Lookups,
    /// Apply another identity towards authorization servers and lookups.
    Configure(Box<Outward>),
}
