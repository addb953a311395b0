//! Seed-driven simulation of the cache data plane: hostile peers around the real request path, and an oracle.
//! The queue has a separate world, [`messaging`].
//!
//! Several shards, each a real [`proxy::Proxy`], run in one thread over a simulated [`net::Io`], with
//! simulated time and network. Every choice is drawn from one seed, so a seed always replays the same run.
//!
//! ```text
//!              scenario (what a seed is)            tamper (deliberate bugs)
//!                       │                                  │
//! client ◀▶ network ◀▶ shard: io + proxy::Proxy ◀▶ network ◀▶ backend
//!    │                  │                                       │
//!    └── expect ────────┴─────────── oracle ────────────────────┘        world: the queue of events
//! ```
//! The rules are listed in `oracle.rs`. [`run`] runs a seed; a seed that breaks a rule prints one line that
//! replays it:
//!
//! ```text
//! NUTHATCH_SIM_SEED=123 cargo test -p nuthatch-sim replay -- --nocapture
//! ```
//! With `NUTHATCH_SIM_TRACE=1` every event is printed. Deliberate bugs ([`Tamper`]) test the oracle itself.
#![forbid(unsafe_code)]

mod world;
mod scenario;
mod reload;
mod agenda;

mod shard;
mod io;
mod network;

mod client;
mod backend;
mod value;
mod resp;
mod memcache;

mod expect;
mod oracle;
mod report;
mod tamper;
mod rng;

pub mod cluster;
pub mod messaging;
pub mod sentinels;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use report::Report;
pub use tamper::Tamper;

/// Runs one seed. The error names the broken rule, its time, and the command that replays the seed.
pub fn run(seed: u64) -> Result<Report, String> {
    run_with(seed, false, None).map_err(|why| {
        format!("{why}\nNUTHATCH_SIM_SEED={seed} cargo test -p nuthatch-sim replay -- --nocapture")
    })
}

/// Runs one seed with well-behaved peers and a deliberate bug, which should result in an error.
pub fn run_tampered(seed: u64, tamper: Tamper) -> Result<Report, String> {
    run_with(seed, true, Some(tamper))
}

fn run_with(seed: u64, calm: bool, tamper: Option<Tamper>) -> Result<Report, String> {
    unpanicked(|| world::World::new(seed, calm, tamper).run())
}

/// Turns a panic of the code under test into an error, like any other broken rule.
fn unpanicked<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}
