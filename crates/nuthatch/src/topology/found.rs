//! The report of a scout to the control loop.

use std::sync::Arc;

use proxy::SlotMap;

/// A topology that has changed.
#[derive(Debug)]
pub struct Found {
    /// Name of the pool.
    pub pool: String,
    /// Its slots.
    pub map: Arc<SlotMap>,
}
