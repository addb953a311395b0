//! Replacing the binary while it runs: another process gets the listeners, the queue and the clients of
//! pools.
//!
//! ```text
//! predecessor                                                   successor
//! SIGUSR2 ▸ start the binary once more ────────────────────────▶ configuration checked,
//!           Hello, Sockets ────────────────────────────────────▶ listeners adopted or bound
//!           queue and lookup stopped ◀─────────────── Pool, Ready
//!           Data ──────────────────────────────────────────────▶ queue recovered, lookup restored
//!           no way back from here    ◀─────────────────── Opened
//!           Serve ─────────────────────────────────────────────▶ everything served
//!           listeners left, clients handed over ◀──────── Serving
//!           Client … ──────────────────────────────────────────▶ served where they were
//!           the rest served until it goes, or drain_timeout
//! ```
//! Until Serving the predecessor can go on as if nothing had happened, and does: whatever fails, ends or
//! takes too long over there, it ends that process and opens the queue again. The messages are those of
//! [`wire::upgrade`]; the conversation is a blocking one on both sides, on a thread of its own in the
//! predecessor ([`successor`]) and before anything runs in the successor ([`predecessor`]).

pub mod arrivals;
pub mod command;
mod conversation;
pub mod departures;
pub mod predecessor;
pub mod program;
mod successor;
pub mod task;
