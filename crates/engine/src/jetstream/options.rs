//! Options of the connection to NATS.
//!
//! They come checked: addresses and names are not looked at again.

use async_nats::ConnectOptions;

/// Addresses of NATS, and the names used there.
#[derive(Clone)]
pub struct Options {
    /// Addresses, `nats://HOST:PORT` or `tls://HOST:PORT`.
    pub servers: Vec<String>,
    /// The login of this process.
    pub login: Login,
    /// TLS on every connection. `None`: none, unless a server asks for it.
    pub tls: Option<rustls::ClientConfig>,
    /// Servers that keep each message.
    pub replicas: usize,
    /// Beginning of the names of streams, subjects and buckets; [valid](crate::is_valid_prefix).
    pub prefix: String,
    /// Distinguishes this process from all others with the same prefix; letters and digits.
    pub node: String,
}

/// A login at the servers.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// None.
    Nobody,
    /// User and password.
    User(String, String),
    /// Seed of an nkey.
    Nkey(String),
    /// Content of a file of credentials: a JWT and a seed.
    Credentials(String),
}

impl Login {
    /// Checks what is written, which no server sees: the checksum of a seed, the form of credentials.
    ///
    /// # Errors
    /// The fault.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Login::Nobody | Login::User(..) => Ok(()),
            Login::Nkey(seed) => nkeys::KeyPair::from_seed(seed).map(drop).map_err(|e| e.to_string()),
            Login::Credentials(text) => {
                ConnectOptions::new().credentials(text).map(drop).map_err(|e| e.to_string())
            }
        }
    }

    /// Adds it to the options of a connection. Unusable credentials are left out, see [`Login::check`].
    pub(super) fn add_to(&self, options: ConnectOptions) -> ConnectOptions {
        match self {
            Login::Nobody => options,
            Login::User(user, password) => options.user_and_password(user.clone(), password.clone()),
            Login::Nkey(seed) => options.nkey(seed.clone()),
            Login::Credentials(text) => options.credentials(text).unwrap_or_default(),
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Options { servers, replicas, prefix, node, .. } = self;
        write!(f, "Options {{ {servers:?}, {replicas} replicas, {prefix}, {node} }}")
    }
}
