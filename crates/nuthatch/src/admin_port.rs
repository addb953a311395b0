//! The admin port (`crate admin`): its listener, and reports of the queue and the lookup, fetched
//! by mail and copied field by field.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use admin::actions::Origin;
use admin::lookup::LookupReport;
use admin::queue::{EngineReport, QueueReport};
use admin::source::{self, Source};
use admin::status::{ChannelStatus, TopicStatus};
use admin::{PoolSource, Watch};
use axum::Router;
use config::nsqd::machine;
use http::ManualChange;
use http::{Caller, LoginDesk, ServerTls};
use net::Handle;
use queue::Mail;
use queue::http::{PoolsAnswer, Surroundings};
use queue::queue::{EngineStats, Snapshot, TopicStats};
use queue::request::{Answer, Reply, Request};
use telemetry::log::Log;
use tokio::sync::{oneshot, watch};
use web::figures::{Count, Rates, TopicRow};
use web::process::{ApiSlot, OwnAnswer, OwnQueue, Process};

use crate::control_port::{Accepted, ControlPort};
use crate::nsqadmin::Knob;
use crate::version::VERSION;

/// TLS of the port for new connections; None: plain HTTP.
pub type AdminTls = watch::Sender<Option<ServerTls>>;

/// Pages of the queue's topics and channels, behind the pages of the process.
pub fn queue_pages(watch: &Arc<Watch>, desk: &Arc<LoginDesk>, queue: ApiSlot, log: &Log) -> Router {
    web::process::router(Process {
        version: VERSION,
        hostname: machine::hostname(),
        queue: Arc::new(OwnPages { api: queue, watch: Arc::clone(watch) }),
        host: Arc::<Watch>::clone(watch),
        sections: &admin::SECTIONS,
        refresh_seconds: admin::REFRESH_SECONDS,
        desk: Arc::clone(desk),
        log: Box::new(Knob(log.clone())),
    })
}

/// The queue of this process, as its pages see it.
struct OwnPages {
    api: ApiSlot,
    watch: Arc<Watch>,
}

impl OwnQueue for OwnPages {
    fn api(&self) -> Option<Router> {
        self.api.get()
    }

    fn rows(&self) -> OwnAnswer<'_, Vec<TopicRow>> {
        Box::pin(async move {
            let status = self.watch.look().await;
            let queue = status.queue.as_ref().filter(|queue| queue.answers)?;
            Some(queue.topics.iter().map(row).collect())
        })
    }

    fn counts(&self) -> OwnAnswer<'_, Vec<Count>> {
        Box::pin(async move {
            let status = self.watch.look().await;
            let queue = status.queue.as_ref().filter(|queue| queue.answers)?;
            let node = &self.watch.facts().hostname;
            let of_topic = |topic: &'_ TopicStatus| {
                let count = |channel: &ChannelStatus| Count {
                    node: node.clone(),
                    topic_name: topic.name.clone(),
                    channel_name: channel.name.clone(),
                    message_count: signed(channel.messages_total),
                };
                topic.channels.iter().map(count).collect::<Vec<_>>()
            };
            Some(queue.topics.iter().flat_map(of_topic).collect())
        })
    }
}

/// This process, as the queue's HTTP API shows it to a fleet.
pub struct Around(pub Arc<Watch>);

impl Surroundings for Around {
    fn pools(&self) -> PoolsAnswer<'_> {
        Box::pin(async move {
            let report = self.0.pools_report().await;
            if report.pools.is_empty() {
                return None;
            }
            serde_json::to_string(&report).ok()
        })
    }

    fn pool<'a>(&'a self, pool: &'a str, server: Option<&'a str>) -> PoolsAnswer<'a> {
        Box::pin(async move {
            let view = self.0.view(pool, server).await.ok()??;
            serde_json::to_string(&view).ok()
        })
    }

    fn record(&self, change: ManualChange) {
        self.0.record_change(change);
    }
}

fn row(topic: &TopicStatus) -> TopicRow {
    let sum = |figure: fn(&ChannelStatus) -> u64| signed(topic.channels.iter().map(figure).sum());
    let rate = |figure: fn(&ChannelStatus) -> f64| topic.channels.iter().map(figure).sum();
    let lonely = |channel: &ChannelStatus| channel.depth > 0 && channel.consumers == 0 && !channel.paused;
    TopicRow {
        name: topic.name.clone(),
        channels: topic.channels.len(),
        waiting: signed(topic.backlog()),
        in_flight: sum(|channel| channel.in_flight),
        deferred: sum(|channel| channel.deferred),
        published: signed(topic.messages_total),
        dead: sum(|channel| channel.dead_total),
        consumers: sum(|channel| channel.consumers),
        stored: signed(topic.stored_bytes),
        paused: topic.paused || topic.channels.iter().any(|channel| channel.paused),
        nodes: 1,
        lonely: topic.channels.iter().any(lonely),
        rates: Some(Rates {
            published: topic.messages_per_second,
            finished: rate(|channel| channel.finished_per_second),
            growth: topic.backlog_growth_per_second,
        }),
    }
}

/// A count as the pages have it.
fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Serves `router` and watches forever. Needs a tokio runtime.
pub async fn serve(
    port: ControlPort,
    tls: watch::Receiver<Option<ServerTls>>,
    watch: Arc<Watch>,
    router: Router,
) -> io::Result<()> {
    let served = port.serve(|Accepted { client, activity, is_local, ip }| {
        let (router, tls) = (router.clone(), tls.borrow().clone());
        let owing = move || {
            activity.begin_answer();
            activity.answering()
        };
        let origin = if is_local { Origin::Local } else { Origin::Remote };
        let caller = Caller::new(ip);
        async move {
            match tls {
                None => admin::serve_client(client, origin, caller, router, owing).await,
                Some(tls) => {
                    if let Some((client, names)) = http::secure(client, &tls, "admin port").await {
                        admin::serve_client(client, origin, caller.with_names(names), router, owing).await;
                    }
                }
            }
        }
    });
    tokio::select! {
        ended = served => ended,
        () = watch.run() => Ok(()),
    }
}

/// The current shard of a service; a failed upgrade replaces it.
#[derive(Debug)]
pub struct Current<M>(Arc<Mutex<Handle<M>>>);

impl<M> Clone for Current<M> {
    fn clone(&self) -> Self {
        Current(Arc::clone(&self.0))
    }
}

impl<M> Current<M> {
    /// Starts with this shard.
    pub fn new(shard: Handle<M>) -> Current<M> {
        Current(Arc::new(Mutex::new(shard)))
    }

    /// The current shard.
    pub fn get(&self) -> Handle<M> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the shard.
    pub fn set(&self, shard: Handle<M>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = shard;
    }
}

/// The queue as the admin port sees it.
pub struct QueueView {
    /// The queue's shard.
    pub shard: Current<Mail>,
    /// Directory of its journals.
    pub data_path: PathBuf,
}

impl Source<QueueReport> for QueueView {
    fn ask(&self) -> source::Answer<QueueReport> {
        let (sender, answer) = oneshot::channel();
        let reply = Reply(Box::new(move |answer| drop(sender.send(answer))));
        let request = Request::Stats { topic: None, channel: None, clients: false };
        // If the shard does not accept the request, the reply is dropped and the answer is an error.
        let _ = self.shard.get().request(Mail::Request(request, reply));
        let data_path = self.data_path.clone();
        Box::pin(async move {
            let Ok(Answer::Stats(snapshot)) = answer.await else { return None };
            // A file system that does not answer keeps the report from nobody: the port has a time limit.
            let free = tokio::task::spawn_blocking(move || disk_free_bytes(&data_path)).await;
            Some(QueueReport { disk_free_bytes: free.ok().flatten(), ..report(*snapshot) })
        })
    }
}

/// Free bytes of the file system with this directory.
fn disk_free_bytes(path: &Path) -> Option<u64> {
    let room = rustix::fs::statvfs(path).ok()?;
    Some(room.f_bavail.saturating_mul(room.f_frsize))
}

/// The lookup as the admin port sees it.
pub struct LookupView {
    /// The lookup's shard.
    pub shard: Current<lookup::Mail>,
}

impl Source<LookupReport> for LookupView {
    fn ask(&self) -> source::Answer<LookupReport> {
        let (sender, answer) = oneshot::channel();
        let reply = lookup::Reply(Box::new(move |answer| drop(sender.send(answer))));
        let _ = self.shard.get().request(lookup::Mail::Request(lookup::Request::Counts, reply));
        Box::pin(async move {
            let Ok(lookup::Answer::Counts(counts)) = answer.await else { return None };
            Some(LookupReport {
                connections: counts.connections as u64,
                producers: counts.producers as u64,
                stale: counts.stale as u64,
                topics: counts.topics as u64,
                channels: counts.channels as u64,
            })
        })
    }
}

fn report(snapshot: Snapshot) -> QueueReport {
    QueueReport {
        fault: snapshot.health,
        damage: snapshot.damage,
        conditions: snapshot.conditions.into_iter().map(condition).collect(),
        connections: snapshot.connections as u64,
        login_failures: snapshot.login_failures,
        memory_bytes: snapshot.memory_bytes as u64,
        memory_bytes_max: snapshot.memory_bytes_max as u64,
        disk_free_bytes: None,
        engine: snapshot.engine.map(engine),
        topics: snapshot.topics.unwrap_or_default().iter().map(TopicStats::report).collect(),
    }
}

fn engine(stats: EngineStats) -> EngineReport {
    let (fault, since) = stats.fault.unzip();
    let millis = |wall: i64| u64::try_from(wall / 1_000_000).unwrap_or(0);
    EngineReport {
        fault,
        fault_since_ms: since.map(millis),
        server: stats.servers.connected,
        version: stats.servers.version,
        leader: stats.servers.shared.leader,
        replicas: stats.servers.shared.count.into(),
        replicas_in_sync: stats.servers.shared.in_sync.into(),
        topics: stats.topics,
        topics_degraded: stats.topics_degraded,
        forward_messages: stats.forward_messages,
        forward_oldest_ms: Some(stats.forward_oldest).filter(|oldest| *oldest > 0).map(millis),
        unacknowledged_bytes: stats.unacknowledged_bytes,
    }
}

fn condition(condition: queue::queue::Condition) -> admin::queue::Condition {
    admin::queue::Condition {
        subject: match (&*condition.topic, &*condition.channel) {
            ("", _) => "queue".to_owned(),
            (topic, "") => format!("topic {topic}"),
            (topic, channel) => format!("topic {topic}, channel {channel}"),
        },
        what: condition.what,
        why: condition.why,
        since_ms: u64::try_from(condition.since / 1_000_000).unwrap_or(0),
    }
}
