//! Counters, histograms, the registry and its renderings; logging.
//!
//! Every shard has its own cells and is their only writer: a [`Counter`] is bumped with a plain load and
//! store, never with a locked instruction, and no two shards share a cache line. The control thread reads the
//! cells of all shards on request, and sums them:
//!
//! ```text
//! shard 0 ─ PoolStats ─┐
//! shard 1 ─ PoolStats ─┼─▶ Registry::pools() ─▶ PoolReport ─▶ render::{nutcracker, prometheus, describe, statsd}
//! shard N ─ PoolStats ─┘       (control thread)
//! ```
//!
//! Counters are defined in one table each: [`PoolStats`], [`ServerStats`], [`ShardStats`], [`TopicReport`],
//! [`ChannelReport`]. Names, kinds and descriptions in every rendering come from there. Rows marked
//! `nutcracker` have the names and the meaning of nutcracker 0.5.0; `native` rows are ours and are not in
//! nutcracker's JSON.
//!
//! Logging goes through the `tracing` macros, re-exported here; see [`log`] for the path of a line.

#![forbid(unsafe_code)]

mod cell;
mod table;

mod histogram;
mod command_class;
mod pool;
mod slow_log;
mod hot_keys;
mod cells;
mod report;
pub mod nsq;
mod queue;
mod shard;

mod registry;
pub mod render;

pub mod log;

pub use cell::{Counter, Gauge, Timestamp};
pub use cells::{PoolCells, ServerCells};
pub use command_class::CommandClass;
pub use histogram::{HistogramRecorder, HistogramSnapshot};
pub use hot_keys::{BigReply, HotKey, KeyReport, KeyReports};
pub use pool::{PoolStats, ServerStats};
pub use queue::{ChannelReport, TopicReport};
pub use registry::{Registry, Source};
pub use report::{PoolReport, ServerReport};
pub use shard::ShardStats;
pub use slow_log::{Cut, SlowLog, SlowRequest};
pub use table::{Kind, Row};
pub use tracing::{debug, error, info, trace, warn};
