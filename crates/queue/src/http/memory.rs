//! Memory of this process as Linux counts it, under the names that nsqd's dashboards use.

use crate::statsd::Memory;

/// Bytes of a page; `statm` counts pages. All supported platforms have this page size.
const PAGE: u64 = 4096;

/// Current memory; zeros where the system does not report it. Figures of garbage collection are 0. Memory
/// reserved but not resident counts as idle.
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
