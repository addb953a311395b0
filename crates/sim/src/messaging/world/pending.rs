//! An unanswered order.

use std::sync::{Arc, Mutex};

use queue::request::{Answer, Request};

use crate::messaging::body::Uid;

/// An unanswered order.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(super) slot: Arc<Mutex<Option<Answer>>>,
    pub(super) request: Request,
    pub(super) uids: Vec<Uid>,
}
