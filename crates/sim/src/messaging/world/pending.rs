//! An order that is not answered yet.

use std::sync::{Arc, Mutex};

use queue::ask::{Answer, Ask};

use crate::messaging::body::Uid;

/// An order that is not answered yet.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(super) slot: Arc<Mutex<Option<Answer>>>,
    pub(super) ask: Ask,
    pub(super) uids: Vec<Uid>,
}
