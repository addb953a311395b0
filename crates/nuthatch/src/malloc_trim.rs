//! Returns free memory to the system: in quiet moments, and after a peak.
//!
//! The allocator keeps freed memory. That is right under load, but leaves the process at its peak size. So
//! free pages are returned once per quiet period, and when the shards hold much less than at their peak. Not
//! more often: walking the allocator's lists costs milliseconds, and blocks shards that allocate meanwhile.

use std::sync::Arc;
use std::time::Duration;

use telemetry::Registry;
use tokio::sync::Notify;

/// Idle time required.
const PERIOD: Duration = Duration::from_secs(10);
/// CPU time in a period that still counts as idle: timers, and reads of the statistics.
const IDLE_CPU: Duration = Duration::from_millis(200);

/// Minimum interval between trims when many clients are closed.
const PAUSE: Duration = Duration::from_millis(50);
/// Interval of checks for a past peak.
const LOOK: Duration = Duration::from_secs(1);
/// Smallest decrease since a peak that is worth a trim; the shards must also hold at most half of the peak.
const PEAK_BYTES: u64 = 8 << 20;

/// Activity counters so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Activity {
    /// Requests to pools.
    requests: u64,
    /// CPU time of the process, for the queue and everything else.
    cpu: Duration,
}

impl Activity {
    fn so_far(registry: &Registry) -> Activity {
        let requests = registry.pools().iter().filter_map(|pool| pool.get("client_requests")).sum();
        Activity { requests, cpu: admin::process::cpu_time().unwrap_or_default() }
    }

    fn is_quiet_since(&self, before: Activity) -> bool {
        self.requests == before.requests && self.cpu.saturating_sub(before.cpu) <= IDLE_CPU
    }
}

/// Trims in quiet moments, forever, and whenever `relief` is notified: a client was closed to free memory for
/// another shard, whose allocator arena cannot see it. Needs a tokio runtime.
pub async fn run(registry: Arc<Registry>, relief: Arc<Notify>) {
    let mut before = Activity::so_far(&registry);
    // The start leaves free memory behind too.
    let mut owed = true;
    let (mut peak, mut looks) = (Peak::default(), 0);
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = relief.notified() => {
                give_back();
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        }
        if peak.has_passed(registry.shard_row("memory_bytes")) {
            give_back();
        }
        looks = (looks + 1) % PERIOD.div_duration_f64(LOOK) as u32;
        if looks > 0 {
            continue;
        }
        let now = Activity::so_far(&registry);
        if !now.is_quiet_since(before) {
            owed = true;
        } else if std::mem::take(&mut owed) {
            give_back();
        }
        before = now;
    }
}

/// The most that the shards have held since the last trim.
#[derive(Debug, Default)]
struct Peak(u64);

impl Peak {
    /// True if the shards now hold much less than the peak; the next peak then begins.
    fn has_passed(&mut self, held: u64) -> bool {
        self.0 = self.0.max(held);
        let passed = self.0 - held >= PEAK_BYTES && held <= self.0 / 2;
        if passed {
            self.0 = held;
        }
        passed
    }
}

/// Makes glibc's allocator return free pages of all its arenas. Other allocators do so by themselves.
fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim takes a number and touches only memory that the allocator holds as free; it takes
    // the allocator's own locks, so it may be called while other threads allocate.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_is_no_request_and_hardly_any_cpu() {
        let activity = |requests, cpu_ms| Activity { requests, cpu: Duration::from_millis(cpu_ms) };
        let before = activity(7, 1000);
        assert!(activity(7, 1200).is_quiet_since(before));
        assert!(!activity(8, 1000).is_quiet_since(before));
        assert!(!activity(7, 1201).is_quiet_since(before));
    }

    #[test]
    fn a_peak_passes_once() {
        let mut peak = Peak::default();
        let mib = |n: u64| n << 20;
        let held = [0, 5, 60, 64, 50, 33, 31, 30, 22, 60, 56, 0, 0, 7, 0].map(mib);
        let passed: Vec<usize> = (0..held.len()).filter(|n| peak.has_passed(held[*n])).collect();
        assert_eq!(passed, [6, 11], "at 31 of 64 MiB and at 0 of 60 MiB");
    }

    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn what_was_freed_goes_back() {
        let rss = || admin::process::Process::now().rss_bytes.expect("Linux tells");
        // Small blocks, of which one in a thousand stays allocated, so that free() alone returns nothing.
        let mut blocks: Vec<Vec<u8>> = (0..64_000).map(|_| vec![1; 1000]).collect();
        let mut n = 0;
        blocks.retain(|_| {
            n += 1;
            n % 1000 == 0
        });
        let full = rss();
        give_back();
        let after = rss();
        assert!(after + (32 << 20) < full, "{full} bytes before, {after} after, {} kept", blocks.len());
    }
}
