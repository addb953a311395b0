//! The right to answer one delivery, once.
//!
//! It is shared by the clones of a message and by whoever runs the handler; the last one to go requeues what was not answered:
//! as failed if somebody has seen it, at once if nobody has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wire::nsq::{Command, RawId};

use super::flow::Outcome;
use super::hub::Hub;
use super::line::Line;

/// The right to answer.
#[derive(Debug)]
pub(crate) struct Ticket {
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

impl Ticket {
    pub(super) fn new(hub: Arc<Hub>, line: Arc<Line>, id: RawId, attempts: u16, now: Instant) -> Ticket {
        let timeout_ms = milliseconds(line.timeout).into();
        Ticket {
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

    /// Somebody has it in hand.
    pub(super) fn show(&self) {
        self.shown.store(true, Ordering::Relaxed);
    }

    pub(crate) fn finish(&self) -> bool {
        self.claim() && {
            let said = self.line.answer(&Command::Fin { id: self.id });
            self.hub.answered(&self.line, Outcome::Success);
            said
        }
    }

    pub(crate) fn requeue(&self, delay: Option<Duration>, backoff: bool) -> bool {
        self.claim() && {
            let delay = delay.unwrap_or_else(|| self.hub.requeue_delay(self.attempts));
            let said = self.line.answer(&Command::Req { id: self.id, delay_ms: milliseconds(delay) });
            let outcome = if backoff { Outcome::Failure } else { Outcome::Neutral };
            self.hub.requeued(&self.line, outcome);
            said
        }
    }

    pub(crate) fn touch(&self) -> bool {
        if self.answered() || !self.line.touch(&Command::Touch { id: self.id }) {
            return false;
        }
        let timeout = (self.received.elapsed() + self.line.timeout).min(self.line.timeout_max);
        self.timeout_ms.store(milliseconds(timeout), Ordering::Relaxed);
        true
    }

    pub(crate) fn forget(&self) {
        if self.claim() {
            self.hub.forgotten(&self.line);
        }
    }

    pub(crate) fn answered(&self) -> bool {
        self.answered.load(Ordering::Acquire)
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.received + Duration::from_millis(self.timeout_ms.load(Ordering::Relaxed))
    }

    pub(crate) fn address(&self) -> &str {
        &self.line.address
    }

    /// An answer would come too late: the server has taken it back, or will not know us.
    pub(super) fn stale(&self, now: Instant) -> bool {
        self.line.is_gone() || self.deadline() <= now
    }

    fn claim(&self) -> bool {
        !self.answered.swap(true, Ordering::AcqRel)
    }
}

impl Drop for Ticket {
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
