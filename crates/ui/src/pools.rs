//! Pools and their servers on the pages: of this process (`admin`), and of each nuthatch of a fleet (`web`).
//!
//! ```text
//! admin: counters of two moments ▸ status ─┐           ┌─ table: a row for each pool
//! web:   GET /pools of a queue, parsed ────┴▶ shapes ▸ ├─ parts of a pool's page
//!                                                      └─ parts of a server's page
//! ```
//! The last hour is known of this process only; [`Place`] says where it comes from and where the pages are.

mod parts;
mod pool;
mod server;
mod shapes;
mod table;

use crate::text::path;

pub use self::parts::{bars, errors, latency, quantiles, share, times};
pub use self::pool::{pool_charts, pool_facts, pool_figures, pool_latency, pool_placement, pool_servers};
pub use self::server::{server_charts, server_facts, server_latency, server_state, server_traffic};
pub use self::shapes::{
    ByClass, ErrorCount, Errors, Latency, Member, Placement, PoolState, PoolStatus, PoolsReport, ServerState,
    ServerStatus, errors_per_second,
};
pub use self::table::{columns, pool_cells, pool_state};

/// Source of the last hour of a figure: its subject, and what is measured.
pub type History<'a> = dyn Fn(&[&str], &str) -> Option<Vec<f32>> + 'a;

/// Place of the pages about some pools.
pub struct Place<'a> {
    /// Path of their list, without a trailing slash: `/pools`.
    pub path: String,
    /// The last hour, if it is kept.
    pub history: Option<&'a History<'a>>,
}

impl Place<'_> {
    /// Path of the page of a pool.
    pub fn of_pool(&self, pool: &str) -> String {
        path(&self.path, &[pool])
    }

    /// Path of the page of a server.
    pub fn of_server(&self, pool: &str, server: &str) -> String {
        path(&self.path, &[pool, server])
    }

    /// The last hour of a figure of a pool or a server.
    pub(self) fn series(&self, subject: &[&str], measure: &str) -> Option<Vec<f32>> {
        (self.history?)(subject, measure)
    }
}
