//! Returns free memory to the system: in quiet moments, and after a peak.
//!
//! The allocator keeps freed memory. That is right under load, but leaves the process at its peak size. So
//! free pages are returned once per quiet period, and when the shards hold much less than at their peak. Not
//! more often: walking the allocator's lists costs milliseconds, and blocks shards that allocate meanwhile.
//!
//! Once, soon after the start, the pages of the program itself are unmapped. What runs is mapped again at its
//! next instruction, from the page cache; what only the start needed stays away, which is 6 MB of 14.

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
    let (mut peak, mut looks, mut is_start) = (Peak::default(), 0, true);
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => if std::mem::take(&mut is_start) {
                unmap_code();
            },
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

/// Unmaps the pages of this program's code until they run again. Not under a debugger, whose breakpoints
/// stand in them.
fn unmap_code() {
    #[cfg(target_os = "linux")]
    {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let is_traced = !read("/proc/self/status").contains("TracerPid:\t0\n");
        let program = std::fs::read_link("/proc/self/exe").unwrap_or_default();
        if is_traced {
            return;
        }
        for range in code_of(&read("/proc/self/maps"), &program.to_string_lossy()) {
            // SAFETY: the range is a mapping of the program's file that nobody can write to, neither Rust nor
            // the loader, so that each page is what the file has: the kernel maps that at the next access.
            // The mapping itself stays.
            unsafe {
                libc::madvise(range.start as *mut libc::c_void, range.len(), libc::MADV_DONTNEED);
            }
        }
    }
}

/// The executable mappings of a program, which cannot be written to, among those of `/proc/self/maps`.
#[cfg(target_os = "linux")]
fn code_of<'m>(maps: &'m str, program: &'m str) -> impl Iterator<Item = std::ops::Range<usize>> + use<'m> {
    maps.lines().filter_map(move |line| {
        let mut words = line.splitn(6, ' ');
        let (range, rights) = (words.next()?, words.next()?);
        if rights != "r-xp" || words.nth(3)?.trim_start() != program || program.is_empty() {
            return None;
        }
        let (start, end) = range.split_once('-')?;
        let parse = |text| usize::from_str_radix(text, 16).ok();
        Some(parse(start)?..parse(end)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_code_of_the_program_alone_is_unmapped() {
        let maps = "562d28f6a000-562d29294000 r--p 00000000 fe:00 10117303                   /bin/nuthatch\n\
                    562d29294000-562d29fd2000 r-xp 00329000 fe:00 10117303                   /bin/nuthatch\n\
                    562d2a073000-562d2a074000 rwxp 01103000 fe:00 10117303                   /bin/nuthatch\n\
                    7f55e9ed5000-7f55ea02b000 r-xp 00026000 fe:00 326279                     /usr/lib/libc.so.6\n\
                    7fff1000-7fff2000 r-xp 00000000 00:00 0                                  [vdso]\n\
                    7fff3000-7fff4000 r-xp 00000000 00:00 0 \n";
        let mut code = code_of(maps, "/bin/nuthatch");
        assert_eq!(code.next(), Some(0x562d_2929_4000..0x562d_29fd_2000));
        assert_eq!(code.next(), None);
        assert_eq!(code_of(maps, "").count(), 0);
        unmap_code();
    }

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
