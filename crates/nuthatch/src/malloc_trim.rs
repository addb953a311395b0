//! Gives memory back to the system: in quiet moments, and after a peak.
//!
//! The allocator keeps what was freed. Under load that is right; after a peak it means that the process stays
//! as large as it ever was. So it is told to let go once nothing has happened for a while, once per quiet
//! time, and when the shards hold much less than they did: walking its lists costs milliseconds, and a shard
//! that allocates meanwhile waits.

use std::sync::Arc;
use std::time::Duration;

use telemetry::Registry;
use tokio::sync::Notify;

/// Idle time required.
const PERIOD: Duration = Duration::from_secs(10);
/// CPU time in a period that still counts as nothing: timers, and somebody who looks at the statistics.
const IDLE_CPU: Duration = Duration::from_millis(200);

/// The least time between two of many clients that are closed.
const PAUSE: Duration = Duration::from_millis(50);
/// Interval of checks for a peak that has passed.
const LOOK: Duration = Duration::from_secs(1);
/// A peak that is worth it: the shards have given up so much since, and at least half of what they held.
const PEAK_BYTES: u64 = 8 << 20;

/// Progress so far.
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

/// Watches for quiet moments, for ever, and gives memory back when `relief` is notified: a client was closed
/// for the memory it held, which another shard, whose allocator does not see it, is about to use. Needs a
/// tokio runtime.
pub async fn run(registry: Arc<Registry>, relief: Arc<Notify>) {
    let mut before = Activity::so_far(&registry);
    // The start leaves something behind too.
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

/// The most that the shards have held since memory was last given back.
#[derive(Debug, Default)]
struct Peak(u64);

impl Peak {
    /// Told what they hold now: is it much less than it was? Then the next peak begins.
    fn has_passed(&mut self, held: u64) -> bool {
        self.0 = self.0.max(held);
        let passed = self.0 - held >= PEAK_BYTES && held <= self.0 / 2;
        if passed {
            self.0 = held;
        }
        passed
    }
}

/// Tells glibc's allocator to return free pages of all its arenas. Other allocators do without being told.
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
        // Small blocks, of which one in a thousand stays: nothing that free() alone would return.
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
