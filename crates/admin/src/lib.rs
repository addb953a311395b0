//! The admin port: metrics for machines, one page for people, health for orchestrators; and actions on the
//! process, carried out by the binary ([`actions::Actor`]).
//!
//! ```text
//! telemetry::Registry ─┐
//! queue, lookup ───────┼─▶ watch ─▶ sample ─▶ status ─▶ diagnosis ─▶ trouble ─▶ page     GET /
//! notices of shards ───┘   (now and then)       │                (since when)   json     GET /api/status
//!                                               └────────▶ health               text     GET /health
//!                             registry ─▶ metrics (as they are, no window)      text     GET /metrics (scrape)
//! ```
//! Counters only grow, so the present is the difference between two samples: the rates and latencies of the
//! page are those of the last ten seconds. Samples are taken every five seconds, and on every view, so that
//! the start of a problem is known even if nobody was watching.
//!
//! This crate has no socket: the binary accepts clients and passes each to [`serve_client`].
//! It knows no product either: data of the queue and the lookup comes through
//! [`source::Source`], which the binary implements.

#![forbid(unsafe_code)]

mod change;
mod permit;
mod router;

mod watch;

mod outlook;
mod rings;
mod rounds;
mod sample;

pub mod status;

mod diagnosis;
mod health;
mod trouble;
mod verdict;

mod metrics;
mod open_metrics;
mod reference;
mod scrape;
mod page;
mod pool_source;
mod runbook;

pub mod actions;
mod certificates;
mod topology;
pub mod events;
mod facts;
pub mod process;
pub mod lookup;
pub mod queue;
pub mod reload;
pub mod source;
mod upgrades;

pub use certificates::{Certificate, CertificateFault, Certificates, Side};
pub use facts::{Facts, Listening, Member, Placement, PoolFacts, wall_ms};
pub use page::{REFRESH_SECONDS, SECTIONS};
pub use reference::metrics_reference;
pub use router::{router, serve_client};
pub use topology::{
    AskedSentinel, Cluster, ClusterList, ClusterNode, Master, MasterList, Replica, ReplicaList,
};
pub use trouble::{Severity, Trouble};
pub use ui::pools::PoolSource;
pub use upgrades::{UpgradeFailure, UpgradeFailures, Upgrades};
pub use watch::Watch;
