//! Kernel settings in /proc and /sys. Unreadable ones are skipped.

use std::collections::HashSet;
use std::fs::read_to_string;

use config::checked::{Config, Listen, Target};

use super::finding::Finding;
use super::patient::Patient;

/// Checks the backlog of connections not yet accepted.
pub(super) fn somaxconn(patient: &Patient) -> Vec<Finding> {
    let wanted = patient.config.pools.iter().map(|pool| u64::from(pool.backlog)).max();
    vec![of_backlog(number("/proc/sys/net/core/somaxconn"), wanted)]
}

fn of_backlog(most: Option<u64>, wanted: Option<u64>) -> Finding {
    match (most, wanted) {
        (None, _) | (_, None) => Finding::skipped("no pool, or the kernel does not tell"),
        (Some(most), Some(wanted)) if most < wanted => Finding::warning(
            format!(
                "{most} connections may wait to be accepted, backlog asks for {wanted}: bursts of clients are refused"
            ),
            format!("sysctl -w net.core.somaxconn={wanted}, and the same in /etc/sysctl.d"),
        ),
        (Some(most), Some(wanted)) => {
            Finding::fine(format!("{most} connections may wait to be accepted, backlog asks for {wanted}"))
        }
    }
}

/// Checks the ports for outgoing connections: enough for those to one server, and none that is listened on.
pub(super) fn ephemeral_ports(patient: &Patient) -> Vec<Finding> {
    let range = read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok().and_then(|text| range(&text));
    let Some(range) = range else { return vec![Finding::skipped("the kernel does not tell")] };
    let reserved = read_to_string("/proc/sys/net/ipv4/ip_local_reserved_ports").unwrap_or_default();
    of_ports(&patient.config, range, &reserved_ports(&reserved))
}

fn of_ports(config: &Config, (first, last): (u16, u16), reserved: &HashSet<u16>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let count = u64::from(last.saturating_sub(first)) + 1;
    let to_one_server = |pool: &config::checked::Pool| {
        let is_remote = pool.servers.iter().any(|server| matches!(server.target, Target::Tcp { .. }));
        if is_remote { u64::from(pool.server_connections) * config.threads as u64 } else { 0 }
    };
    let needed = config.pools.iter().map(to_one_server).max().unwrap_or(0);
    if needed > count / 2 {
        findings.push(Finding::warning(
            format!("{needed} connections to one server, and {count} ports for outgoing connections"),
            "sysctl -w net.ipv4.ip_local_port_range=\"10240 65535\", or fewer server_connections",
        ));
    }
    let taken: Vec<String> = listened(config)
        .filter(|port| (first..=last).contains(port) && !reserved.contains(port))
        .map(|port| port.to_string())
        .collect();
    if !taken.is_empty() {
        let ports = taken.join(",");
        findings.push(Finding::warning(
            format!("{ports} is in the range of outgoing connections ({first} to {last}): one may have it when the daemon starts"),
            format!("sysctl -w net.ipv4.ip_local_reserved_ports={ports}, and the same in /etc/sysctl.d"),
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::fine(format!(
            "{count} for outgoing connections, {first} to {last}; no listener is among them"
        )));
    }
    findings
}

/// Every fixed TCP port of the configuration.
fn listened(config: &Config) -> impl Iterator<Item = u16> {
    let pools = config.pools.iter().flat_map(|pool| &pool.listen).map(|listen| &listen.address);
    let queue = config.queue.iter().flat_map(|queue| std::iter::once(&queue.tcp).chain(&queue.http));
    let lookup = config.lookup.iter().flat_map(|lookup| [&lookup.tcp, &lookup.http]);
    let others =
        config.admin.iter().map(|admin| &admin.listen).chain(config.stats.iter().map(|stats| &stats.listen));
    pools.chain(queue).chain(lookup).chain(others).filter_map(|listen| match listen {
        Listen::Tcp { port, .. } if *port > 0 => Some(*port),
        _ => None,
    })
}

/// Checks memory overcommit: without it an allocation may fail with memory left, which ends the process.
pub(super) fn overcommit(_: &Patient) -> Vec<Finding> {
    vec![match number("/proc/sys/vm/overcommit_memory") {
        None => Finding::skipped("the kernel does not tell"),
        Some(2) => Finding::warning(
            "vm.overcommit_memory is 2: the kernel refuses memory that is only reserved, and the process may end by it",
            "sysctl -w vm.overcommit_memory=0, and the same in /etc/sysctl.d",
        ),
        Some(mode) => Finding::fine(format!("vm.overcommit_memory is {mode}")),
    }]
}

/// Checks transparent huge pages: with them, memory freed in small pieces stays with the process.
pub(super) fn huge_pages(_: &Patient) -> Vec<Finding> {
    vec![of_huge_pages(read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").ok().as_deref())]
}

fn of_huge_pages(modes: Option<&str>) -> Finding {
    let mode = modes.and_then(|text| Some(text.split_once('[')?.1.split_once(']')?.0));
    match mode {
        None => Finding::skipped("the kernel does not tell"),
        Some("always") => Finding::warning(
            "always on: the process may hold more memory than it uses, and Redis servers on this machine pause when they save",
            "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled, at each boot",
        ),
        Some(mode) => Finding::fine(mode),
    }
}

fn number(path: &str) -> Option<u64> {
    read_to_string(path).ok()?.trim().parse().ok()
}

fn range(text: &str) -> Option<(u16, u16)> {
    let mut numbers = text.split_whitespace().map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Ports of a list such as `8080,9000-9002`.
fn reserved_ports(text: &str) -> HashSet<u16> {
    let parts = text.trim().split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<u16>().ok()?..=last.parse::<u16>().ok()?)
    });
    parts.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn backlogs() {
        for (most, wanted, level) in [
            (Some(128), Some(512), Level::Warning),
            (Some(4096), Some(512), Level::Fine),
            (Some(512), Some(512), Level::Fine),
            (None, Some(512), Level::Skipped),
            (Some(128), None, Level::Skipped),
        ] {
            assert_eq!(of_backlog(most, wanted).level, level, "{most:?} {wanted:?}");
        }
    }

    #[test]
    fn ports_for_outgoing_connections() {
        let text = "threads = 4\n[pool.a]\nlisten = \"127.0.0.1:40000\"\nserver_connections = 1000\nservers = [\"127.0.0.1:1\"]\n";
        let config = config::native::check(text, 4).config.unwrap();
        for (ports, reserved, expected) in [
            ((32768, 60999), "", vec!["40000 is in the range"]),
            ((32768, 60999), "39999-40001", vec!["28232 for outgoing"]),
            ((32768, 33767), "", vec!["4000 connections to one server, and 1000 ports"]),
            ((40000, 40999), "1", vec!["4000 connections", "40000 is in the range"]),
        ] {
            let found = of_ports(&config, ports, &reserved_ports(reserved));
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for (finding, text) in found.iter().zip(expected) {
                assert!(finding.text.starts_with(text), "{finding:?}");
            }
        }
        assert_eq!((range("32768\t60999\n"), range("")), (Some((32768, 60999)), None));
    }

    #[test]
    fn modes_of_huge_pages() {
        for (text, level) in [
            (Some("[always] madvise never\n"), Level::Warning),
            (Some("always [madvise] never\n"), Level::Fine),
            (Some(""), Level::Skipped),
            (None, Level::Skipped),
        ] {
            assert_eq!(of_huge_pages(text).level, level, "{text:?}");
        }
    }
}
