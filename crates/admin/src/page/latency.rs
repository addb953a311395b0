//! Latencies on the pages.

use ui::format::micros;

/// A latency; a dash without requests.
pub(super) fn latency(us: Option<u64>) -> String {
    us.map_or_else(|| "–".into(), micros)
}
