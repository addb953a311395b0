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
//! A run is a sequence of lives of one daemon over one disk. Each life ends as the seed says: by `kill -9`,
//! by a power loss or by a stop. The oracle sits between the shard and its loop: it sees each command when
//! the shard has consumed it and each frame when the shard has sent it, so it knows what happened, not only
//! what reached the clients. Rules are listed in `oracle.rs`. At the end everything is healed and drained,
//! and nothing may be missing.
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

/// Runs one seed. The error names the broken rule, its time, and the command that replays the seed.
pub fn run(seed: u64) -> Result<Report, String> {
    crate::unpanicked(|| world::World::new(seed, None).run()).map_err(|why| {
        format!(
            "{why}\nNUTHATCH_SIM_SEED={seed} cargo test -p nuthatch-sim --test messaging replay -- --nocapture"
        )
    })
}

/// Runs one seed with a deliberate bug, which should result in an error if the seed gives an opportunity.
pub fn run_tampered(seed: u64, tamper: Tamper) -> Result<Report, String> {
    crate::unpanicked(|| world::World::new(seed, Some(tamper)).run())
}
