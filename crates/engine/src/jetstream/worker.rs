//! The engine's loop: requests in, messages out, acknowledgements and completions back.
//!
//! Whatever has to wait for the server, other than room in the connection's buffer, is a task of its own.

use std::sync::Arc;

use async_nats::client::PublishErrorKind;
use async_nats::connection::State;
use async_nats::{Message, StatusCode, Subject, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, MissedTickBehavior, interval, sleep, timeout};

use super::fault::Fault;
use super::fetching::Fetching;
use super::hub::{Hub, Report};
use super::options::Options;
use super::publishing::{Answer, Publishing};
use super::{backlog, changes, deferred, headers, health, tasks, watch};
use crate::names::{Names, is_ephemeral};
use crate::request::{Change, Completion, EngineError, Fate, Handle, Request};

/// Time between looks for batches to be sent again or given up.
const TICK: Duration = Duration::from_millis(250);
/// Longest time that the connection's buffer may refuse what is sent; it is sent again later.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);
/// Time for publications and acknowledgements that are outstanding when the thread ends.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Commands that the connection buffers.
const CLIENT_CAPACITY: usize = 8192;
/// Time without a word of the server after which it is asked for one. After two that it does not answer, the
/// connection is given up: a frozen server, or one behind a network that drops everything, keeps its end of
/// the connection open for as long as it likes.
const PING_INTERVAL: Duration = Duration::from_secs(2);
/// Time for an answer of NATS, after which it is asked again. A request that died with its server leaves time
/// for two more before a publication is given up.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);
/// Time for the first connection before it is told that there is none, and between two looks for it.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
const CONNECT_SPACING: Duration = Duration::from_millis(50);
/// Time between attempts to open the bucket and the stream of deferred messages.
const OPEN_SPACING: Duration = Duration::from_secs(1);

/// Result of making sure that a topic exists.
type Ensured = (Arc<str>, Result<(), Fault>);

struct Worker {
    hub: Hub,
    /// Subject of acknowledgements, before number and index.
    inbox: String,
    publishing: Publishing,
    fetching: FxHashMap<(Arc<str>, Arc<str>), Fetching>,
    /// Fetches that are ending.
    stopping: Vec<JoinHandle<()>>,
    /// Topics whose stream exists.
    ensured: FxHashSet<Arc<str>>,
    /// Topics whose stream is being looked for.
    ensuring: FxHashSet<Arc<str>>,
    results: mpsc::UnboundedSender<Ensured>,
}

/// Runs until the mailbox is closed.
pub async fn run(options: Options, mut mailbox: mpsc::UnboundedReceiver<Request>, report: Report) {
    let client = match connect(&options, &report).await {
        Ok(client) => client,
        Err(why) => {
            telemetry::error!(error = why, "engine cannot be used");
            report(Completion::Trouble(Some(why)));
            return refuse_all(&mut mailbox, &report).await;
        }
    };
    let names = Names::new(&options.prefix, &options.node);
    let hub = Hub::new(client, names, options.replicas, report);
    let inbox = hub.client.new_inbox();
    let mut acks = loop {
        match hub.client.subscribe(format!("{inbox}.*.*")).await {
            Ok(acks) => break acks,
            Err(_) => sleep(OPEN_SPACING).await,
        }
    };
    let opening = tokio::spawn(open(hub.clone(), options.servers.join(", ")));
    let (results, mut ensured) = mpsc::unbounded_channel();
    let mut worker = Worker {
        hub,
        inbox,
        publishing: Publishing::default(),
        fetching: FxHashMap::default(),
        stopping: Vec::new(),
        ensured: FxHashSet::default(),
        ensuring: FxHashSet::default(),
        results,
    };
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            request = mailbox.recv() => match request {
                Some(request) => worker.carry_out(request).await,
                None => break,
            },
            Some(message) = acks.next() => worker.acknowledged(&message),
            Some((topic, result)) = ensured.recv() => worker.topic_ensured(&topic, result).await,
            _ = tick.tick() => worker.look_for_overdue().await,
        }
    }
    let _ = timeout(CLOSE_TIMEOUT, worker.close(&mut acks)).await;
    opening.abort();
}

async fn connect(options: &Options, report: &Report) -> Result<async_nats::Client, String> {
    let report = Arc::clone(report);
    let servers = options.servers.join(", ");
    let away = away(&servers);
    let mut connect = options
        .login
        .add_to(async_nats::ConnectOptions::new())
        .name(format!("nuthatch {}", options.node))
        .client_capacity(CLIENT_CAPACITY)
        .ping_interval(PING_INTERVAL)
        .request_timeout(Some(ANSWER_TIMEOUT))
        .retry_on_initial_connect()
        .reconnect_delay_callback(|attempts| Duration::from_millis((attempts as u64 * 50).min(1000)))
        .event_callback(move |event| {
            let trouble = match event {
                async_nats::Event::Connected => Some(None),
                async_nats::Event::Disconnected | async_nats::Event::Closed => Some(Some(away.clone())),
                other => {
                    telemetry::warn!(event = %other, "engine");
                    None
                }
            };
            if let Some(trouble) = trouble {
                telemetry::info!(connected = trouble.is_none(), "engine");
                report(Completion::Trouble(trouble));
            }
            std::future::ready(())
        });
    if let Some(tls) = &options.tls {
        connect = connect.require_tls(true).tls_client_config(tls.clone());
    }
    connect.connect(options.servers.as_slice()).await.map_err(|e| e.to_string())
}

fn away(servers: &str) -> String {
    format!("not connected to NATS at {servers}")
}

/// Answers everything with an error, because the configured servers cannot be used at all.
async fn refuse_all(mailbox: &mut mpsc::UnboundedReceiver<Request>, report: &Report) {
    while let Some(request) = mailbox.recv().await {
        let why = || EngineError::new("engine: its servers cannot be used, see the log");
        match request {
            Request::Publish { number, .. } => report(Completion::Published(number, Err(why()))),
            Request::Change { number, .. } => report(Completion::Changed(number, Err(why()))),
            Request::Task { number, .. } => report(Completion::Finished(number, Err(why()))),
            Request::Fetch { .. } | Request::StopFetching { .. } | Request::Settle(_) => {}
        }
    }
}

/// Opens what all topics share, then follows it.
async fn open(hub: Hub, servers: String) {
    loop {
        connected(&hub, &servers).await;
        let opened = match changes::open_bucket(&hub).await {
            Ok(()) => deferred::open(&hub).await,
            Err(fault) => Err(fault),
        };
        match opened {
            Ok(()) => break,
            Err(fault) if hub.client.connection_state() == State::Connected => {
                hub.report(Completion::Trouble(Some(format!("NATS is not ready: {}", fault.text))));
            }
            Err(_) => hub.report(Completion::Trouble(Some(away(&servers)))),
        }
        sleep(OPEN_SPACING).await;
    }
    hub.report(Completion::Trouble(None));
    tokio::join!(
        watch::run(&hub),
        deferred::run(&hub),
        backlog::run(&hub),
        health::run(&hub),
        tasks::run(&hub)
    );
}

/// Waits for the first connection, and tells when it takes long.
async fn connected(hub: &Hub, servers: &str) {
    let deadline = Instant::now() + CONNECT_PATIENCE;
    while hub.client.connection_state() != State::Connected {
        if Instant::now() >= deadline {
            hub.report(Completion::Trouble(Some(away(servers))));
            sleep(OPEN_SPACING).await;
        } else {
            sleep(CONNECT_SPACING).await;
        }
    }
}

impl Worker {
    async fn carry_out(&mut self, request: Request) {
        match request {
            Request::Publish { number, topic, messages } => {
                self.publishing.begin(number, topic, messages, Instant::now());
                self.publish(number).await;
            }
            Request::Fetch { topic, channel, count } => {
                let hub = &self.hub;
                let (key_topic, key_channel) = (Arc::clone(&topic), Arc::clone(&channel));
                let new = || Fetching::start(hub.clone(), topic, channel);
                self.fetching.entry((key_topic, key_channel)).or_insert_with(new).fetch(count);
            }
            Request::StopFetching { topic, channel } => {
                if let Some(fetching) = self.fetching.remove(&(topic, channel)) {
                    self.stopping.retain(|stop| !stop.is_finished());
                    self.stopping.push(tokio::spawn(async move { drop(fetching.stop().await) }));
                }
            }
            Request::Settle(fates) => self.settle(&fates).await,
            Request::Change { number, topic, channel, change } => {
                self.ensured.remove(&topic);
                let hub = self.hub.clone();
                tokio::spawn(async move {
                    let result = match (channel.as_deref(), &change) {
                        (Some(channel), Change::Empty) if !is_ephemeral(channel) => {
                            tasks::empty(&hub, &topic, channel).await
                        }
                        (channel, change) => changes::carry_out(&hub, &topic, channel, change).await,
                    };
                    hub.report(Completion::Changed(number, result.map_err(EngineError::from)));
                });
            }
            Request::Task { number, topic, channel, task } => {
                let hub = self.hub.clone();
                tokio::spawn(async move {
                    let result = tasks::carry_out(&hub, &topic, channel.as_deref(), &task).await;
                    hub.report(Completion::Finished(number, result.map_err(EngineError::from)));
                });
            }
        }
    }

    /// Sends a batch, or first makes sure that its topic exists. False if the connection takes no more: what
    /// was not sent is sent with a later look for overdue batches.
    async fn publish(&mut self, number: u64) -> bool {
        let Some(topic) = self.publishing.topic(number) else { return true };
        if self.hub.client.connection_state() != State::Connected {
            return false;
        }
        if !self.ensured.contains(&topic) {
            if self.ensuring.insert(Arc::clone(&topic)) {
                let (hub, results) = (self.hub.clone(), self.results.clone());
                tokio::spawn(async move {
                    let result = changes::ensure_topic(&hub, &topic).await;
                    let _ = results.send((topic, result));
                });
            }
            return true;
        }
        let (subject, later) =
            (self.hub.names.subject(&topic), self.hub.names.deferred_subject(Some(&topic)));
        let messages = self.publishing.send(number, Instant::now());
        let mut too_large = None;
        let sends = async {
            for (index, message) in messages {
                let to = if message.due == 0 { &subject } else { &later };
                let reply = format!("{}.{number}.{index}", self.inbox);
                let headers = headers::of(&message);
                let sent =
                    self.hub.client.publish_with_reply_and_headers(to.clone(), reply, headers, message.body);
                match sent.await {
                    Ok(()) => {}
                    Err(e) if e.kind() == PublishErrorKind::MaxPayloadExceeded => {
                        too_large = Some((index, e.to_string()));
                        break;
                    }
                    Err(_) => break,
                }
            }
        };
        let sent = timeout(SEND_TIMEOUT, sends).await.is_ok();
        if let Some((index, why)) = too_large
            && let (Some(outcome), _) = self.publishing.answered(number, index, Answer::Refused(why))
        {
            self.hub.report(Completion::Published(number, outcome));
        }
        sent
    }

    async fn topic_ensured(&mut self, topic: &Arc<str>, result: Result<(), Fault>) {
        self.ensuring.remove(topic);
        match result {
            Ok(()) => {
                self.ensured.insert(Arc::clone(topic));
                for number in self.publishing.unsent(topic) {
                    if !self.publish(number).await {
                        break;
                    }
                }
            }
            Err(fault) if fault.lasting => {
                for number in self.publishing.refuse(topic) {
                    let why = EngineError::new(format!("engine: {}", fault.text));
                    self.hub.report(Completion::Published(number, Err(why)));
                }
            }
            Err(fault) => self.publishing.trouble(topic, &fault.text),
        }
    }

    fn acknowledged(&mut self, message: &Message) {
        let mut tokens = message.subject.as_str().rsplit('.');
        let index = tokens.next().and_then(|token| token.parse().ok());
        let number = tokens.next().and_then(|token| token.parse().ok());
        let (Some(index), Some(number)) = (index, number) else { return };
        let answer = Answer::parse(message.status == Some(StatusCode::NO_RESPONDERS), &message.payload);
        let topic = self.publishing.topic(number);
        let (outcome, topic_missing) = self.publishing.answered(number, index, answer);
        if let Some(outcome) = outcome {
            self.hub.report(Completion::Published(number, outcome));
        }
        if topic_missing && let Some(topic) = topic {
            self.ensured.remove(&topic);
        }
    }

    async fn look_for_overdue(&mut self) {
        let now = Instant::now();
        for (number, why) in self.publishing.expire(now) {
            self.hub.report(Completion::Published(number, Err(why)));
        }
        for number in self.publishing.overdue(now) {
            // Not a second for each of them, while new requests wait.
            if !self.publish(number).await {
                break;
            }
        }
    }

    async fn settle(&mut self, fates: &[(Handle, Fate)]) {
        if fates.iter().any(|(_, fate)| matches!(fate, Fate::Return(_))) {
            // Through a fetch that is ending they would come back.
            for stop in self.stopping.drain(..) {
                let _ = stop.await;
            }
        }
        let sends = async {
            for (Handle(handle), fate) in fates {
                let Ok(reply) = Subject::try_from(handle.clone()) else { continue };
                let payload = match fate {
                    Fate::Finish => Bytes::from_static(b"+ACK"),
                    Fate::Extend => Bytes::from_static(b"+WPI"),
                    Fate::Return(delay) if delay.is_zero() => Bytes::from_static(b"-NAK"),
                    Fate::Return(delay) => format!("-NAK {{\"delay\":{}}}", delay.as_nanos()).into(),
                };
                if self.hub.client.publish(reply, payload).await.is_err() {
                    break;
                }
            }
        };
        // Lost acknowledgements bring messages back.
        let _ = timeout(SEND_TIMEOUT, sends).await;
    }

    /// Waits for what is outstanding.
    async fn close(&mut self, acks: &mut Subscriber) {
        let stops: Vec<_> =
            self.fetching.drain().map(|(_, fetching)| tokio::spawn(fetching.stop())).collect();
        for stop in stops {
            if let Ok(drained) = stop.await {
                let _ = drained.await;
            }
        }
        while !self.publishing.is_empty() {
            let Some(message) = acks.next().await else { break };
            self.acknowledged(&message);
        }
        let _ = self.hub.client.flush().await;
    }
}
