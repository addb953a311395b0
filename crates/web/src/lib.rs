//! Web pages and APIs over a fleet of queues and lookups.
//!
//! ```text
//! browser, script ▸ http (rows, limits, foreign pages) ▸ api | page ▸ fleet ▸ http::client ▸ lookups and queues, all at once
//!                                                          │             ◂ merged (pure), with a warning for each that failed
//!                                                          └ acl, notify, audit in the log
//! ```
//! [`nsqadmin`] is nsqadmin 1.3.0's API, its paths and answers, over the originals, over nuthatches, and over
//! both mixed. [`fleet`] asks every daemon at once with a deadline each, so that a dead one costs a warning
//! and not the answer; what is merged from the answers is worked out by functions that are given all of them.
//!
//! Pages are written on the server, need no script, and show names from outside as text, never as markup.

#![forbid(unsafe_code)]

pub mod fleet;
pub mod nsqadmin;

mod acl;
mod api;
mod compress;
mod graphite;
mod notify;
mod option;
mod page;
mod request;
