//! Notices for the operator: emitted by the proxy, logged by its owner.

/// An event worth a line in the log. There are none in normal operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A server was taken out of the ring.
    Ejected {
        /// Pool name.
        pool: String,
        /// Server identity.
        server: String,
        /// The reason the last attempt failed.
        reason: String,
    },
    /// A server answered its probe and is in the ring again.
    Returned {
        /// Pool name.
        pool: String,
        /// Server identity.
        server: String,
    },
    /// A connection to a server was lost with requests on it, or could not be opened. Reported once until the
    /// server works again.
    ServerFailed {
        /// Pool name.
        pool: String,
        /// Server identity.
        server: String,
        /// The reason, as text.
        reason: String,
    },
    /// A server works again after [`Notice::ServerFailed`].
    ServerWorks {
        /// Pool name.
        pool: String,
        /// Server identity.
        server: String,
    },
    /// A server refused the pool's password, HELLO 3 or the pool's database. Reported once until it accepts a
    /// handshake.
    HandshakeRefused {
        /// Pool name.
        pool: String,
        /// Server identity.
        server: String,
        /// The server's words.
        answer: String,
    },
    /// A client was closed because it does not read its replies, or because memory ran out.
    ClientOverflow {
        /// Pool name.
        pool: String,
        /// Reply bytes held for it.
        bytes: usize,
    },
    /// A client was closed after a refused stateful command. At most once a minute per pool and shard.
    ClientRefused {
        /// Pool name.
        pool: String,
        /// The command's name.
        command: &'static str,
    },
    /// A login failed. At most once a second, over all pools and shards.
    LoginFailed {
        /// Pool name.
        pool: String,
        /// User tried; None if there is no such user.
        user: Option<String>,
        /// Address of the client; None for a unix socket.
        address: Option<String>,
    },
    /// TLS with a client failed. At most once a second per pool and shard.
    ClientTls {
        /// Pool name.
        pool: String,
        /// The fault, as text.
        reason: String,
    },
    /// A server was lost in the middle of a large reply that was being streamed: the client was closed.
    ReplyCut {
        /// Pool name.
        pool: String,
        /// Server identity.
        server: String,
    },
    /// Subscriptions of channels and patterns were lost with their connection to a server, and are made
    /// again: subscribers may have missed messages.
    SubscriptionsLost {
        /// Pool name.
        pool: String,
        /// Server identity.
        server: String,
        /// Number of subscriptions.
        count: u64,
    },
    /// Accepting ran out of file descriptors.
    Starved {
        /// The system's error text.
        error: String,
    },
}
