//! Problems found in one [`Status`]: everything that an operator on call wants to know.
//!
//! A finding is a current problem; the [`Tracker`](crate::trouble::Tracker) knows when it began.

use std::borrow::Cow;

use telemetry::{PoolStats, Row, ServerStats};

use crate::certificates::{Certificate, CertificateFault};
use crate::events::Event;
use crate::process::Process;
use crate::queue::Condition;
use crate::reload::Generations;
use crate::runbook;
use crate::status::{
    ChannelStatus, ErrorCount, Memory, PoolState, PoolStatus, QueueStatus, ServerState, ServerStatus, Status,
    TopicStatus,
};
use crate::topology::{Cluster, Master};
use crate::trouble::{Finding, Severity};
use crate::upgrades::UpgradeFailures;
use crate::verdict::severity;
use ui::format::{bytes, count, micros, rate};
use ui::pools::{CAUSED_BY_CLIENTS, HARMLESS};

/// Memory is tight at this percentage of the budget: five eighths, where clients
/// begin to wait (`proxy::memory`),
const MEMORY_TIGHT: u64 = 62;
/// and full at this one: just under seven eighths, where clients are closed.
const MEMORY_FULL: u64 = 85;
/// File descriptors run short at this percentage of the limit.
const FDS_FEW: u64 = 90;
/// Depth above which a growing channel is reported.
const DEPTH_WORTH_TELLING: u64 = 100;

/// All current problems.
pub(crate) fn find(status: &Status) -> Vec<Finding> {
    let mut found = Vec::new();
    status.pools.iter().for_each(|pool| of_pool(pool, &status.events, &mut found));
    status.queue.iter().for_each(|queue| of_queue(queue, &mut found));
    found.extend(of_memory(status.memory));
    found.extend(of_descriptors(&status.process));
    found.extend(of_upgrades(&status.upgrade_failures));
    of_generations(&status.configuration, &mut found);
    found.extend(
        status.certificates.iter().filter_map(|certificate| of_certificate(certificate, status.now_ms)),
    );
    found.extend(status.masters.iter().filter_map(of_master));
    found.extend(status.clusters.iter().filter_map(of_cluster));
    debug_assert!(found.iter().all(|finding| runbook::has(&finding.anchor())), "the runbook misses a kind");
    found
}

/// The last reload, if it failed, and changes that wait for a restart or were made by hand.
fn of_generations(generations: &Generations, found: &mut Vec<Finding>) {
    let mut add = |severity, kind, text: String, since_ms| {
        found.push(Finding { since_ms, ..Finding::new(severity, "configuration", kind, text) });
    };
    if let Some(failure) = &generations.failure {
        let text = format!("reload failed, generation {} stays: {}", generations.generation, failure.error);
        add(Severity::Warning, "reload", text, Some(failure.at_ms));
    }
    if !generations.needs_restart.is_empty() {
        let text = format!("waits for a restart: {}", generations.needs_restart.join("; "));
        add(Severity::Notice, "restart", text, None);
    }
    if !generations.by_hand.is_empty() {
        let text = format!("changed by hand: {}", generations.by_hand.join("; "));
        add(Severity::Notice, "by hand", text, None);
    }
}

/// The last upgrade, if it failed: the problem stays until a later upgrade replaces this process.
fn of_upgrades(failures: &UpgradeFailures) -> Option<Finding> {
    let last = failures.last.as_ref()?;
    let text = format!("its binary was to be replaced, and was not: {}", last.reason);
    Some(Finding {
        since_ms: Some(last.at_ms),
        ..Finding::new(Severity::Warning, "process", "upgrade", text)
    })
}

fn of_certificate(certificate: &Certificate, now_ms: u64) -> Option<Finding> {
    let CertificateFault { severity, text, since_ms } = certificate.fault(now_ms)?;
    let finding = Finding::new(severity, certificate.subject(), certificate.option, text);
    Some(Finding { since_ms, section: Some("certificate"), ..finding })
}

fn of_master(master: &Master) -> Option<Finding> {
    let (level, text) = master.fault()?;
    let severity = severity(level);
    let subject = format!("pool {}, server {}", master.pool, master.name);
    Some(Finding { section: Some("sentinels"), ..Finding::new(severity, subject, "sentinels", text) })
}

fn of_cluster(cluster: &Cluster) -> Option<Finding> {
    let (level, text) = cluster.fault()?;
    let severity = severity(level);
    let subject = format!("pool {}", cluster.pool);
    Some(Finding { section: Some("cluster"), ..Finding::new(severity, subject, "cluster", text) })
}

fn of_pool(pool: &PoolStatus, events: &[Event], found: &mut Vec<Finding>) {
    let subject = format!("pool {}", pool.name);
    if pool.state == PoolState::Down {
        let since_ms = pool.servers.iter().filter_map(|server| server.ejected_since_ms).max();
        let text = "every server is ejected: requests are answered with errors";
        found.push(Finding { since_ms, ..Finding::new(Severity::Critical, &subject, "down", text) });
    }
    for (kind, error) in &pool.errors {
        let severity =
            if CAUSED_BY_CLIENTS.contains(&kind.as_ref()) { Severity::Notice } else { Severity::Warning };
        found.extend(of_error(&subject, kind.clone(), error, PoolStats::ROWS, severity));
    }
    for server in &pool.servers {
        of_server(&format!("{subject}, server {}", server.name), server, events, found);
    }
}

fn of_server(subject: &str, server: &ServerStatus, events: &[Event], found: &mut Vec<Finding>) {
    if server.state == ServerState::Ejected {
        // The event at that time has the reason, unless newer events have displaced it.
        let said =
            events.iter().find(|event| event.severity == Severity::Critical && event.subject == subject);
        let text = said.map_or("ejected: it gets probes only", |event| &event.text);
        let finding = Finding::new(Severity::Critical, subject, "ejected", text);
        found.push(Finding { since_ms: server.ejected_since_ms, ..finding });
        // What its probes meet follows from that, and is on its page.
        return;
    }
    for (kind, error) in server.errors.iter().filter(|(kind, _)| !HARMLESS.contains(&kind.as_ref())) {
        found.extend(of_error(subject, kind.clone(), error, ServerStats::ROWS, Severity::Warning));
    }
    if let Some(p99) = server.latency.p99_us.filter(|_| server.slow) {
        let text = format!("much slower than its pool's other servers: p99 {}", micros(p99));
        found.push(Finding::new(Severity::Warning, subject, "slow", text));
    }
}

/// A kind of error that occurs now, in the words of the statistics' table.
fn of_error(
    subject: &str,
    kind: Cow<'static, str>,
    error: &ErrorCount,
    rows: &[Row],
    severity: Severity,
) -> Option<Finding> {
    if error.per_second <= 0.0 {
        return None;
    }
    let help = rows.iter().find(|row| row.name == kind).map_or(&*kind, |row| row.help);
    let text = format!("{}/s {}", rate(error.per_second), help.trim_start_matches("# "));
    Some(Finding::new(severity, subject, kind, text))
}

fn of_queue(queue: &QueueStatus, found: &mut Vec<Finding>) {
    if !queue.answers {
        found.push(Finding::new(Severity::Critical, "queue", "mute", "it does not answer"));
    }
    for Condition { subject, what, why, since_ms } in &queue.conditions {
        let finding = Finding::new(Severity::Critical, subject, *what, format!("{what}: {why}"));
        found.push(Finding { since_ms: Some(*since_ms), section: Some("queue-condition"), ..finding });
    }
    if let Some(fault) = queue.fault.as_ref().filter(|_| queue.conditions.is_empty()) {
        found.push(Finding::new(Severity::Critical, "queue", "fault", fault));
    }
    if let Some(damage) = &queue.damage {
        found.push(Finding::new(Severity::Critical, "queue", "damage", damage));
    }
    of_queue_memory(queue, found);
    for topic in &queue.topics {
        of_topic(topic, found);
        for channel in &topic.channels {
            of_channel(&format!("topic {}, channel {}", topic.name, channel.name), channel, found);
        }
    }
}

/// Messages are refused at seven eighths of the limit, topics and channels at the limit.
fn of_queue_memory(queue: &QueueStatus, found: &mut Vec<Finding>) {
    let (used, max) = (queue.memory_bytes, queue.memory_bytes_max);
    if max == 0 || used < max / 4 * 3 {
        return;
    }
    let severity = if used < max / 8 * 7 { Severity::Warning } else { Severity::Critical };
    let text = format!("topics and channels take {} of {} (max_memory)", bytes(used), bytes(max));
    found.push(Finding::new(severity, "queue", "memory", text));
}

fn of_topic(topic: &TopicStatus, found: &mut Vec<Finding>) {
    found.extend(of_limit(topic));
    if topic.depth == 0 {
        return;
    }
    let waiting = messages(topic.depth);
    let (kind, text) = match (topic.paused, topic.channels.is_empty()) {
        (true, _) => ("paused", format!("paused; {waiting} in it")),
        (false, true) => ("no channel", format!("no channel: {waiting} for the first one")),
        (false, false) => return,
    };
    found.push(Finding::new(Severity::Notice, format!("topic {}", topic.name), kind, text));
}

/// A topic at its limit: what it loses now.
fn of_limit(topic: &TopicStatus) -> Option<Finding> {
    let (severity, lost) = if topic.rejected_per_second > 0.0 {
        (Severity::Critical, format!("{}/s messages are refused", rate(topic.rejected_per_second)))
    } else if topic.dropped_per_second > 0.0 {
        (Severity::Warning, format!("{}/s messages, the oldest, are dropped", rate(topic.dropped_per_second)))
    } else {
        return None;
    };
    let limit = match topic.bytes_max {
        0 => String::new(),
        max => format!(" ({} of {})", bytes(topic.stored_bytes), bytes(max)),
    };
    let text = format!("full{limit}: {lost}");
    Some(Finding::new(severity, format!("topic {}", topic.name), "full", text))
}

fn of_channel(subject: &str, channel: &ChannelStatus, found: &mut Vec<Finding>) {
    let mut push = |severity, kind, text: String| found.push(Finding::new(severity, subject, kind, text));
    let waiting = messages(channel.depth);
    let grows = channel.depth_growth_per_second > 0.0;
    if channel.depth > 0 && channel.paused {
        push(Severity::Notice, "paused", format!("paused; {waiting} in it"));
    } else if channel.depth > 0 && channel.consumers == 0 {
        push(Severity::Warning, "no consumer", format!("nobody consumes; {waiting}"));
    } else if channel.depth >= DEPTH_WORTH_TELLING && grows {
        let growth = rate(channel.depth_growth_per_second);
        let consumers = count(channel.consumers);
        let text = format!("grows by {growth}/s; {waiting}, consumers: {consumers}");
        push(Severity::Warning, "grows", text);
    }
    if channel.timed_out_per_second > 0.0 {
        let often = rate(channel.timed_out_per_second);
        push(Severity::Warning, "timeouts", format!("{often}/s messages were not finished in time"));
    }
    if channel.dead_per_second > 0.0 {
        let often = rate(channel.dead_per_second);
        push(Severity::Warning, "dead", format!("{often}/s messages become dead letters"));
    }
    if channel.requeued_per_second > 0.0 {
        let often = rate(channel.requeued_per_second);
        push(Severity::Notice, "requeues", format!("{often}/s messages are given back by consumers"));
    }
}

fn messages(depth: u64) -> String {
    if depth == 1 { "1 message waits".into() } else { format!("{} messages wait", count(depth)) }
}

fn of_memory(memory: Memory) -> Option<Finding> {
    let percent = memory.percent();
    let (severity, kind, consequence) = match percent {
        MEMORY_FULL.. => (Severity::Critical, "full", "the clients that hold most are closed"),
        MEMORY_TIGHT.. => (Severity::Warning, "tight", "clients that hold much are made to wait"),
        _ => return None,
    };
    let (used, budget) = (bytes(memory.used_bytes), bytes(memory.budget_bytes));
    let text = format!("{percent} % of the budget ({used} of {budget}): {consequence}");
    Some(Finding::new(severity, "memory", kind, text))
}

fn of_descriptors(process: &Process) -> Option<Finding> {
    let (open, max) = process.open_fds.zip(process.fds_max)?;
    (open.saturating_mul(100) / max.max(1) >= FDS_FEW).then(|| {
        let text = format!("{} of {} file descriptors are in use", count(open), count(max));
        Finding::new(Severity::Warning, "process", "descriptors", text)
    })
}

#[cfg(test)]
mod tests;
