//! A message that was delivered, and the one answer that it gets.
//!
//! The answer goes to the connection that the message came on: [`Message::finish`], or one of the ways to
//! requeue it. Only the first answer counts. A message that is dropped without one is requeued as a failed
//! one, so that a handler that panics loses nothing; [`Message::forget`] leaves it to the server's timeout
//! instead.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

/// The right to answer a delivery, once. The consumer gives it to each message.
pub(crate) trait Ticket: Send + Sync {
    /// FIN. False if it was answered before, or the connection is gone.
    fn finish(&self) -> bool;
    /// REQ, after the default delay without one; a failure, if `backoff`.
    fn requeue(&self, delay: Option<Duration>, backoff: bool) -> bool;
    /// TOUCH.
    fn touch(&self) -> bool;
    /// No answer.
    fn forget(&self);
    /// It was answered.
    fn answered(&self) -> bool;
    /// Time at which the server takes it back.
    fn deadline(&self) -> Instant;
    /// An answer would come too late: the server has taken it back, or will not know us.
    fn stale(&self, now: Instant) -> bool;
    /// Somebody has it in hand.
    fn show(&self);
    /// The server's address.
    fn address(&self) -> &str;
}

/// A delivered message. Clones stand for the same delivery.
#[derive(Clone)]
pub struct Message {
    /// Body as published.
    pub body: Bytes,
    /// 16 characters, by which the server knows it.
    pub id: [u8; 16],
    /// Deliveries so far, this one included.
    pub attempts: u16,
    /// Time of publication, by the server's clock: nanoseconds since the Unix epoch.
    pub timestamp_ns: i64,
    pub(crate) ticket: Arc<dyn Ticket>,
}

impl Message {
    /// It is done: the server forgets it. False if it had been answered before.
    pub fn finish(&self) -> bool {
        self.ticket.finish()
    }

    /// It failed: the server delivers it again, after `delay`, or without one after `default_requeue_delay` ×
    /// attempts, at most `max_requeue_delay`. The consumer pauses ([`Message::requeue_without_backoff`] does
    /// not).
    pub fn requeue(&self, delay: Option<Duration>) -> bool {
        self.ticket.requeue(delay, true)
    }

    /// As [`Message::requeue`], and the consumer goes on as before.
    pub fn requeue_without_backoff(&self, delay: Option<Duration>) -> bool {
        self.ticket.requeue(delay, false)
    }

    /// It takes longer: its timeout starts anew, up to the server's limit. False if it was answered already.
    pub fn touch(&self) -> bool {
        self.ticket.touch()
    }

    /// Leaves it without an answer: the server delivers it again after its timeout.
    pub fn forget(&self) {
        self.ticket.forget();
    }

    /// True once it was answered.
    pub fn answered(&self) -> bool {
        self.ticket.answered()
    }

    /// End of the server's timeout; an answer after it comes too late. [`Message::touch`] moves it.
    pub fn deadline(&self) -> Instant {
        self.ticket.deadline()
    }

    /// The server that it came from, as it was connected to.
    pub fn nsqd_address(&self) -> &str {
        self.ticket.address()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id.escape_ascii().to_string())
            .field("attempts", &self.attempts)
            .field("body_bytes", &self.body.len())
            .field("nsqd", &self.nsqd_address())
            .finish_non_exhaustive()
    }
}
