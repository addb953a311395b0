//! The way out: from a server's bytes to a client's socket.

mod receive;
mod message;
mod scan;
mod transaction;
mod merge;
mod reply;

pub(crate) use merge::scanned;
pub(crate) use transaction::{aborted_by, reason_of};
