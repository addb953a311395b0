//! The right to answer one delivery, once.
//!
//! It is shared by the clones of a message and by whoever runs the handler; the last one to go requeues what was not answered.

use std::time::{Duration, Instant};

/// The right to answer.
#[derive(Debug)]
pub(crate) struct Ticket {}

impl Ticket {
    pub(crate) fn finish(&self) -> bool {
        false
    }

    pub(crate) fn requeue(&self, _delay: Option<Duration>, _backoff: bool) -> bool {
        false
    }

    pub(crate) fn touch(&self) -> bool {
        false
    }

    pub(crate) fn forget(&self) {}

    pub(crate) fn answered(&self) -> bool {
        false
    }

    pub(crate) fn deadline(&self) -> Instant {
        Instant::now()
    }

    pub(crate) fn address(&self) -> &str {
        ""
    }
}
