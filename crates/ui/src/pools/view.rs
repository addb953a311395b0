//! All that is shown of one pool, as `/api/pools/POOL` has it: the source of its pages, in this process and
//! over HTTP.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{PoolStatus, Series, Topology};
use crate::frame::Level;
use crate::settings::SettingRow;

/// Most servers of a pool, and most pools of a process, whose requests of the last hour a list has. Further
/// ones have it on their own pages.
pub const SPARKS_MAX: usize = 200;

/// A pool, for its pages.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PoolView {
    /// Version of the program.
    pub version: String,
    /// Time of the view, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// Its figures.
    pub pool: PoolStatus,
    /// Its settings in force; empty if they are not known.
    pub settings: Vec<SettingRow>,
    /// Recent events of it, its servers and the configuration, newest first.
    pub events: Vec<Happening>,
    /// Every counter of the pool, or of the server that was asked for.
    pub counters: Vec<Counter>,
    /// Its topology.
    pub topology: Topology,
    /// The last hour of its figures, by [`crate::series::key`].
    pub series: Series,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happening {
    /// Its time, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Its grade.
    pub level: Level,
    /// Subject: `pool a, server b`.
    pub subject: String,
    /// The event.
    pub text: String,
}

/// A counter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Counter {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Its value.
    pub value: u64,
    /// It is a time, in microseconds since the Unix epoch.
    pub is_time: bool,
    /// Its meaning.
    pub help: Cow<'static, str>,
}
