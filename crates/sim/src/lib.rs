//! Seed-driven simulation of the cache data plane: hostile peers around the real request path, and an oracle.
//! The queue has a world of its own, [`messaging`].
//!
//! Several shards, each a real [`proxy::Proxy`], run in one thread over a simulated [`net::Io`], with
//! simulated time and network. Everything that happens is drawn from one seed, so a seed is a run, always the
//! same.
//!
//! ```text
//!              scenario (what a seed is)            tamper (deliberate bugs)
//!                       │                                  │
//! client ◀▶ network ◀▶ shard: io + proxy::Proxy ◀▶ network ◀▶ backend
//!    │                  │                                       │
//!    └── expect ────────┴─────────── oracle ────────────────────┘        world: the queue of events
//! ```
//! What must hold is listed in `oracle.rs`. [`run`] runs a seed; a seed that breaks a rule gives one line
//! that runs it again:
//!
//! ```text
//! NUTHATCH_SIM_SEED=123 cargo test -p nuthatch-sim replay -- --nocapture
//! ```
//! With `NUTHATCH_SIM_TRACE=1` every event is printed. The oracle is tested itself, with deliberate bugs
//! ([`Tamper`]).
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

pub mod messaging;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use report::Report;
pub use tamper::Tamper;

/// Runs one seed. The error says which rule was broken, when, and how to run the seed again.
pub fn run(seed: u64) -> Result<Report, String> {
    run_with(seed, false, None).map_err(|why| {
        format!("{why}\nNUTHATCH_SIM_SEED={seed} cargo test -p nuthatch-sim replay -- --nocapture")
    })
}

/// Runs one seed with well-behaved peers and a deliberate bug, which should end in an error.
pub fn run_tampered(seed: u64, tamper: Tamper) -> Result<Report, String> {
    run_with(seed, true, Some(tamper))
}

fn run_with(seed: u64, calm: bool, tamper: Option<Tamper>) -> Result<Report, String> {
    unpanicked(|| world::World::new(seed, calm, tamper).run())
}

/// A panic of the code under test is a broken rule like any other.
fn unpanicked<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}
