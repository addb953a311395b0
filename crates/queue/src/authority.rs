//! Who may do what: the seam to whatever answers AUTH.
//!
//! The shard asks and goes on; the answer comes back as mail. What a client may do is an opaque [`Grant`], so that the rules
//! for topics and channels (regular expressions, from an HTTP server) live elsewhere.

use std::fmt;
use std::time::Duration;

/// What a client wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// SUB.
    Subscribe,
    /// PUB, MPUB, DPUB: the channel is the empty string.
    Publish,
}

/// A client asks for its rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthQuery {
    /// Its address without port; empty on a unix socket.
    pub remote_ip: String,
    /// Whether it uses TLS.
    pub tls: bool,
    /// Subject common name of its certificate; empty without.
    pub common_name: String,
    /// The body of AUTH.
    pub secret: Vec<u8>,
}

/// What the authority has granted.
pub trait Grant: Send + fmt::Debug {
    /// Who the client is.
    fn identity(&self) -> &str;
    /// Where more is to be learnt about it.
    fn identity_url(&self) -> &str;
    /// How many authorizations there are.
    fn permission_count(&self) -> usize;
    /// How long it holds.
    fn ttl(&self) -> Duration;
    /// Whether it covers this.
    fn allows(&self, access: Access, topic: &str, channel: &str) -> bool;
}

/// The outcome of a query: the text of a failure is for the log.
pub type AuthAnswer = Result<Box<dyn Grant>, String>;
