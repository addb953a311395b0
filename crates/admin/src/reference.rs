//! docs/metrics.md: every family of `/metrics` with its kind, labels and help.
//!
//! It is read from a page that has one of each, so no metric is listed twice.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use config::checked::MetricsLimits;
use telemetry::render::prometheus::Text;
use telemetry::{ChannelReport, CommandClass, PoolCells, Registry, TopicReport};

use crate::certificates::{Certificate, Side};
use crate::facts::{Facts, Placement, PoolFacts};
use crate::lookup::LookupReport;
use crate::metrics;
use crate::process::Process;
use crate::queue::{EngineReport, QueueReport};
use crate::reload::ServerByHand;
use crate::rounds::Rounds;
use crate::sample::Sample;
use crate::scrape::Page;
use crate::status::Status;
use crate::topology::{Cluster, Master};
use crate::upgrades::{UpgradeFailure, UpgradeFailures};

const HEAD: &str = "# Metrics

Every family of `/metrics` ([admin.md](admin.md#metrics)), in the order of the page. Times are seconds, sizes bytes. A counter counts since the
start of the process, or of the topic. With OpenMetrics a counter's family is named without `_total`. Some are there only if there is something to
tell: a certificate, a master that Sentinels name, a failed upgrade, a change by hand.

| metric | kind | labels | what |
|---|---|---|---|
";

/// The page of the documentation.
pub fn metrics_reference() -> String {
    let page = example();
    let mut text = HEAD.to_owned();
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|line| line.split_once(' ')) else {
            continue;
        };
        let kind = lines.next().and_then(|line| line.rsplit(' ').next()).unwrap_or_default();
        let labels = lines.peek().map(|sample| labels(sample)).unwrap_or_default();
        let help = help.replace('|', "\\|");
        writeln!(text, "| `{name}` | {kind} | {labels} | {help} |").expect("a string takes all");
    }
    text
}

/// Names of the labels of a sample.
fn labels(sample: &str) -> String {
    let Some((_, rest)) = sample.split_once('{') else { return String::new() };
    let names = rest.split("=\"").filter_map(|part| part.rsplit([',', '"', '{']).next());
    let names: Vec<&str> =
        names.filter(|name| !name.is_empty() && !name.starts_with('}') && *name != "le").collect();
    names.join(", ")
}

/// A page with one of each family.
fn example() -> String {
    let registry = Registry::new(1);
    let pool = PoolCells::new("p", ["s"], 1);
    pool.servers[0].shards[0].record_response(CommandClass::Read, 1, 0);
    registry.set_pools([pool]);
    let facts = Facts {
        version: "",
        memory_budget_bytes: 0,
        shards: 1,
        pools: vec![PoolFacts {
            name: "p".into(),
            protocol: "redis",
            topology: "ring",
            placement: Placement::default(),
        }],
        listening: Vec::new(),
        hostname: String::new(),
        http_names: Vec::new(),
        metrics: MetricsLimits::default(),
        started: Instant::now(),
        started_ms: 0,
    };
    let mut head = Text::default();
    registry.write(&mut head);
    let status = status(&facts, &registry);
    metrics::families(&mut head, &facts, &status, Some(0));
    Page::new(head, Arc::new(status), facts.metrics, false).whole()
}

/// A status with everything that has metrics.
fn status(facts: &Facts, registry: &Registry) -> Status {
    let channel = ChannelReport { name: "c".into(), ..ChannelReport::default() };
    let topic = TopicReport { name: "t".into(), channels: vec![channel], ..TopicReport::default() };
    let known = Some(0);
    let engine = EngineReport { fault_since_ms: known, forward_oldest_ms: known, ..EngineReport::default() };
    let sample = Sample {
        at: facts.started,
        wall_ms: 0,
        pools: registry.pools(),
        memory_bytes: 0,
        rounds: Rounds::default(),
        queue: Some(QueueReport {
            topics: vec![topic],
            disk_free_bytes: known,
            engine: Some(engine),
            ..QueueReport::default()
        }),
        lookup: Some(LookupReport::default()),
        process: Process { pid: 0, rss_bytes: known, open_fds: known, fds_max: known, threads: known },
    };
    let mut status = Status::between(&sample, &sample, facts, true);
    let failure = UpgradeFailure { at_ms: 0, reason: String::new() };
    status.upgrade_failures = UpgradeFailures { total: 1, last: Some(failure) };
    let change = ServerByHand { pool: "p".into(), server: "s".into(), ..ServerByHand::default() };
    status.configuration.servers_by_hand.push(change);
    status.certificates.push(Certificate {
        pool: "p".into(),
        side: Side::Servers,
        option: "",
        file: String::new(),
        begins_ms: 0,
        ends_ms: 0,
    });
    status.clusters.push(Cluster { pool: "p".into(), refreshed_ms: known, ..Cluster::default() });
    status.masters.push(Master {
        pool: "p".into(),
        name: "m".into(),
        address: Some(String::new()),
        since_ms: known,
        ..Master::default()
    });
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_samples() {
        for (sample, expected) in [
            ("n 1", ""),
            ("n{pool=\"a\"} 1", "pool"),
            ("n{pool=\"a,b\",server=\"c\"} 1", "pool, server"),
            ("n_bucket{pool=\"a\",le=\"0.1\"} 1", "pool"),
        ] {
            assert_eq!(labels(sample), expected, "{sample}");
        }
    }

    #[test]
    fn every_family_is_in_the_documentation() {
        let text = metrics_reference();
        for name in [
            "nuthatch_channel_lost_total",
            "nuthatch_certificate_expiry_time_seconds",
            "nuthatch_lookup_topics",
            "nuthatch_master_since_seconds",
            "nuthatch_metrics_hidden_channels",
        ] {
            assert!(text.contains(&format!("| `{name}` | ")), "{name} is missing in\n{text}");
        }
        let there = include_str!("../../../docs/metrics.md");
        assert!(there.contains(text.trim()), "docs/metrics.md is stale: run cargo xtask docs");
    }
}
