//! Notices for the operator: the proxy gives them, whoever runs the proxy logs them.

/// Something worth a line in the log. Quiet when all is well.
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
    /// A connection to a server was lost with requests on it, or could not be opened. Said once until the
    /// server works again.
    ServerFailed {
        /// Pool name.
        pool: String,
        /// Server identity.
        server: String,
        /// In words.
        reason: String,
    },
    /// A server works again after [`Notice::ServerFailed`].
    ServerWorks {
        /// Pool name.
        pool: String,
        /// Server identity.
        server: String,
    },
    /// A server refused our password, HELLO 3 or our database. Said once until it accepts a handshake.
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
    /// A client was closed after a refused command that those behind it depend on. Given once a minute for
    /// each pool and shard.
    ClientRefused {
        /// Pool name.
        pool: String,
        /// The command's name.
        command: &'static str,
    },
    /// Somebody has failed to log in. Given once a second at most, for all pools and shards together.
    LoginFailed {
        /// Pool name.
        pool: String,
        /// User that was tried; None if there is no such user.
        user: Option<String>,
        /// Address that it came from; None for a unix socket.
        address: Option<String>,
    },
    /// TLS with a client failed. Given once a second for each pool and shard.
    ClientTls {
        /// Pool name.
        pool: String,
        /// Fault of the client, in words.
        reason: String,
    },
    /// A server was lost in the middle of a large reply, of which its client had got the beginning: the
    /// client was closed.
    ReplyCut {
        /// Pool name.
        pool: String,
        /// Server identity.
        server: String,
    },
    /// Accepting ran out of file descriptors.
    Starved {
        /// The system's words.
        error: String,
    },
}
