//! A delivered message, and the one answer that it gets.
//!
//! The answer goes to the connection that delivered the message: [`Message::finish`], or one of the ways to
//! requeue it. Only the first answer counts. A message dropped without one is requeued as failed, so that a
//! panicking handler loses nothing; [`Message::forget`] leaves it to the server's timeout instead.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

/// The right to answer a delivery, once. The consumer attaches it to each message.
pub(crate) trait Ticket: Send + Sync {
    /// Sends FIN. False if already answered, or the connection is closed.
    fn finish(&self) -> bool;
    /// Sends REQ, with the default delay if none is given; counts as a failure if `backoff`.
    fn requeue(&self, delay: Option<Duration>, backoff: bool) -> bool;
    /// Sends TOUCH.
    fn touch(&self) -> bool;
    /// Gives up the right to answer.
    fn forget(&self);
    /// True once answered.
    fn answered(&self) -> bool;
    /// Time at which the server takes it back.
    fn deadline(&self) -> Instant;
    /// True if an answer would be too late: the server has taken the message back, or the connection is gone.
    fn stale(&self, now: Instant) -> bool;
    /// Marks the message as shown to the user.
    fn show(&self);
    /// The server's address.
    fn address(&self) -> &str;
}

/// A delivered message. Clones represent the same delivery.
#[derive(Clone)]
pub struct Message {
    /// Body as published.
    pub body: Bytes,
    /// The server's id of the message: 16 characters.
    pub id: [u8; 16],
    /// Deliveries so far, including this one.
    pub attempts: u16,
    /// Time of publication, by the server's clock: nanoseconds since the Unix epoch.
    pub timestamp_ns: i64,
    pub(crate) ticket: Arc<dyn Ticket>,
}

impl Message {
    /// Finishes the message: the server deletes it. False if it was already answered.
    pub fn finish(&self) -> bool {
        self.ticket.finish()
    }

    /// Requeues the failed message after `delay`, by default `default_requeue_delay` × attempts, at most
    /// `max_requeue_delay`. The consumer backs off ([`Message::requeue_without_backoff`] does not).
    pub fn requeue(&self, delay: Option<Duration>) -> bool {
        self.ticket.requeue(delay, true)
    }

    /// As [`Message::requeue`], without backoff of the consumer.
    pub fn requeue_without_backoff(&self, delay: Option<Duration>) -> bool {
        self.ticket.requeue(delay, false)
    }

    /// Restarts the message's timeout, up to the server's limit. False if it was already answered.
    pub fn touch(&self) -> bool {
        self.ticket.touch()
    }

    /// Leaves it unanswered: the server redelivers it after its timeout.
    pub fn forget(&self) {
        self.ticket.forget();
    }

    /// True once answered.
    pub fn answered(&self) -> bool {
        self.ticket.answered()
    }

    /// End of the server's timeout; an answer after it is too late. [`Message::touch`] moves it.
    pub fn deadline(&self) -> Instant {
        self.ticket.deadline()
    }

    /// Address of the server that delivered it, as connected to.
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
