//! The inventory of the data path, and what is to be done about it.

use journal::DeleteJob;
use rustc_hash::FxHashMap;

use crate::inventory::Inventory;

/// The inventory and what is to be done about it.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Content of the file at the start, until everything is opened.
    pub stored: Inventory,
    /// Tags of topics that are gone: their ids do not come back.
    pub gone: FxHashMap<String, u32>,
    /// Damage that was found.
    pub damage: Inventory,
    /// There is a file.
    pub exists: bool,
    /// It is not as it should be.
    pub due: bool,
    pub writing: bool,
    /// The tick of the last write.
    pub written: u64,
    /// Files of topics that it still has.
    pub deletions: Vec<DeleteJob>,
    /// The reason it could not be written.
    pub error: Option<String>,
}
