//! Memory of the machine, or of the process's control group, against the limits of the configuration.

use std::fs::read_to_string;
use std::path::Path;

use config::checked::{Config, Target};

use super::finding::Finding;
use super::patient::Patient;

/// Compares both.
pub(super) fn check(patient: &Patient) -> Vec<Finding> {
    let machine = read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    let group = read_to_string("/proc/self/cgroup").ok().and_then(|text| group_limit(&text));
    let Some(most) = machine.into_iter().chain(group).min() else {
        return vec![Finding::skipped("the kernel does not tell")];
    };
    vec![compare(allowed(&patient.config), most)]
}

fn compare(allowed: u64, most: u64) -> Finding {
    let text = format!(
        "the limits of the configuration add up to {}, there are {}",
        mebibytes(allowed),
        mebibytes(most)
    );
    if allowed > most {
        let remedy = "lower memory_budget, [local] bytes or [queue] max_memory: the kernel would end the process before it refuses";
        Finding::warning(text, remedy)
    } else {
        Finding::fine(text)
    }
}

/// Most bytes that the configuration allows the process. Buffers of the queue's clients
/// may use as much as `max_memory`.
fn allowed(config: &Config) -> u64 {
    let is_local =
        |pool: &config::checked::Pool| pool.servers.iter().any(|server| server.target == Target::Local);
    let local = if config.pools.iter().any(is_local) { config.local.bytes_max } else { 0 };
    let queue = config.queue.as_ref().map_or(0, |queue| {
        queue.max_memory_bytes.saturating_mul(2).saturating_add(queue.journal_cache_bytes)
    });
    let pools = if config.pools.is_empty() { 0 } else { config.memory_budget_bytes };
    (pools as u64).saturating_add(local as u64).saturating_add(queue as u64)
}

/// ```text
/// MemTotal:       24665908 kB
/// ```
fn total(meminfo: &str) -> Option<u64> {
    let rest = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    rest.split_whitespace().next()?.parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
}

/// The limit of the group named in /proc/self/cgroup (`0::/system.slice/nuthatch.service`).
fn group_limit(groups: &str) -> Option<u64> {
    let name = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let path = Path::new("/sys/fs/cgroup").join(name).join("memory.max");
    read_to_string(path).ok()?.trim().parse().ok()
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn limits_add_up() {
        let file = "memory_budget = \"100MiB\"\n[pool.a]\nlisten = \"127.0.0.1:1\"\nservers = [\"local\"]\n[local]\nbytes = \"10MiB\"\n\
                    [queue]\nmax_memory = \"20MiB\"\njournal_cache = \"5MiB\"\n";
        let config = config::native::check(file, 1).config.unwrap();
        assert_eq!(allowed(&config), (100 + 10 + 2 * 20 + 5) << 20);
        assert_eq!(compare(2 << 20, 1 << 20).level, Level::Warning);
        assert_eq!(compare(1 << 20, 1 << 20).level, Level::Fine);
        assert_eq!(total("MemFree: 1 kB\nMemTotal:   2 kB\n"), Some(2048));
        assert_eq!((total(""), group_limit("1:name=x:/\n")), (None, None));
    }
}
