//! The Redis protocol, RESP2 and RESP3, for a relay: the ends of requests and replies, a request's command
//! and keys, and its destination.
//!
//! Scanning (without copying; the scanner is kept between calls and never reads a byte twice):
//!
//! - [`RequestScanner::scan`] `(frame, &Limits)` → [`Scan`]: `Done(Request)`, `Skip`, `Inline`, `NeedMore`,
//!   `Bad`.
//! - [`Request`]: `len()`, `argument_count()`, `command()`, `name(frame)`, `first(frame)`, `args(frame)`, and
//!   [`Request::route`] `(frame)` → `(&Command, Route)` or a [`Refusal`]. Methods take the frame that was
//!   scanned.
//! - [`Argument`]: `bytes()`, `range()`, and with header `encoded()`, `encoded_range()`.
//! - [`encode_inline`] rewrites an inline command as a RESP array; scan that as if it had come from the
//!   client.
//! - [`ReplyScanner::scan`] `(frame, &ReplyLimits)` → [`ReplyScan`]: `Done(Reply)`, `NeedMore`, `Bad`.
//! - [`Reply`]: `len()`, `kind()`, `integer()`, `error_code(frame)`, `body(frame)`, `elements(frame)`.
//!
//! Commands ([`command`]): one table of all commands. [`Route`] is the treatment of a request: `Local`
//! (answer it), `One` (forward by this key), `Same` (forward if all these keys live on one server), `Split`
//! (one request per server, written with [`write_split_head`] and the bytes up to [`Part::end`], merged by
//! [`Merge`]). [`Refusal::write`] and [`ProtocolError::write`] append the client's error: the connection
//! continues after a refusal, except for a [stateful](Refusal::stateful) command, and never after a protocol
//! error. [`command_reply`] answers `COMMAND`; [`docs_rows`] fills the table in the documentation.
//!
//! Clusters: [`Redirect::of`] reads errors that say "not here" or "not now"; [`cluster`] reads what a node
//! says about its cluster, [`sentinel`] what a
//! Sentinel says about a master.
//!
//! Writing ([`encode`]): arrays, bulks, integers, errors, maps and nulls in either version.
//!
//! Checking ([`fuzzing`]): invariants for arbitrary bytes, for fuzzers and tests.

pub mod cluster;
pub mod command;
pub mod encode;
pub mod fuzzing;
pub mod replication;
pub mod sentinel;

mod args;
mod beginning;
mod decimal;
mod error;
mod glob;
mod inline;
mod item;
mod kind;
mod limits;
mod passage;
mod redirect;
mod reply;
mod report;
mod request;

pub use args::{Args, Argument};
pub use beginning::Beginning;
pub use command::{
    BlockTime, Command, DocsRow, KeyError, Keys, Local, Merge, Part, Parts, Permit, Proxied, Reason, Refusal,
    Route, command_reply, docs_rows, lookup, write_split_head,
};
pub use decimal::integer;
pub use encode::Version;
pub use error::{ProtocolError, ReplyError};
pub use glob::{glob_matches, glob_matches_case};
pub use inline::encode_inline;
pub use kind::Kind;
pub use limits::{Limits, ReplyLimits};
pub use passage::{Piece, ReplyPassage};
pub use redirect::{Redirect, RedirectTarget};
pub use reply::{Elements, Reply, ReplyScan, ReplyScanner, array_len};
pub use request::{Request, RequestScanner, Scan};
