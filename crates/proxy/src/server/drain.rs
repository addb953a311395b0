//! A server on its way out, as far as it concerns the server alone: until when, and what its connections
//! still owe. The rest is in [`crate::drains`].

use net::{Instant, TimerId};

use crate::keys::{PoolKey, ServerKey};
use crate::server::connection::ServerConn;
use crate::server::pending::Owner;

/// State of a server whose connections are on their way out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drain {
    /// Time at which requests that are not answered fail.
    pub(crate) until: Instant,
    /// The server goes with its last connection.
    pub(crate) leaves: bool,
}

/// Servers and pools on their way out.
#[derive(Debug, Default)]
pub(crate) struct Drains {
    pub(crate) servers: Vec<ServerKey>,
    pub(crate) pools: Vec<PoolKey>,
    pub(crate) timer: Option<TimerId>,
}

impl ServerConn {
    /// True if somebody waits for what comes on it.
    pub(crate) fn owes(&self) -> bool {
        let is_passed_on = self.passage.as_ref().is_some_and(|passage| passage.client().is_some());
        let mut waiting = self.line.iter().skip(self.expired);
        is_passed_on || waiting.any(|pending| !matches!(pending.owner, Owner::Handshake(_)))
    }
}
