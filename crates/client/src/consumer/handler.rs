//! Delivery of messages to a handler, several at a time.

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;

use telemetry::warn;
use tokio::task::JoinSet;

use super::Consumer;
use crate::message::Message;

impl Consumer {
    /// Passes each message to `handler`, `concurrency` of them at a time. A message is finished if its
    /// handler returns `Ok`, and requeued if it returns `Err` or panics, unless it was already answered.
    /// Returns after [`ConsumerControl::stop`].
    ///
    /// [`ConsumerControl::stop`]: crate::ConsumerControl::stop
    pub async fn run<H, F, E>(mut self, concurrency: usize, handler: H)
    where
        H: Fn(Message) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        let handler = Arc::new(handler);
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                message = self.next(), if running.len() < concurrency.max(1) => match message {
                    Some(message) => drop(running.spawn(handle(handler.clone(), message))),
                    None => break,
                },
                // a panicking handler has dropped its message, which requeued it
                Some(_) = running.join_next() => {}
            }
        }
        while running.join_next().await.is_some() {}
    }
}

async fn handle<H, F, E>(handler: Arc<H>, message: Message)
where
    H: Fn(Message) -> F,
    F: Future<Output = Result<(), E>>,
    E: Display,
{
    match handler(message.clone()).await {
        Ok(()) => drop(message.finish()),
        Err(error) => {
            warn!(id = %message.id.escape_ascii(), attempts = message.attempts, %error, "message failed");
            message.requeue(None);
        }
    }
}
