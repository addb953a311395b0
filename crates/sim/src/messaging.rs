//! Simulation of the queue: the real queue shard and its real journals over simulated disk, network and
//! clients.
//!
//! ```text
//!                      scenario (what a seed is)
//!                               │
//!  client ◀▶ network ◀▶ shard: io + queue::Queue ─jobs─▶ workers ─▶ journal ─▶ journal::MemFiles
//!     │                    │  what passed, in order          power cuts, torn pages, faults, damage
//!     └── session ─────────┴────────▶ oracle
//! ```
//! A run is a row of lives of one daemon over one disk. Lives end as the seed says: by `kill -9`, by a loss
//! of power or by a stop. The oracle stands where the shard and its loop meet: it is told each command when
//! the shard has consumed it and each frame when the shard has sent it, so it knows what happened, not only
//! what clients have heard. Rules are listed in `oracle.rs`. At the end everything is healed and drained, and
//! nothing may be missing.
//!
//! ```text
//! NUTHATCH_SIM_SEED=123 cargo test -p nuthatch-sim --test messaging replay -- --nocapture
//! ```

mod world;
mod scenario;

mod daemon;
mod workers;

mod client;
mod session;
mod command;
mod frames;
mod body;
mod names;

mod oracle;
mod report;
mod tamper;

pub use report::Report;
pub use tamper::Tamper;

/// Runs one seed. The error says which rule was broken, when, and how to run the seed again.
pub fn run(seed: u64) -> Result<Report, String> {
    crate::unpanicked(|| world::World::new(seed, None).run()).map_err(|why| {
        format!(
            "{why}\nNUTHATCH_SIM_SEED={seed} cargo test -p nuthatch-sim --test messaging replay -- --nocapture"
        )
    })
}

/// Runs one seed with a deliberate bug, which should end in an error if the seed gives it an opportunity.
pub fn run_tampered(seed: u64, tamper: Tamper) -> Result<Report, String> {
    crate::unpanicked(|| world::World::new(seed, Some(tamper)).run())
}
