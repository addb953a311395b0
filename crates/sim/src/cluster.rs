//! A pool over a Redis Cluster in simulated time: several shards, clients and nodes, and an order oracle.
//!
//! Slots move, masters are replaced as planned or after they died, froze or were cut off from the others,
//! replicas fall behind and start again, views of nodes lie or are late, connections are lost: at any moment,
//! and with requests under way.
//!
//! ```text
//! clients ◀▶ network ◀▶ shards: proxy::Proxy ◀▶ network ◀▶ node connections ▸ truth (who serves what), store
//!    │                     │ doubts                                 │
//!    └─ oracle             └▶ control: two nodes' views ▸ SlotMap::believe ─┬▶ the next generation, by mail
//!                                     each node's offset ▸ ReplicaWatch ────┘
//! ```
//! In some runs reads go to replicas, and are hedged; in some, clients watch keys and block.
//!
//! Everything comes from one seed. [`run`] runs it; a broken rule comes with the line that replays it. The
//! rules are in `oracle.rs` and `client.rs`. Where nothing but moves, planned failovers and lies happens, no
//! request may fail; where connections are lost besides, no read; and a while after all trouble has ended,
//! none at all. Deliberate bugs ([`Tamper`]) test the oracle itself.

mod keys;
mod scenario;
mod tamper;
mod truth;
mod replication;
mod session;
mod store;
mod conn;
mod client;
mod control;
mod oracle;
mod report;
mod world;

pub use self::report::Report;
pub use self::store::Declines;
pub use self::tamper::Tamper;

use self::world::World;

/// Runs one seed. The error names the broken rule, its time, and the command that replays the seed.
///
/// # Errors
/// A rule is broken.
pub fn run(seed: u64) -> Result<Report, String> {
    let run = || World::new(seed, None).run();
    crate::unpanicked(run).map_err(|why| {
        format!(
            "{why}\nNUTHATCH_SIM_SEED={seed} cargo test -p nuthatch-sim --test cluster replay -- --nocapture"
        )
    })
}

/// Runs one seed in which nothing may fail with a deliberate bug, which should result in an error.
///
/// # Errors
/// A rule is broken, as it should be.
pub fn run_tampered(seed: u64, tamper: Tamper) -> Result<Report, String> {
    crate::unpanicked(|| World::new(seed, Some(tamper)).run())
}
