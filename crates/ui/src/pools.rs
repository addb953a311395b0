//! Pools and their servers on the pages: of this process (`admin`), and of each nuthatch of a fleet (`web`).
//!
//! ```text
//! this process (admin) ─┐                             ┌─ table: a row for each pool
//!                       ├▶ PoolSource ▸ shapes, view ▸ ├─ page: a pool, a server, its slow log, its keys
//! a node, over HTTP ────┘                             └─ whereabouts: who serves a key, the topology
//! (web)
//! ```
//! [`Place`] says where the pages are; there is one set of them.

mod actions;
mod home;
mod kept_series;
mod key_text;
mod keys;
mod page;
mod parts;
mod pool;
mod server;
mod shapes;
mod source;
mod table;
mod topology;
mod view;
mod whereabouts;

use crate::text::path;

pub use self::actions::done;
pub use self::home::{Home, home};
pub use self::kept_series::Series;
pub use self::keys::{BigReplyStatus, HotKeyStatus, KeysStatus, SlowEntry};
pub use self::page::{PoolPage, Written, write};
pub use self::shapes::{
    ByClass, CAUSED_BY_CLIENTS, ErrorCount, Errors, HARMLESS, Latency, Member, Placement, PoolState,
    PoolStatus, PoolsReport, ServerState, ServerStatus, errors_per_second,
};
pub use self::source::{Pending, PoolSource};
pub use self::table::{columns, pool_cells, pool_state, servers_up};
pub use self::topology::{AskedSentinel, Cluster, ClusterNode, Master, Replica, Topology};
pub use self::view::{Counter, Happening, PoolView, SPARKS_MAX};

/// Source of the last hour of a figure: its subject, and what is measured.
pub type History<'a> = dyn Fn(&[&str], &str) -> Option<Vec<f32>> + Sync + 'a;

/// Place of the pages about the pools of a process.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Prefix of all paths of the site, without a trailing slash.
    pub base: &'a str,
    /// The node, in a fleet; None for this process.
    pub node: Option<&'a str>,
    /// The admin port of the process can be asked: it has keys, and takes changes.
    pub has_admin: bool,
    /// Nodes that have the server which a page is about: a change may go to all of them.
    pub peers: usize,
    /// The last hour, if it is kept.
    pub history: Option<&'a History<'a>>,
}

impl<'a> Place<'a> {
    /// The pages of this process.
    pub fn here() -> Place<'a> {
        Place { base: "", node: None, has_admin: true, peers: 1, history: None }
    }

    /// This place with the last hour.
    pub fn with_series<'b>(&self, history: &'b History<'b>) -> Place<'b>
    where
        'a: 'b,
    {
        Place { history: Some(history), ..*self }
    }

    /// Path of a page of this process or node in a section.
    fn path(&self, section: &str, words: &[&str]) -> String {
        let all: Vec<&str> = [section].into_iter().chain(self.node).chain(words.iter().copied()).collect();
        path(self.base, &all)
    }

    /// Path of the page of a pool.
    pub fn of_pool(&self, pool: &str) -> String {
        self.path("pools", &[pool])
    }

    /// Path of the page of a server.
    pub fn of_server(&self, pool: &str, server: &str) -> String {
        self.path("pools", &[pool, server])
    }

    /// The last hour of a figure of a pool or a server.
    fn series(&self, subject: &[&str], measure: &str) -> Option<Vec<f32>> {
        (self.history?)(subject, measure)
    }
}
