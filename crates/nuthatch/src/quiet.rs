//! Gives memory back to the system in quiet moments.
//!
//! The allocator keeps what was freed. Under load that is right; after a peak it means that the process stays as large as
//! it ever was. So, once nothing has happened for a while, it is told to let go, once per quiet time: walking its lists costs
//! milliseconds, and a shard that allocates meanwhile waits.

use std::sync::Arc;
use std::time::Duration;

use telemetry::Registry;

/// How long nothing must happen.
const PERIOD: Duration = Duration::from_secs(10);
/// CPU time in a period that still counts as nothing: timers, and somebody who looks at the statistics.
const IDLE_CPU: Duration = Duration::from_millis(200);

/// What has happened so far.
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

/// Watches for quiet moments, for ever. Needs a tokio runtime.
pub async fn run(registry: Arc<Registry>) {
    let mut before = Activity::so_far(&registry);
    // The start leaves something behind too.
    let mut owed = true;
    loop {
        tokio::time::sleep(PERIOD).await;
        let now = Activity::so_far(&registry);
        if !now.is_quiet_since(before) {
            owed = true;
        } else if std::mem::take(&mut owed) {
            give_back();
        }
        before = now;
    }
}

/// Tells glibc's allocator to return free pages of all its arenas. Other allocators do without being told.
fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim takes a number and touches only memory that the allocator holds as free; it takes the
    // allocator's own locks, so it may be called while other threads allocate.
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
