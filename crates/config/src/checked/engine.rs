//! Settings of the engine that keeps topics outside this process.

use access::Glob;

use crate::secret::Secret;

/// An engine: NATS with its `JetStream`.
#[derive(Debug, Clone, PartialEq)]
pub struct Engine {
    /// Its servers, `nats://HOST:PORT`; at least one.
    pub servers: Vec<String>,
    /// Globs of the topics that are created there, as written.
    pub topics: Vec<String>,
    /// A publication is accepted here first, and forwarded.
    pub accept_locally: bool,
    /// Bytes of a topic that may wait here to be forwarded; 0: no limit.
    pub forward_bytes_max: u64,
    /// Servers that keep each message.
    pub replicas: usize,
    /// Beginning of the names used there: letters, digits, `_` and `-`.
    pub prefix: String,
    /// User of NATS.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
}

impl Engine {
    /// The globs, parsed.
    pub fn globs(&self) -> Vec<Glob> {
        self.topics.iter().map(|glob| Glob::new(glob.as_bytes())).collect()
    }
}
