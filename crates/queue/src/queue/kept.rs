//! The inventory of the data path and its pending work.

use journal::DeleteJob;
use rustc_hash::FxHashMap;

use crate::inventory::Inventory;

/// The inventory and its pending work.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Contents of the file at start, until all topics are opened.
    pub stored: Inventory,
    /// Tags of deleted topics, so that their ids are not reused.
    pub gone: FxHashMap<String, u32>,
    /// Damage that was found.
    pub damage: Inventory,
    /// True if the file exists.
    pub exists: bool,
    /// True if the file must be rewritten.
    pub due: bool,
    pub writing: bool,
    /// The tick of the last write.
    pub written: u64,
    /// Deletions of topics that the written inventory still lists.
    pub deletions: Vec<DeleteJob>,
    /// The reason the last write failed.
    pub error: Option<String>,
}
