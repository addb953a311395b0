//! Options of the connection to NATS.
//!
//! They come checked: addresses and names are not looked at again.

/// Addresses of NATS, and the names used there.
#[derive(Clone, PartialEq, Eq)]
pub struct Options {
    /// Addresses, `nats://HOST:PORT` or `tls://HOST:PORT`.
    pub servers: Vec<String>,
    /// User and password, if the servers want them.
    pub login: Option<(String, String)>,
    /// Servers that keep each message.
    pub replicas: usize,
    /// Beginning of the names of streams, subjects and buckets; [valid](crate::is_valid_prefix).
    pub prefix: String,
    /// Distinguishes this process from all others with the same prefix; letters and digits.
    pub node: String,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Options { servers, replicas, prefix, node, .. } = self;
        write!(f, "Options {{ {servers:?}, {replicas} replicas, {prefix}, {node} }}")
    }
}
