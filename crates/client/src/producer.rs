//! The producer: publications over one connection, many of them in flight.
//!
//! ```text
//! send ▸ window (publications, bytes) ▸ pipeline ▸ nsqd
//! Receipt ◀── OK or error, in the order of publications ◀┘
//! ```
//! When a connection is lost, publications not yet sent go over the next one, and so do those after a
//! publication that the server has refused, since it stops reading there. One that was sent and has no answer
//! is [`PublishError::Unanswered`].

mod pipeline;
mod window;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use wire::nsq::{Command, valid_name, write_mpub};

use crate::config::Config;
use crate::error::{PublishError, StartError};
use crate::link::{NodeAddress, Profile};
use pipeline::{Job, Request};
use window::Window;

/// Publishes to one nsqd. Clones share the connection.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use nuthatch_client::{Config, Producer};
///
/// let producer = Producer::new("127.0.0.1:4150", Config::new())?;
/// producer.publish("orders", "a message").await?;
///
/// // many at a time: take receipts first, then wait for them
/// let mut receipts = Vec::new();
/// for number in 0..1_000 {
///     receipts.push(producer.send("orders", number.to_string()).await?);
/// }
/// for receipt in receipts {
///     receipt.await?;
/// }
/// producer.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Producer {
    address: Arc<str>,
    requests: mpsc::UnboundedSender<Job>,
    window: Window,
    timeout: Duration,
}

impl Producer {
    /// A producer for the nsqd at `HOST:PORT`, or at the path of a unix socket. It connects on its first
    /// publication, on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// An invalid setting or address.
    pub fn new(address: impl Into<String>, config: Config) -> Result<Producer, StartError> {
        let text = address.into();
        let address = NodeAddress::parse(&text).ok_or(StartError::Address(text))?;
        let profile = Profile::new(config)?;
        let (requests, jobs) = mpsc::unbounded_channel();
        let producer = Producer {
            address: address.to_string().into(),
            requests,
            window: Window::new(profile.config.max_pending_publishes),
            timeout: profile.config.publish_timeout,
        };
        tokio::spawn(pipeline::run(address, profile, jobs));
        Ok(producer)
    }

    /// Address it publishes to.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Publishes a message, and waits for the server's OK.
    ///
    /// # Errors
    ///
    /// See [`PublishError`], which says whether the message may have been accepted.
    pub async fn publish(&self, topic: &str, body: impl Into<Bytes>) -> Result<(), PublishError> {
        self.send(topic, body).await?.await
    }

    /// Publishes a message to be delivered after `delay`.
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
        let body = body.into();
        check(topic, [&body[..]])?;
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.enqueue(&Command::Dpub { topic, delay_ms, body: &body }).await?.await
    }

    /// Publishes several messages in one command: all of them or none.
    ///
    /// # Errors
    ///
    /// As [`Producer::publish`].
    pub async fn multi_publish<B: AsRef<[u8]>>(&self, topic: &str, bodies: &[B]) -> Result<(), PublishError> {
        self.send_batch(topic, bodies).await?.await
    }

    /// Puts a publication into the window and returns; waits only for room in it. The receipt completes with
    /// the answer. Publications of one task are sent in the order of these calls.
    ///
    /// # Errors
    ///
    /// [`PublishError::NotSent`].
    pub async fn send(&self, topic: &str, body: impl Into<Bytes>) -> Result<Receipt, PublishError> {
        let body = body.into();
        check(topic, [&body[..]])?;
        self.enqueue(&Command::Pub { topic, body: &body }).await
    }

    /// As [`Producer::send`], for several messages in one command.
    ///
    /// # Errors
    ///
    /// [`PublishError::NotSent`].
    pub async fn send_batch<B: AsRef<[u8]>>(
        &self,
        topic: &str,
        bodies: &[B],
    ) -> Result<Receipt, PublishError> {
        if bodies.is_empty() {
            return Err(PublishError::NotSent("there is no message to publish".into()));
        }
        check(topic, bodies.iter().map(AsRef::as_ref))?;
        let mut bytes = Vec::new();
        write_mpub(&mut bytes, topic, bodies.iter().map(AsRef::as_ref));
        self.enqueue_bytes(bytes).await
    }

    /// Connects now, unless already connected.
    ///
    /// # Errors
    ///
    /// [`PublishError::NotSent`] with the reason.
    pub async fn ping(&self) -> Result<(), PublishError> {
        let (answer, answered) = oneshot::channel();
        let _ = self.requests.send(Job::Ping(answer));
        Receipt { answered }.await
    }

    /// Waits for outstanding answers, then closes the connection. Later publications fail.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        let _ = self.requests.send(Job::Stop(done));
        let _ = stopped.await;
    }

    async fn enqueue(&self, command: &Command<'_>) -> Result<Receipt, PublishError> {
        let mut bytes = Vec::new();
        command.write(&mut bytes);
        self.enqueue_bytes(bytes).await
    }

    async fn enqueue_bytes(&self, bytes: Vec<u8>) -> Result<Receipt, PublishError> {
        let deadline = Instant::now() + self.timeout;
        let place = tokio::time::timeout_at(deadline.into(), self.window.enter(bytes.len()))
            .await
            .map_err(|_| PublishError::NotSent("too many publications wait for an answer".into()))?;
        let (answer, answered) = oneshot::channel();
        let request = Request { bytes, answer, deadline, _place: place };
        let _ = self.requests.send(Job::Publish(request));
        Ok(Receipt { answered })
    }
}

/// Checks before sending, because a server refusal closes the connection.
fn check<'a>(topic: &str, bodies: impl IntoIterator<Item = &'a [u8]>) -> Result<(), PublishError> {
    if valid_name(topic.as_bytes()).is_none() {
        return Err(PublishError::NotSent(StartError::Topic(topic.to_owned()).to_string()));
    }
    if bodies.into_iter().any(<[u8]>::is_empty) {
        return Err(PublishError::NotSent("a message without a body: NSQ has none".into()));
    }
    Ok(())
}

/// The future answer to one publication. Dropping it does not cancel the publication.
#[derive(Debug)]
pub struct Receipt {
    answered: oneshot::Receiver<Result<(), PublishError>>,
}

impl Future for Receipt {
    type Output = Result<(), PublishError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = Pin::new(&mut self.answered).poll(context);
        // without an answer, the pipeline stopped before it accepted the publication
        answer.map(|answer| answer.unwrap_or_else(|_| Err(PublishError::NotSent("producer stopped".into()))))
    }
}
