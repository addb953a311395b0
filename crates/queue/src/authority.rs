//! Authorization: the interface to the service that answers AUTH.
//!
//! The shard sends a query and goes on; the answer comes back as mail. A client's rights are an opaque
//! [`Grant`], so that the rules for topics and channels (regular expressions, from an HTTP server) live
//! elsewhere.

use std::fmt;
use std::time::Duration;

use wire::nsq::auth::Secret;

/// Purpose of a client's command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// SUB.
    Subscribe,
    /// PUB, MPUB, DPUB: the channel is the empty string.
    Publish,
}

/// A query for a client's rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthQuery {
    /// Its address without port; empty on a unix socket.
    pub remote_ip: String,
    /// True under TLS.
    pub tls: bool,
    /// Subject common name of its certificate; empty without one.
    pub common_name: String,
    /// The body of AUTH.
    pub secret: Secret,
}

/// Rights granted by the authority.
pub trait Grant: Send + fmt::Debug {
    /// The client's identity.
    fn identity(&self) -> &str;
    /// URL of a page about the client.
    fn identity_url(&self) -> &str;
    /// Number of authorizations.
    fn permission_count(&self) -> usize;
    /// Time for which they are valid.
    fn ttl(&self) -> Duration;
    /// True if they allow this.
    fn allows(&self, access: Access, topic: &str, channel: &str) -> bool;
}

/// The outcome of a query: the text of a failure is for the log.
pub type AuthAnswer = Result<Box<dyn Grant>, String>;
