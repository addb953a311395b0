//! Load generator for Redis and memcached servers, on one thread.
//!
//! ```text
//! Load ▸ connections, each with a full pipeline ▸ replies scanned to their ends and checked for their kind ▸ Outcome
//! ```
//! A connection sends `pipeline` requests in one write, waits for all their replies, and sends the next; with
//! `burst` every connection waits until all have their replies, so that requests arrive in bursts. A reply of
//! the wrong kind counts as an error. The load stops sending after its requests or its time, whichever comes
//! first, and then waits for the remaining replies.
//!
//! `nuthatch bench` is for users, `bench/loadgen` for the benches.

#![forbid(unsafe_code)]

mod load;
mod output;
mod reply;
mod request;
mod run;
mod transport;

pub use load::{Load, Operation, Protocol, Traffic};
pub use output::Output;
pub use reply::{Reply, next as next_reply};
pub use request::Requests;
pub use run::{Open, Outcome, Progress, run, run_over};
pub use transport::{Plain, Transport};
