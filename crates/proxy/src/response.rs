//! The way out: from a server's bytes to a client's socket.

mod receive;
pub(crate) mod pass_on;
mod pair;
mod merge;
mod reply;
mod connection;
mod handshake;
mod eject;

pub(crate) use merge::scanned;
