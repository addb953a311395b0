//! Drain state of one server: its time limit, and whether its connections still owe replies. The rest is in
//! [`crate::drains`].

use net::{Instant, TimerId};

use crate::keys::{PoolKey, ServerKey};
use crate::server::connection::ServerConn;

/// State of a draining server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drain {
    /// Time at which unanswered requests fail.
    pub(crate) until: Instant,
    /// The server is removed with its last connection.
    pub(crate) leaves: bool,
}

/// Draining servers and removed pools.
#[derive(Debug, Default)]
pub(crate) struct Drains {
    pub(crate) servers: Vec<ServerKey>,
    pub(crate) pools: Vec<PoolKey>,
    pub(crate) timer: Option<TimerId>,
}

impl ServerConn {
    /// True if a reply that is still wanted is due on it.
    pub(crate) fn owes(&self) -> bool {
        let is_passed_on = self.passage.as_ref().is_some_and(|passage| passage.client().is_some());
        let mut waiting = self.line.iter().skip(self.expired);
        is_passed_on || waiting.any(|pending| !pending.owner.is_ours())
    }
}
