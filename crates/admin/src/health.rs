//! Whether this process can do its work: for load balancers and orchestrators, which take a process that cannot out.
//!
//! It cannot if a pool has no server left, if the queue cannot write its journal, or if the queue does not answer. Everything
//! else is trouble, shown on the page, and no reason to be taken out: an ejected server is no better elsewhere.

use crate::status::{PoolState, Status};

/// Why it cannot; empty if it can.
pub(crate) fn reasons(status: &Status) -> Vec<String> {
    let down = status.pools.iter().filter(|pool| pool.state == PoolState::Down);
    let mut reasons: Vec<String> =
        down.map(|pool| format!("pool {}: every server is ejected", pool.name)).collect();
    if let Some(queue) = &status.queue {
        if !queue.answers {
            reasons.push("queue: it does not answer".into());
        }
        reasons.extend(queue.fault.iter().map(|fault| format!("queue: {fault}")));
    }
    reasons
}
