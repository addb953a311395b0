//! NATS `JetStream` as the engine, on a thread of its own.
//!
//! A topic is a stream with interest retention, a channel a durable pull consumer with explicit
//! acknowledgements: a message is stored once and removed when every channel has finished it. Such a
//! stream drops what no consumer wants, so a hidden consumer holds the messages of a topic without a
//! lasting channel (see `changes.rs`). Deliveries are never limited at the engine, because a message past
//! that limit would stay in the stream for ever.
//!
//! The thread ends when its [`JetStream`] is dropped, after it has sent what was handed over.

mod backlog;
mod changes;
mod deferred;
mod delivery;
mod fault;
mod fetching;
mod headers;
mod health;
mod hub;
mod options;
mod publishing;
mod retention;
mod tasks;
mod watch;
mod worker;

use std::thread::JoinHandle;

use tokio::sync::mpsc;

use crate::request::{Completion, Engine, Request};

pub use options::{Login, Options};

/// The engine's mailbox.
#[derive(Debug)]
pub struct JetStream {
    requests: mpsc::UnboundedSender<Request>,
}

impl Engine for JetStream {
    fn submit(&mut self, request: Request) {
        // The thread lives as long as this does.
        let _ = self.requests.send(request);
    }
}

/// Starts the thread. `report` is called on it with each completion, and must not block.
pub fn start(
    options: Options,
    report: impl Fn(Completion) + Send + Sync + 'static,
) -> std::io::Result<(JetStream, JoinHandle<()>)> {
    let (requests, mailbox) = mpsc::unbounded_channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = std::thread::Builder::new().name("engine".to_owned()).spawn(move || {
        runtime.block_on(worker::run(options, mailbox, std::sync::Arc::new(report)));
    })?;
    Ok((JetStream { requests }, thread))
}
