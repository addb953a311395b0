//! Topics on a replicated engine: what the queue asks of one, and NATS `JetStream` behind it.
//!
//! ```text
//!  queue shard ─Request▸ mailbox ▸ jetstream: worker ─┬ publishing ▸ stream of the topic ▸ PubAck
//!                                                     ├ fetching   ▸ pull consumer of the channel
//!                                                     ├ changes    ▸ streams, consumers, bucket of settings
//!                                                     ├ tasks      ▸ moves of channels, looks at messages, redrives
//!                                                     ├ deferred   ▸ stream of messages that are not due
//!                                                     └ watch      ▸ what other nodes created, paused, deleted
//!  queue shard ◀mail─ Completion ◀────────────────────┘
//! ```
//! The shard never waits: it hands over a [`Request`] and gets a [`Completion`] by mail. Everything that can
//! wait is on the engine's own thread. Read [`request`] first, then [`jetstream`].

#![forbid(unsafe_code)]

pub mod request;

pub mod jetstream;
pub mod memory;
mod names;

pub use names::{is_valid_prefix, mix};
pub use request::{
    Arrival, Change, Completion, Engine, EngineError, Fate, Handle, Place, Publication, Replicas, Request,
    Servers, Shown, Task, TaskResult,
};
