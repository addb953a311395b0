//! Output of one connection: answers to messages, RDY, the request to close.
//!
//! Any task that answers a message puts the command here; the connection's own task writes all that has
//! accumulated at once. It holds one answer per message in flight; TOUCH, which can be repeated without end,
//! is omitted above a limit.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use wire::nsq::Command;

use super::flow::LinkId;

/// Pending bytes above which TOUCH is omitted.
const TOUCH_BYTES_MAX: usize = 256 << 10;

/// Output of one connection.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) id: LinkId,
    pub(super) address: String,
    /// The server's message timeout, and the longest that TOUCH can extend it to.
    pub(super) timeout: Duration,
    pub(super) timeout_max: Duration,
    waiting: Mutex<Waiting>,
    wake: Notify,
    closed: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    ready: Option<u32>,
    close: bool,
}

/// Work of a connection's task.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Commands, encoded.
    pub(super) bytes: Vec<u8>,
    /// CLS must be sent.
    pub(super) close: bool,
}

impl Line {
    pub(super) fn new(id: LinkId, address: String, timeout: Duration, timeout_max: Duration) -> Line {
        Line {
            id,
            address,
            timeout,
            timeout_max,
            waiting: Mutex::default(),
            wake: Notify::new(),
            closed: AtomicBool::new(false),
        }
    }

    /// Queues FIN or REQ. False if the connection is closed.
    pub(super) fn answer(&self, command: &Command<'_>) -> bool {
        self.put(|waiting| command.write(&mut waiting.bytes))
    }

    /// Queues TOUCH. False if the connection is closed or too much is pending.
    pub(super) fn touch(&self, command: &Command<'_>) -> bool {
        let mut said = false;
        self.put(|waiting| {
            said = waiting.bytes.len() < TOUCH_BYTES_MAX;
            if said {
                command.write(&mut waiting.bytes);
            }
        }) && said
    }

    /// Queues RDY; only the last one counts.
    pub(super) fn ready(&self, count: u32) {
        self.put(|waiting| waiting.ready = Some(count));
    }

    /// Requests CLS.
    pub(super) fn close(&self) {
        self.put(|waiting| waiting.close = true);
    }

    /// Marks the connection as closed: nothing can be queued any more.
    pub(super) fn gone(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(super) fn is_gone(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn put(&self, change: impl FnOnce(&mut Waiting)) -> bool {
        if self.is_gone() {
            return false;
        }
        change(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        self.wake.notify_one();
        true
    }

    /// True if output is pending.
    pub(super) fn has_more(&self) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        !waiting.bytes.is_empty()
    }

    /// Wakes the connection's task.
    pub(super) fn nudge(&self) {
        self.wake.notify_one();
    }

    /// Takes the pending output.
    pub(super) fn take(&self) -> Taken {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = std::mem::take(&mut waiting.bytes);
        if let Some(count) = waiting.ready.take() {
            Command::Rdy { count: count.into() }.write(&mut bytes);
        }
        Taken { bytes, close: std::mem::take(&mut waiting.close) }
    }

    /// Waits until output may be pending.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }
}
