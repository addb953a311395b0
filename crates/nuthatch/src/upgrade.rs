//! Upgrade of the running binary: another process gets the listeners, the queue and the clients of pools.
//!
//! ```text
//! predecessor                                                   successor
//! SIGUSR2 ▸ start the binary once more ──── (starter) ─────────▶ configuration checked,
//!           Hello, Sockets ────────────────────────────────────▶ listeners adopted or bound
//!           queue and lookup stopped ◀─────────────── Pool, Ready
//!           Data ──────────────────────────────────────────────▶ queue recovered, lookup restored
//!           no way back from here    ◀─────────────────── Opened
//!           Serve ─────────────────────────────────────────────▶ everything served
//!           listeners left, clients handed over ◀──────── Serving
//!           Client … ──────────────────────────────────────────▶ served where they were
//!           the rest served until it goes, or drain_timeout
//! ```
//! Until Serving the predecessor can continue as if nothing had happened, and does: on any failure, exit or
//! timeout of the successor it kills that process and reopens the queue. The messages are those of
//! [`wire::upgrade`]; the exchange is blocking on both sides, on its own thread in the predecessor
//! ([`successor`]) and before anything runs in the successor ([`predecessor`]).

pub mod arrivals;
pub mod command;
mod conversation;
pub mod departures;
pub mod predecessor;
pub mod program;
pub mod starter;
mod successor;
pub mod task;
