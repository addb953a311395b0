//! Reports of the tasks that watch pools to the control loop.

use std::collections::BTreeMap;
use std::sync::Arc;

use proxy::{SlotMap, Standing};

/// Something about a pool has changed.
#[derive(Debug)]
pub struct Found {
    /// Name of the pool.
    pub pool: String,
    /// The change.
    pub news: News,
}

/// Kind of change.
#[derive(Debug)]
pub enum News {
    /// Its slots.
    Map(Arc<SlotMap>),
    /// The servers that may be read from, by name.
    Standings(BTreeMap<String, Standing>),
}
