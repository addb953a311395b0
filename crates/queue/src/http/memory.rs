//! Memory of this process as Linux counts it, under the names that nsqd's dashboards know.

use crate::statsd::Memory;

/// Bytes of a page; `statm` counts pages. All platforms that we build for have pages of this size.
const PAGE: u64 = 4096;

/// Memory now; zeros where the system does not tell. Nothing collects garbage here: what is about that is 0.
/// What was reserved and is not resident counts as idle.
pub fn memory() -> Memory {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: Vec<u64> = statm.split_ascii_whitespace().map(|word| word.parse().unwrap_or(0)).collect();
    // size, resident, shared, text, lib, data
    let field = |at: usize| pages.get(at).copied().unwrap_or(0) * PAGE;
    let in_use = field(1).saturating_sub(field(2));
    Memory {
        heap_in_use_bytes: in_use,
        heap_idle_bytes: field(5).saturating_sub(in_use),
        ..Memory::default()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_process_has_memory() {
        assert!(super::memory().heap_in_use_bytes > 100_000);
    }
}
