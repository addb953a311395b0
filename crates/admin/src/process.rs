//! The system's figures for this process, read from `/proc/self`. Unreadable
//! ones are left out, never guessed.

use std::time::Duration;

use serde::Serialize;

/// Figures for this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Resident memory.
    pub rss_bytes: Option<u64>,
    /// Open file descriptors.
    pub open_fds: Option<u64>,
    /// Limit on file descriptors (the soft limit).
    pub fds_max: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
}

impl Process {
    /// Reads the current figures.
    pub fn now() -> Process {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        Process {
            pid: std::process::id(),
            rss_bytes: field(&status, "VmRSS:").map(|kib| kib * 1024),
            open_fds: std::fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64),
            fds_max: field(&limits, "Max open files"),
            threads: field(&status, "Threads:"),
        }
    }
}

/// CPU time used by this process, user and system together, to a hundredth of a second.
pub fn cpu_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    cpu_ticks(&stat).map(|ticks| Duration::from_millis(ticks * 10))
}

/// utime and stime. The second field, the name in brackets, may hold anything, so we count from its end. A
/// tick is a hundredth of a second on every Linux that programs see.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

/// The first number after `name` at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        let limits = "Limit   Soft Limit  Hard Limit  Units\nMax open files    1024     4096    files\n\
                      Max locked memory   unlimited   unlimited  bytes\n";
        for (text, name, value) in [
            ("Name:\tx\nVmRSS:\t   12 kB\n", "VmRSS:", Some(12)),
            (limits, "Max open files", Some(1024)),
            (limits, "Max locked memory", None),
            ("", "VmRSS:", None),
        ] {
            assert_eq!(field(text, name), value, "{name}");
        }
    }

    #[test]
    fn ticks() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 40 2 0 0 20";
        assert_eq!(cpu_ticks(stat), Some(42));
        assert_eq!(cpu_ticks("7 (a) S"), None);
        assert_eq!(cpu_ticks(""), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process() {
        let process = Process::now();
        assert!(process.rss_bytes.is_some_and(|bytes| bytes > 100_000), "{process:?}");
        assert!(process.open_fds.zip(process.fds_max).is_some_and(|(open, max)| open > 0 && open <= max));
        assert!(process.threads.is_some_and(|threads| threads > 0));
        assert!(cpu_time().is_some());
    }
}
