//! Check of the limit on file descriptors against the configuration.

use config::Fault;
use config::checked::{Config, Target};

/// Journals, logs, the event loops, and what serves HTTP and statistics.
const RESERVE: u64 = 256;

/// A fault if the limit on open files is too low.
pub fn check(config: &Config) -> Vec<Fault> {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    match limits_of(&limits) {
        Some((soft, hard)) => fault(needed(config), soft, hard).into_iter().collect(),
        None => Vec::new(),
    }
}

/// Most descriptors needed at the same time, where the configuration limits them: client connections with a
/// limit, and server connections.
fn needed(config: &Config) -> u64 {
    let threads = config.threads as u64;
    let pools = config.pools.iter().map(|pool| {
        let servers = pool.servers.iter().filter(|server| server.target != Target::Local).count() as u64;
        let clients = u64::from(pool.client_connections.unwrap_or(0));
        let listeners = pool.listen.len() as u64 * threads;
        clients + listeners + servers * u64::from(pool.server_connections) * threads
    });
    let queue = config.queue.as_ref().map_or(0, |queue| u64::from(queue.max_connections));
    pools.sum::<u64>() + queue + RESERVE
}

fn fault(needed: u64, soft: u64, hard: u64) -> Option<Fault> {
    if needed <= soft {
        return None;
    }
    let asks = format!("the configuration asks for {needed} file descriptors");
    let help = format!("set LimitNOFILE={needed} in its unit, or: ulimit -n {needed}");
    Some(if needed > hard {
        Fault::error(None, format!("{asks}, and the limit is {soft}, or {hard} at most"), help)
    } else {
        Fault::warning(None, format!("{asks}, and the limit is {soft}, which may be raised to {hard}"), help)
    })
}

/// Soft and hard limit in /proc/self/limits.
///
/// ```text
/// Max open files            1024                 524288               files
/// ```
fn limits_of(text: &str) -> Option<(u64, u64)> {
    let row = text.lines().find_map(|row| row.strip_prefix("Max open files"))?;
    let mut numbers = row.split_whitespace().map(|number| match number {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    });
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use config::{Severity, native};

    use super::*;

    #[test]
    fn limits() {
        let text =
            "Limit   Soft Limit  Hard Limit  Units\nMax open files            1024      524288    files\n";
        assert_eq!(limits_of(text), Some((1024, 524_288)));
        assert_eq!(limits_of("Max open files  unlimited unlimited files"), Some((u64::MAX, u64::MAX)));
        assert_eq!((limits_of(""), limits_of("Max open files")), (None, None));
        assert!(fault(1024, 1024, 1024).is_none());
        assert_eq!(fault(1025, 1024, 2048).map(|fault| fault.severity), Some(Severity::Warning));
        assert_eq!(fault(2049, 1024, 2048).map(|fault| fault.severity), Some(Severity::Error));
    }

    #[test]
    fn what_a_configuration_asks_for() {
        let text = "threads = 2\n[pool.a]\nlisten = \"127.0.0.1:0\"\nclient_connections = 1000\nserver_connections = 3\n\
                    servers = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\n[queue]\nmax_connections = 500\n";
        let config = native::check(text, 2).config.unwrap();
        assert_eq!(needed(&config), 1000 + 2 + 2 * 3 * 2 + 500 + RESERVE);
    }
}
