//! Configuration generations as shown: the one in force, the outcome of the last reload, and manual changes.

use serde::{Deserialize, Serialize};

/// The generation in force, and the outcome of the last reload.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Generations {
    /// Number of the generation in force; the first is 1.
    pub generation: u64,
    /// Time it came into force, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// The last reload, if it failed.
    pub failure: Option<Failure>,
    /// Changes in the file that wait for a restart.
    pub needs_restart: Vec<String>,
    /// Manual changes, a line each.
    pub by_hand: Vec<String>,
    /// Manual changes of servers, shown with their server.
    #[serde(skip)]
    pub servers_by_hand: Vec<ServerByHand>,
}

/// A manual change of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerByHand {
    /// Name of its pool.
    pub pool: String,
    /// Its name.
    pub server: String,
    /// The change: `drained`, `weight 5 instead of 1`.
    pub change: String,
    /// It is out of the ring.
    pub is_out: bool,
    /// Its weight in place of the configured one.
    pub weight: Option<u32>,
}

/// A failed reload. The previous generation stays in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Its time, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The fault.
    pub error: String,
}

/// Outcome of an action.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// False if nothing was done; `error` has the reason.
    pub ok: bool,
    /// True for a dry run: the changes are listed, not made.
    pub dry_run: bool,
    /// Number of the generation in force now.
    pub generation: u64,
    /// Changes made, or to be made, a line each; those that need a restart say so.
    pub changes: Vec<String>,
    /// Warnings about legal values.
    pub warnings: Vec<String>,
    /// The fault.
    pub error: Option<String>,
    /// Full path of the configuration file, if there is one.
    #[serde(default)]
    pub file: Option<String>,
    /// Time from the request to the last shard's acknowledgement, in microseconds.
    pub took_us: u64,
}

/// Result of a dry run of a reload.
pub(crate) enum Difference {
    /// Nobody could be asked.
    Unknown,
    /// The outcome.
    Known(Outcome),
}

impl Outcome {
    /// Outcome of an action that changed nothing.
    pub fn failed(generation: u64, error: impl Into<String>) -> Outcome {
        Outcome { generation, error: Some(error.into()), ..Outcome::default() }
    }
}
