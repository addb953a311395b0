//! Discovery: which node has which topics and channels. nsqlookupd 1.3.0's protocol V1 and HTTP API.
//!
//! ```text
//! nsqd      ─V1──▶ connection ▸ wire::nsq::lookup::Scanner ▸ Lookup ▸ Registry     one shard, no locks
//! consumers ─HTTP▶ http::Api ──────── Request ─mail─▶ Lookup ─ Answer ─▶ JSON          the control thread
//! ```
//! [`Registry`] is the state: producers, what they have registered, tombstones; it is given the time and
//! knows no socket. [`Lookup`] is it as a product of an event loop. [`http`] asks it by mail, so that a large
//! answer is written where nobody waits for it.
//!
//! Things the original does not bound are bounded here ([`Limits`]), and three of its faults are absent: a
//! size below zero ends a connection and not the process, a line without an end is not read for ever, and no
//! name stands for all others (`/topic/delete?topic=*` there deletes everything).

#![forbid(unsafe_code)]

pub mod request;
mod connection;
pub mod http;
mod lookup;
mod registry;
mod snapshot;

pub use lookup::{Lookup, Mail, Options};
pub use registry::{Found, Full, Lifetimes, Limits, Producer, ProducerKey, Registered, Registry, Seen};
pub use request::{Answer, Reply, Request};
pub use snapshot::{SavedNode, SavedTopic, Snapshot};
