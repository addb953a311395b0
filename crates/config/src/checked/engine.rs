//! Settings of the engine that keeps topics outside this process.

use std::path::PathBuf;

use super::tls::TlsToServers;
use crate::secret::Secret;

/// An engine: NATS with its `JetStream`.
#[derive(Debug, Clone, PartialEq)]
pub struct Engine {
    /// Its servers, `nats://HOST:PORT`; at least one.
    pub servers: Vec<String>,
    /// Bytes of a topic that may wait here to be forwarded; 0: no limit.
    pub forward_bytes_max: u64,
    /// Servers that keep each message.
    pub replicas: usize,
    /// Beginning of the names used there: letters, digits, `_` and `-`.
    pub prefix: String,
    /// TLS on every connection. None: none, unless NATS asks for it.
    pub tls: Option<TlsToServers>,
    /// The login of this process.
    pub login: EngineLogin,
}

/// A login at NATS.
#[derive(Debug, Clone, PartialEq)]
pub enum EngineLogin {
    /// None.
    Nobody,
    /// A user with its password.
    User(String, Option<Secret>),
    /// The seed of an nkey.
    Nkey(Secret),
    /// A file with a JWT and a seed.
    Credentials(PathBuf),
}
