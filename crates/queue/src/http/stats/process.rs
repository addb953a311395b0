//! Figures of the whole process, shared by the document and the page: health, conditions not shown, memory.

use crate::snapshot::Snapshot;
use crate::statsd::Memory;

/// `OK`, or the fault.
pub(super) fn health(snapshot: &Snapshot) -> String {
    snapshot.health.as_ref().map_or_else(|| "OK".to_owned(), |why| format!("NOK - {why}"))
}

/// Number of conditions not shown, if there are any.
pub(super) fn not_shown(snapshot: &Snapshot) -> Option<usize> {
    Some(snapshot.condition_count - snapshot.conditions.len()).filter(|count| *count > 0)
}

/// Memory in nsqd's order and under its names.
pub(super) fn memory_rows(memory: &Memory) -> impl Iterator<Item = (&'static str, u64)> {
    memory.gauges().into_iter().chain([("gc_total_runs", memory.gc_runs)])
}
