//! Load on a Redis or memcached server, from one thread.
//!
//! ```text
//! Load ▸ connections, a pipeline full on each ▸ replies scanned to their ends, each of the kind that was asked for ▸ Outcome
//! ```
//! A connection sends `pipeline` requests in one write, waits for all their replies, and sends the next; with
//! `burst` every connection waits until all have their replies, so that requests arrive in bursts. A reply of
//! another kind counts as an error. The load ends after its requests or its time, whichever comes first, and
//! is waited for then.
//!
//! `nuthatch bench` is for users, `bench/loadgen` for the benches.

#![forbid(unsafe_code)]

mod load;
mod reply;
mod request;
mod run;
mod transport;

pub use load::{Load, Operation, Protocol};
pub use reply::{Reply, next as next_reply};
pub use request::Requests;
pub use run::{Open, Outcome, Progress, run, run_over};
pub use transport::{Plain, Transport};
