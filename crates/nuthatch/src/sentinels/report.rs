//! Reports of the tasks of a pool to its watch, and the pace that it sets them.

use std::time::Duration;

use proxy::{MasterView, NodeAddress, Role};
use tokio::sync::watch;
use wire::redis::sentinel::SentinelNode;

/// Interval between questions.
pub(super) type Pace = watch::Receiver<Duration>;

/// A report of a task.
pub(super) enum Report {
    /// A Sentinel's view of a master; None if it does not know the name.
    View {
        sentinel: NodeAddress,
        id: String,
        master: String,
        view: Option<MasterView>,
        /// Replicas beyond those that are read.
        left_out: usize,
        peers: Vec<SentinelNode>,
    },
    /// A Sentinel does not answer.
    Lost { sentinel: NodeAddress },
    /// A Sentinel tells of an event about a master.
    Event { master: String },
    /// The role of a node.
    Role { node: NodeAddress, role: Role },
}
