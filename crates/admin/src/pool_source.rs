//! The pools of this process as the source of their pages, and of `/api/pools/POOL`, `/api/slowlog/POOL` and
//! `/api/keys/POOL`.

use config::options::Scope;
use config::show::ShownSetting;
use telemetry::{BigReply, Cut, HotKey, Kind, PoolStats, Row, ServerStats, SlowRequest};
use ui::pools::{
    BigReplyStatus, Counter, Happening, HotKeyStatus, KeysStatus, Pending, PoolSource, PoolView, PoolsReport,
    SPARKS_MAX, Series, SlowEntry, Topology,
};
use ui::series::key;
use ui::settings::SettingRow;

use crate::Watch;
use crate::events::Event;
use crate::facts::wall_ms;
use crate::rings::Rings;
use crate::status::{PoolStatus, Status};
use crate::verdict::level;

/// Events of a view.
const EVENTS: usize = 8;
/// Figures of a pool that are kept for an hour,
const OF_POOL: [&str; 6] = ["requests", "errors", "p50", "p99", "hits", "clients"];
/// and those of a server.
const OF_SERVER: [&str; 6] = ["requests", "errors", "p50", "p99", "hits", "in_flight"];

impl PoolSource for Watch {
    fn view<'a>(&'a self, pool: &'a str, server: Option<&'a str>) -> Pending<'a, PoolView> {
        Box::pin(async move {
            let status = self.look().await;
            let found = status.pools.iter().find(|known| known.name == pool);
            Ok(found.map(|pool| view(self, &status, pool, server)))
        })
    }

    fn slow_log<'a>(&'a self, pool: &'a str) -> Pending<'a, Vec<SlowEntry>> {
        let log = self.registry().slow_log(pool);
        let entries = log.map(|log| log.newest(usize::MAX).iter().map(|entry| slow(entry)).collect());
        Box::pin(async move { Ok(entries) })
    }

    fn keys<'a>(&'a self, pool: &'a str) -> Pending<'a, KeysStatus> {
        Box::pin(async move {
            let Some(reports) = self.registry().key_reports(pool) else { return Ok(None) };
            let report = reports.merged(wall_ms());
            let status = self.look().await;
            let of_pool = status.pools.iter().find(|known| known.name == pool);
            Ok(Some(KeysStatus {
                at_ms: report.at_ms,
                requests_per_second: of_pool.map_or(0.0, |pool| pool.requests_per_second),
                keys: report.keys.iter().map(hot).collect(),
                replies: report.replies.iter().map(big).collect(),
            }))
        })
    }
}

impl Watch {
    /// The pools, for the pages of a fleet.
    pub async fn pools_report(&self) -> PoolsReport {
        let mut report = self.look().await.pools_report(&self.facts().hostname);
        let rings = self.rings();
        for pool in report.pools.iter().take(SPARKS_MAX) {
            let subject = ["pool", pool.name.as_str()];
            report.series.put_minutes(&subject, "requests", rings.get(&key(&subject, "requests")));
        }
        report
    }
}

fn view(watch: &Watch, status: &Status, pool: &PoolStatus, server: Option<&str>) -> PoolView {
    let settings = watch.settings();
    let section = settings.iter().find(|section| section.scope == Scope::Pool && section.name == pool.name);
    let asked = server.and_then(|name| pool.servers.iter().find(|server| server.name == name));
    let counters = match asked {
        Some(server) => counters(ServerStats::ROWS, &server.values),
        None => counters(PoolStats::ROWS, &pool.values),
    };
    PoolView {
        version: status.version.to_owned(),
        now_ms: status.now_ms,
        settings: section.map(|section| section.rows.iter().map(setting).collect()).unwrap_or_default(),
        events: events(status, pool),
        counters,
        topology: topology(status, &pool.name),
        series: series(&watch.rings(), pool, server),
        pool: pool.clone(),
    }
}

/// A setting for the pages.
pub(crate) fn setting(row: &ShownSetting) -> SettingRow {
    SettingRow {
        name: row.name.into(),
        value: row.value.clone(),
        origin: row.origin.clone(),
        is_set: row.is_set,
        doc: row.doc.into(),
    }
}

/// Recent events of a pool, of its servers and of the configuration, newest first.
fn events(status: &Status, pool: &PoolStatus) -> Vec<Happening> {
    let (own, of_server) = (format!("pool {}", pool.name), format!("pool {}, server ", pool.name));
    let concerns = |event: &&Event| {
        event.subject == own || event.subject.starts_with(&of_server) || event.subject == "configuration"
    };
    let happening = |event: &Event| Happening {
        at_ms: event.at_ms,
        level: level(event.severity),
        subject: event.subject.clone(),
        text: event.text.clone(),
    };
    status.events.iter().filter(concerns).take(EVENTS).map(happening).collect()
}

fn counters(rows: &[Row], values: &[u64]) -> Vec<Counter> {
    let counter = |(row, value): (&Row, &u64)| Counter {
        name: row.name.into(),
        value: *value,
        is_time: matches!(row.kind, Kind::Timestamp),
        help: row.help.trim_start_matches("# ").into(),
    };
    rows.iter().zip(values).map(counter).collect()
}

fn topology(status: &Status, pool: &str) -> Topology {
    Topology {
        cluster: status.clusters.iter().find(|cluster| cluster.pool == pool).cloned(),
        masters: status.masters.iter().filter(|master| master.pool == pool).cloned().collect(),
        replicas: status.replicas.iter().filter(|replica| replica.pool == pool).cloned().collect(),
    }
}

/// The last hour of a pool and of its servers' requests; or of a server.
fn series(rings: &Rings, pool: &PoolStatus, server: Option<&str>) -> Series {
    let mut series = Series::default();
    let mut put =
        |subject: &[&str], measure: &str| series.put(subject, measure, rings.get(&key(subject, measure)));
    let name = pool.name.as_str();
    if let Some(server) = server {
        OF_SERVER.iter().for_each(|measure| put(&["pool", name, server], measure));
        return series;
    }
    OF_POOL.iter().for_each(|measure| put(&["pool", name], measure));
    pool.servers.iter().take(SPARKS_MAX).for_each(|server| put(&["pool", name, &server.name], "requests"));
    series
}

fn slow(request: &SlowRequest) -> SlowEntry {
    SlowEntry {
        id: request.id,
        at_ms: request.at_ms,
        client: request.client.clone(),
        client_name: request.client_name.clone(),
        server: request.server.clone(),
        command: request.command(),
        key: request.key().map(Cut::to_string),
        arguments: request.arguments.iter().map(Cut::to_string).collect(),
        more_arguments: request.more_arguments,
        queue_us: request.queue_us,
        response_us: request.response_us,
        reply_bytes: request.reply_bytes,
    }
}

fn hot(key: &HotKey) -> HotKeyStatus {
    HotKeyStatus {
        key: key.key.to_string(),
        server: key.server.clone(),
        reads_per_second: key.reads,
        writes_per_second: key.writes,
        read_bytes_per_second: key.read_bytes,
        write_bytes_per_second: key.write_bytes,
    }
}

fn big(reply: &BigReply) -> BigReplyStatus {
    BigReplyStatus {
        bytes: reply.bytes,
        command: reply.command.clone(),
        key: reply.key.as_ref().map(ToString::to_string),
        server: reply.server.clone(),
        client: reply.client.clone(),
        at_ms: reply.at_ms,
    }
}
