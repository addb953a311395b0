//! Messaging: topics, channels, delivery, the NSQ protocol's commands.
//!
//! ```text
//!  producer ─PUB▸ command/publish ▸ Topic::stage ▸ Topic::commit ▸ journal (one write per topic and turn) ▸ OK
//!                                                       │
//!                                                       ▼ pumped
//!  consumer ◀─frame─ delivery ◀─ Channel: cursor over the journal + in flight, again, deferred
//!     ├─FIN▸ command/finish ▸ Channel::finish ─┐
//!     ├─REQ▸ command/requeue ▸ …::requeue ─────┼▸ events, written with the topic's next batch
//!     └─ timeout, disconnect ─────────────────┘
//! ```
//! Read in this order: [`queue`] (the shard and its turns), `command`, [`topic`], [`channel`],
//! [`delivery`]; then persistence: `record` and `message` (the content of a journal), `topic::checkpoint`,
//! `topic::recover`, `topic::clean`.
//!
//! Guarantees: an OK means that the message is as durable as its topic requires ([`settings::Durability`]).
//! An accepted message is delivered at least once to every channel that exists then, until it is finished,
//! expires by a configured limit, or is emptied by an operator. Due times survive a crash. FIN and REQ are
//! written within 25 ms: a crash redelivers only messages finished since.

#![forbid(unsafe_code)]

pub mod request;
mod snapshot;
pub mod authority;
pub mod disk;
pub mod error;
pub mod outside;
pub mod queue;

mod command;
pub mod connection;

pub mod registry;
pub mod topic;

pub mod channel;
pub mod consumers;
pub mod deferred;
pub mod delivery;
pub mod in_flight;
pub mod latency;

pub mod message;
pub mod inventory;
mod reserve;
pub mod record;

// before the first start on an nsqd data path
pub mod import;

// on the control thread
pub mod auth;
pub mod http;
pub mod lookup_peers;
pub mod push;
pub mod statsd;

mod clock;
mod options;
pub mod work_list;
pub mod settings;

pub use clock::{Clock, Due};
pub use error::QueueError;
pub use options::{Authority, Configuration, QueueOptions, Settings};
pub use queue::{Mail, Queue};
