//! The lookup's answer to the admin port.

use serde::Serialize;
use telemetry::Kind;

/// State of the lookup at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LookupReport {
    /// Connections of nodes, including those not yet identified.
    pub connections: u64,
    /// Nodes, active or not.
    pub producers: u64,
    /// Producers known only from the snapshot.
    pub stale: u64,
    /// Known topics.
    pub topics: u64,
    /// Known channels.
    pub channels: u64,
}

/// A number of the lookup.
pub(crate) struct Row {
    pub name: &'static str,
    pub help: &'static str,
    pub kind: Kind,
    pub value: fn(&LookupReport) -> u64,
}

const fn gauge(name: &'static str, help: &'static str, value: fn(&LookupReport) -> u64) -> Row {
    Row { name, help, kind: Kind::Gauge, value }
}

/// All rows.
pub(crate) const ROWS: &[Row] = &[
    gauge("connections", "connections of nodes", |report| report.connections),
    gauge("producers", "nodes, active or not", |report| report.producers),
    gauge("stale_producers", "nodes known from the snapshot only", |report| report.stale),
    gauge("topics", "topics that are known", |report| report.topics),
    gauge("channels", "channels that are known", |report| report.channels),
];
