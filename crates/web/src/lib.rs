//! Web pages and APIs over a fleet of queues and lookups.
//!
//! ```text
//! browser, script ▸ http (rows, limits, foreign pages) ▸ api | page ▸ fleet ▸ http::client ▸ lookups and queues, all at once
//!                                                          │             ◂ merged (pure), with a warning for each that failed
//!                                                          └ acl, notify, audit in the log
//! ```
//! [`nsqadmin`] is nsqadmin 1.3.0's API, its paths and answers, over a fleet of originals, nuthatches, or
//! both. [`fleet`] queries every daemon at once, each with a deadline, so that a dead one costs a warning and
//! not the answer; pure functions merge the collected answers.
//!
//! Pages are rendered on the server, need no script, and show outside names as text, never as markup.

#![forbid(unsafe_code)]

pub mod figures;
pub mod fleet;
pub mod nsqadmin;
pub mod process;

mod source;

mod acl;
mod api;
mod compress;
mod graphite;
mod notify;
mod option;
mod page;
mod request;
