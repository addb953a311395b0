//! `/metrics`: every counter, followed by values known only to the process or the queue; topics and channels
//! come last (`queue`).
//!
//! Standard names of exporters (`process_…`) are used here too.

mod queue;

use telemetry::Kind;
use telemetry::render::prometheus::Text;

use crate::certificates::Certificate;
use crate::facts::Facts;
use crate::lookup;
use crate::queue::EngineReport;
use crate::reload::ServerByHand;
use crate::status::{QueueStatus, Status};
use crate::topology::{Cluster, Master};

pub(crate) use self::queue::QueueRows;

/// Writes metric families that are not in the registry, apart from topics and channels.
pub(crate) fn families(text: &mut Text, facts: &Facts, status: &Status, login_failures: Option<u64>) {
    if let Some(failures) = login_failures {
        let help = "logins over HTTP that failed: at the admin port and the queue's API";
        text.family("nuthatch_http_login_failures", Kind::Counter, help).sample(&[], failures);
    }
    process(text, facts, status);
    certificates(text, status);
    masters(text, status);
    clusters(text, status);
    if let Some(report) = &status.lookup {
        for row in lookup::ROWS {
            let name = format!("nuthatch_lookup_{}", row.name);
            text.family(&name, row.kind, row.help).sample(&[], (row.value)(report));
        }
    }
    if let Some(queue) = &status.queue {
        of_queue(text, queue);
    }
}

fn process(text: &mut Text, facts: &Facts, status: &Status) {
    let labels = [("version", facts.version)];
    text.family("nuthatch_build_info", Kind::Gauge, "version of the program").sample(&labels, 1);
    let uptime = facts.started.elapsed().as_secs();
    let mut gauge = |name: &str, help: &str, value: Option<u64>| {
        if let Some(value) = value {
            text.family(name, Kind::Gauge, help).sample(&[], value);
        }
    };
    gauge("nuthatch_uptime_seconds", "seconds since the start", Some(uptime));
    gauge("nuthatch_healthy", "1 if /health says so", Some(u64::from(status.healthy)));
    gauge("nuthatch_ready", "1 if /ready says so", Some(u64::from(status.ready)));
    gauge(
        "nuthatch_troubles",
        "what is wrong now, as the page counts it",
        Some(status.troubles.len() as u64),
    );
    let budget = status.memory.budget_bytes;
    gauge("nuthatch_memory_budget_bytes", "most bytes held for requests and replies", Some(budget));
    let generations = &status.configuration;
    gauge(
        "nuthatch_config_generation",
        "number of the configuration in force; 1 is that of the start",
        Some(generations.generation),
    );
    gauge(
        "nuthatch_config_reload_failed",
        "1 if the last reload of the configuration failed",
        Some(u64::from(generations.failure.is_some())),
    );
    gauge(
        "nuthatch_config_needs_restart",
        "changes of the configuration that wait for a restart",
        Some(generations.needs_restart.len() as u64),
    );
    let by_hand = generations.by_hand.len() as u64;
    gauge("nuthatch_config_by_hand", "changes by hand in force, apart from the file", Some(by_hand));
    let servers_by_hand = &generations.servers_by_hand;
    let process = status.process;
    gauge("process_resident_memory_bytes", "resident memory", process.rss_bytes);
    gauge("process_open_fds", "open file descriptors", process.open_fds);
    gauge("process_max_fds", "most file descriptors", process.fds_max);
    gauge("process_threads", "threads", process.threads);
    if !servers_by_hand.is_empty() {
        let help = "a change to a server by hand, in force";
        let mut family = text.family("nuthatch_server_by_hand_info", Kind::Gauge, help);
        for ServerByHand { pool, server, change, .. } in servers_by_hand {
            family.sample(&[("pool", pool), ("server", server), ("change", change)], 1);
        }
    }
    let failures = &status.upgrade_failures;
    text.family(
        "nuthatch_upgrade_failures",
        Kind::Counter,
        "upgrades of the binary that have come to nothing",
    )
    .sample(&[], failures.total);
    if let Some(last) = &failures.last {
        text.family("nuthatch_upgrade_failure_info", Kind::Gauge, "reason of the last of them")
            .sample(&[("reason", &last.reason)], 1);
        text.family("nuthatch_upgrade_failure_time", Kind::Timestamp, "time of the last of them")
            .sample(&[], last.at_ms * 1000);
    }
    let help = "time at which the configuration in force was applied";
    text.family("nuthatch_config_applied", Kind::Timestamp, help).sample(&[], generations.since_ms * 1000);
    let help = "start of the process";
    text.family("process_start_time", Kind::Timestamp, help).sample(&[], facts.started_ms * 1000);
}

fn certificates(text: &mut Text, status: &Status) {
    if status.certificates.is_empty() {
        return;
    }
    let help = "end of a certificate's validity; of a file of authorities the last one's";
    let mut family = text.family("nuthatch_certificate_expiry_time", Kind::Timestamp, help);
    for certificate in &status.certificates {
        let Certificate { pool, side, option, file, ends_ms, .. } = certificate;
        let labels = [("pool", &**pool), ("side", side.name()), ("option", option), ("file", file)];
        family.sample(&labels, ends_ms.saturating_mul(1000));
    }
}

fn masters(text: &mut Text, status: &Status) {
    if status.masters.is_empty() {
        return;
    }
    let mut family = |name: &str, kind, help: &str, value: &dyn Fn(&Master) -> Option<u64>| {
        let mut family = text.family(name, kind, help);
        for master in &status.masters {
            if let Some(value) = value(master) {
                let labels = [("pool", &*master.pool), ("master", &*master.name)];
                family.sample(&labels, value);
            }
        }
    };
    let help = "1 if Sentinels have named an address of this master";
    let is_known = |master: &Master| Some(u64::from(master.address.is_some()));
    family("nuthatch_master_known", Kind::Gauge, help, &is_known);
    let help = "time at which this master got its address";
    let since = |master: &Master| master.since_ms.map(|ms| ms.saturating_mul(1000));
    family("nuthatch_master_since", Kind::Timestamp, help, &since);
    let help = "changes of this master's address";
    family("nuthatch_master_failovers", Kind::Counter, help, &|master| Some(master.changes));
    let help = "Sentinels that answer about this master";
    let answering = |master: &Master| Some(master.sentinels_answering as u64);
    family("nuthatch_master_sentinels_answering", Kind::Gauge, help, &answering);
    let help = "Sentinels that are asked about this master";
    family("nuthatch_master_sentinels", Kind::Gauge, help, &|master| Some(master.sentinels as u64));
    let help = "replicas of this master beyond the 256 that are read of a Sentinel's list";
    let left_out = |master: &Master| Some(master.replicas_left_out as u64);
    family("nuthatch_master_replicas_left_out", Kind::Gauge, help, &left_out);
}

fn clusters(text: &mut Text, status: &Status) {
    if status.clusters.is_empty() {
        return;
    }
    let mut family = |name: &str, kind, help: &str, value: &dyn Fn(&Cluster) -> Option<u64>| {
        let mut family = text.family(name, kind, help);
        for cluster in &status.clusters {
            if let Some(value) = value(cluster) {
                family.sample(&[("pool", &*cluster.pool)], value);
            }
        }
    };
    let help = "nodes of the cluster, replicas and nodes that have failed included";
    family("nuthatch_cluster_nodes", Kind::Gauge, help, &|cluster| Some(cluster.nodes.len() as u64));
    let help = "time at which the cluster's slots were last confirmed by its nodes";
    let refreshed = |cluster: &Cluster| cluster.refreshed_ms.map(|ms| ms.saturating_mul(1000));
    family("nuthatch_cluster_refreshed", Kind::Timestamp, help, &refreshed);
    let help = "nodes asked for their view of the cluster";
    family("nuthatch_cluster_questions", Kind::Counter, help, &|cluster| Some(cluster.questions));
    let help = "views of the cluster that were refused because they were too large";
    family("nuthatch_cluster_views_refused", Kind::Counter, help, &|cluster| Some(cluster.views_refused));
    let help = "nodes and ranges of slots in the view that could not be used";
    family("nuthatch_cluster_left_out", Kind::Gauge, help, &|cluster| Some(cluster.left_out as u64));
}

fn of_queue(text: &mut Text, queue: &QueueStatus) {
    text.family("nuthatch_queue_connections", Kind::Gauge, "connections of publishers and consumers")
        .sample(&[], queue.connections);
    text.family("nuthatch_queue_login_failures", Kind::Counter, "logins of users over TCP that failed")
        .sample(&[], queue.login_failures);
    text.family(
        "nuthatch_queue_memory_bytes",
        Kind::Gauge,
        "memory of topics and channels, which counts against max_memory",
    )
    .sample(&[], queue.memory_bytes);
    if let Some(bytes) = queue.disk_free_bytes {
        text.family(
            "nuthatch_queue_disk_free_bytes",
            Kind::Gauge,
            "free bytes of the file system with the journals",
        )
        .sample(&[], bytes);
    }
    if let Some(engine) = &queue.engine {
        of_engine(text, engine);
    }
}

fn of_engine(text: &mut Text, engine: &EngineReport) {
    let mut gauge = |name: &str, help: &str, value: u64| {
        text.family(&format!("nuthatch_engine_{name}"), Kind::Gauge, help).sample(&[], value);
    };
    gauge("up", "1 if the engine answers and has a quorum", u64::from(engine.fault.is_none()));
    gauge("replicas", "servers that keep what all topics of the engine share", engine.replicas);
    gauge(
        "replicas_in_sync",
        "those of them that have everything; 0 without a leader",
        engine.replicas_in_sync,
    );
    gauge("topics", "topics on the engine", engine.topics);
    gauge("topics_degraded", "topics whose messages not all of their servers have", engine.topics_degraded);
    gauge("forward_messages", "messages that wait here to be forwarded", engine.forward_messages);
    gauge(
        "unacknowledged_bytes",
        "publications that the engine has not acknowledged",
        engine.unacknowledged_bytes,
    );
    let mut time = |name: &str, help: &str, ms: Option<u64>| {
        if let Some(ms) = ms {
            let mut family = text.family(&format!("nuthatch_engine_{name}"), Kind::Timestamp, help);
            family.sample(&[], ms.saturating_mul(1000));
        }
    };
    time(
        "down_since",
        "time since which the engine does not answer, or has no quorum",
        engine.fault_since_ms,
    );
    let help = "time at which the oldest message was published that is forwarded next";
    time("forward_oldest", help, engine.forward_oldest_ms);
}
