//! Generations of the configuration, as they are shown: the one in force, what became of the last attempt at
//! another, and what was changed by hand.

use serde::{Deserialize, Serialize};

/// The generation in force, and what became of the last attempt at another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Generations {
    /// Number of the generation in force; the first is 1.
    pub generation: u64,
    /// Time it came into force, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// The last attempt that failed; none if the last one did not.
    pub failure: Option<Failure>,
    /// Changes in the file that wait for a restart.
    pub needs_restart: Vec<String>,
    /// Changes made by hand, a line each.
    pub by_hand: Vec<String>,
    /// Those of them that are about a server; shown with it.
    #[serde(skip)]
    pub servers_by_hand: Vec<ServerByHand>,
}

/// A change to a server by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerByHand {
    /// Name of its pool.
    pub pool: String,
    /// Its name.
    pub server: String,
    /// The change: `drained`, `weight 5 instead of 1`.
    pub change: String,
}

/// An attempt at another generation that failed. The one before stays in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Its time, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The fault.
    pub error: String,
}

/// Answer to an action.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// False if nothing was done, for the reason that `error` has.
    pub ok: bool,
    /// Nothing was to be done: these changes would be made.
    pub dry_run: bool,
    /// Number of the generation in force now.
    pub generation: u64,
    /// Changes made, or to be made, a line each; those that need a restart say so.
    pub changes: Vec<String>,
    /// Doubts about values that are legal.
    pub warnings: Vec<String>,
    /// The fault.
    pub error: Option<String>,
    /// File of the configuration, by its full path; none if it has none.
    #[serde(default)]
    pub file: Option<String>,
    /// Time from the request to the last shard's acknowledgement, in microseconds.
    pub took_us: u64,
}

impl Outcome {
    /// Nothing was done.
    pub fn failed(generation: u64, error: impl Into<String>) -> Outcome {
        Outcome { generation, error: Some(error.into()), ..Outcome::default() }
    }
}
