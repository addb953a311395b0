//! The producer: publications over one connection, many of them at a time.
//!
//! Answers come in the order of publications. What was not sent when a connection is lost goes over the next one; what
//! was sent and has no answer is [`PublishError::Unanswered`].

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use crate::config::Config;
use crate::error::{PublishError, StartError};

/// Publishes to one nsqd. Clones share the connection.
#[derive(Debug, Clone)]
pub struct Producer {}

impl Producer {
    /// A producer for the nsqd at `HOST:PORT`, or at the path of a unix socket. It connects with its first publication, on the
    /// tokio runtime that this is called in.
    ///
    /// # Errors
    ///
    /// A setting or the address cannot be used.
    pub fn new(address: impl Into<String>, config: Config) -> Result<Producer, StartError> {
        config.validate()?;
        Err(StartError::Address(address.into()))
    }

    /// Publishes a message, and waits until the server has it.
    ///
    /// # Errors
    ///
    /// See [`PublishError`]: it says whether the message may be there nevertheless.
    pub async fn publish(&self, topic: &str, body: impl Into<Bytes>) -> Result<(), PublishError> {
        self.send(topic, body).await?.await
    }

    /// Publishes a message that is to be delivered after `delay` only.
    ///
    /// # Errors
    ///
    /// As [`Producer::publish`].
    pub async fn publish_deferred(
        &self,
        topic: &str,
        delay: Duration,
        body: impl Into<Bytes>,
    ) -> Result<(), PublishError> {
        let _ = (topic, delay, body.into());
        Err(PublishError::NotSent("no connection".into()))
    }

    /// Publishes several messages in one command: all of them or none.
    ///
    /// # Errors
    ///
    /// As [`Producer::publish`].
    pub async fn multi_publish<B: AsRef<[u8]>>(&self, topic: &str, bodies: &[B]) -> Result<(), PublishError> {
        let _ = (topic, bodies.len());
        Err(PublishError::NotSent("no connection".into()))
    }

    /// Takes a publication into the window and returns at once; waits only for room in it. The receipt becomes ready with the
    /// answer. Publications of one task are sent in the order of these calls.
    ///
    /// # Errors
    ///
    /// [`PublishError::NotSent`].
    pub async fn send(&self, topic: &str, body: impl Into<Bytes>) -> Result<Receipt, PublishError> {
        let _ = (topic, body.into());
        Err(PublishError::NotSent("no connection".into()))
    }

    /// Connects now, if it is not connected.
    ///
    /// # Errors
    ///
    /// [`PublishError::NotSent`] with the reason.
    pub async fn ping(&self) -> Result<(), PublishError> {
        Err(PublishError::NotSent("no connection".into()))
    }

    /// Waits for the answers that are due, then closes the connection. Later publications fail.
    pub async fn stop(&self) {}
}

/// The answer to one publication, in the future. It goes on when this is dropped.
#[derive(Debug)]
pub struct Receipt {}

impl Future for Receipt {
    type Output = Result<(), PublishError>;

    fn poll(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Err(PublishError::NotSent("no connection".into())))
    }
}
