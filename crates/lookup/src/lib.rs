//! Discovery: which nodes have which topics and channels. Protocol V1 and HTTP API of nsqlookupd 1.3.0.
//!
//! ```text
//! nsqd      ─V1──▶ connection ▸ wire::nsq::lookup::Scanner ▸ Lookup ▸ Registry     one shard, no locks
//! consumers ─HTTP▶ http::Api ──────── Request ─mail─▶ Lookup ─ Answer ─▶ JSON          the control thread
//! ```
//! [`Registry`] is the state: producers, their registrations, tombstones; it gets the time from callers and
//! has no socket. [`Lookup`] runs it as a product of an event loop. [`http`] sends it requests by mail, so
//! that large answers are written on another thread.
//!
//! Everything that nsqlookupd leaves unbounded is bounded here ([`Limits`]), and three of its faults are
//! absent: a negative size ends a connection and not the process, a line without an end is not read forever,
//! and no name is a wildcard (there `/topic/delete?topic=*` deletes everything).

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
