//! Where a connection to a server is: in which pool, at which server, which of its connections.
//!
//! It stays valid while the configuration does; whether a connection is open there is another question.

/// Names a connection to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) pool: u16,
    pub(crate) server: u16,
    /// Index in [`crate::server::Server::conns`].
    pub(crate) slot: u16,
}
