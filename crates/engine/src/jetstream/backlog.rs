//! Backlogs of the channels at the engine, asked every few seconds.
//!
//! One request per topic tells those of all its channels. Now and then another one tells which servers
//! keep the topic.

use std::sync::Arc;

use async_nats::connection::State;
use async_nats::jetstream::consumer::Info;
use futures_util::TryStreamExt;
use rustc_hash::FxHashSet;
use tokio::time::{Duration, sleep};

use super::fault::Fault;
use super::hub::Hub;
use super::{changes, health, retention};
use crate::names::HOLD;
use crate::request::{Completion, Replicas};

/// Pause between two rounds.
const ROUND: Duration = Duration::from_secs(3);
/// Pause between two topics, so that a thousand of them do not load the engine.
const SPACING: Duration = Duration::from_millis(5);

/// Rounds between two questions where a topic is kept.
const REPLICAS_ROUNDS: u64 = 5;

/// Asks for ever.
pub async fn run(hub: &Hub) {
    let mut doubtful = FxHashSet::default();
    let mut round = 0;
    loop {
        for topic in hub.topics() {
            if let Err(fault) = ask(hub, &topic, &mut doubtful).await {
                telemetry::debug!(topic = &*topic, error = fault.text, "backlog is not known");
            }
            if hub.client.connection_state() == State::Connected && round % REPLICAS_ROUNDS == 0 {
                tell_replicas(hub, &topic).await;
            }
            sleep(SPACING).await;
        }
        round += 1;
        sleep(ROUND).await;
    }
}

/// Says where a topic is kept. Without an answer it has no leader.
async fn tell_replicas(hub: &Hub, topic: &Arc<str>) {
    let only = hub.client.server_info().server_name;
    let found = health::replicas(hub, &only, &hub.names.stream(topic)).await;
    let replicas = found.unwrap_or_else(|_| Replicas { count: hub.replicas as u32, ..Replicas::default() });
    hub.report(Completion::Replicas { topic: Arc::clone(topic), replicas });
}

/// Reports the backlogs of a topic. A hold beside lasting channels, left by two nodes that created the topic
/// and its first channel at once, is released when it is found a second time.
async fn ask(hub: &Hub, topic: &Arc<str>, doubtful: &mut FxHashSet<Arc<str>>) -> Result<(), Fault> {
    let name = hub.names.stream(topic);
    let stream = changes::stream(hub, &name).await?;
    let consumers: Vec<Info> = stream.consumers().try_collect().await.map_err(|e| Fault::passing(&e))?;
    let held = consumers.iter().find(|info| info.name == HOLD);
    report(hub, topic, None, held.map_or(0, |info| info.num_pending));
    for channel in hub.channels(topic) {
        let consumer = hub.names.consumer(&channel);
        if let Some(info) = consumers.iter().find(|info| info.name == consumer) {
            report(hub, topic, Some(channel), info.num_pending);
        }
    }
    retention::tend(hub, topic, &consumers).await?;
    if held.is_none() || !consumers.iter().any(|info| !info.name.starts_with('~')) {
        doubtful.remove(topic);
    } else if !doubtful.insert(Arc::clone(topic)) {
        changes::release(hub, &name).await?;
    }
    Ok(())
}

fn report(hub: &Hub, topic: &Arc<str>, channel: Option<Arc<str>>, waiting: u64) {
    hub.report(Completion::Backlog { topic: Arc::clone(topic), channel, waiting });
}
