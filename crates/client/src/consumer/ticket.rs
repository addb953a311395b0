//! The right to answer one delivery, once.
//!
//! It is shared by the clones of a message and by the handler's runner; the last one dropped requeues an
//! unanswered message: as failed if it was shown to the user, at once if not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wire::nsq::{Command, RawId};

use super::flow::Outcome;
use super::hub::Hub;
use super::line::Line;
use crate::message::Ticket;

/// The right to answer a delivery on a line.
pub(super) struct Delivery {
    hub: Arc<Hub>,
    line: Arc<Line>,
    id: RawId,
    attempts: u16,
    received: Instant,
    /// Milliseconds from `received` to the end of the server's timeout.
    timeout_ms: AtomicU64,
    answered: AtomicBool,
    shown: AtomicBool,
}

impl Delivery {
    pub(super) fn new(hub: Arc<Hub>, line: Arc<Line>, id: RawId, attempts: u16, now: Instant) -> Delivery {
        let timeout_ms = milliseconds(line.timeout).into();
        Delivery {
            hub,
            line,
            id,
            attempts,
            received: now,
            timeout_ms,
            answered: AtomicBool::new(false),
            shown: AtomicBool::new(false),
        }
    }

    fn claim(&self) -> bool {
        !self.answered.swap(true, Ordering::AcqRel)
    }
}

impl Ticket for Delivery {
    fn show(&self) {
        self.shown.store(true, Ordering::Relaxed);
    }

    fn finish(&self) -> bool {
        self.claim() && {
            let said = self.line.answer(&Command::Fin { id: self.id });
            self.hub.answered(&self.line, Outcome::Success);
            said
        }
    }

    fn requeue(&self, delay: Option<Duration>, backoff: bool) -> bool {
        self.claim() && {
            let delay = delay.unwrap_or_else(|| self.hub.requeue_delay(self.attempts));
            let said = self.line.answer(&Command::Req { id: self.id, delay_ms: milliseconds(delay) });
            let outcome = if backoff { Outcome::Failure } else { Outcome::Neutral };
            self.hub.requeued(&self.line, outcome);
            said
        }
    }

    fn touch(&self) -> bool {
        if self.answered() || !self.line.touch(&Command::Touch { id: self.id }) {
            return false;
        }
        let timeout = (self.received.elapsed() + self.line.timeout).min(self.line.timeout_max);
        self.timeout_ms.store(milliseconds(timeout), Ordering::Relaxed);
        true
    }

    fn forget(&self) {
        if self.claim() {
            self.hub.forgotten(&self.line);
        }
    }

    fn answered(&self) -> bool {
        self.answered.load(Ordering::Acquire)
    }

    fn deadline(&self) -> Instant {
        self.received + Duration::from_millis(self.timeout_ms.load(Ordering::Relaxed))
    }

    fn address(&self) -> &str {
        &self.line.address
    }

    fn stale(&self, now: Instant) -> bool {
        self.line.is_gone() || self.deadline() <= now
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if self.shown.load(Ordering::Relaxed) {
            self.requeue(None, true);
        } else {
            self.requeue(Some(Duration::ZERO), false);
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
