//! Messages that are not due: a stream of their own, from which one node moves each to its topic in time.
//!
//! NATS before 2.12 has no schedules. A deferred message is acknowledged to its publisher when this stream
//! has it, so its delay is as durable as the message. All nodes share one consumer here; the node that gets a
//! message puts it back until its due time, by the clock of this node, or publishes it to its topic with the
//! same id, so that a move that is repeated makes no second copy.

use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, RetentionPolicy, StorageType};
use async_nats::jetstream::{AckKind, Message};
use futures_util::TryStreamExt;
use std::time::SystemTime;
use tokio::time::{Duration, sleep};

use super::changes::{self, DUPLICATE_WINDOW};
use super::fault::Fault;
use super::headers;
use super::hub::Hub;
use crate::request::Publication;

/// The shared consumer.
const MOVER: &str = "mover";
/// Messages per fetch.
const BATCH: usize = 256;
/// Time of a fetch at the server. It is given up here 5 seconds later.
const EXPIRES: Duration = Duration::from_secs(2);
/// Moves under way at once.
const MOVES_MAX: usize = 64;
/// Pause after an error.
const RETRY: Duration = Duration::from_secs(1);

/// Creates the stream and its consumer, unless they exist.
pub async fn open(hub: &Hub) -> Result<(), Fault> {
    let name = hub.names.deferred_stream();
    changes::create_stream(
        hub,
        Config {
            name: name.clone(),
            subjects: vec![hub.names.deferred_subject(None)],
            retention: RetentionPolicy::WorkQueue,
            storage: StorageType::File,
            num_replicas: hub.replicas,
            duplicate_window: DUPLICATE_WINDOW,
            ..Config::default()
        },
    )
    .await?;
    changes::create_consumer(hub, &name, changes::durable(MOVER)).await
}

/// Moves messages that are due, for ever.
pub async fn run(hub: &Hub) {
    loop {
        if let Err(fault) = move_all(hub).await {
            telemetry::debug!(error = fault.text, "deferred messages cannot be fetched");
        }
        sleep(RETRY).await;
    }
}

async fn move_all(hub: &Hub) -> Result<(), Fault> {
    let stream = changes::stream(hub, &hub.names.deferred_stream()).await?;
    let consumer: PullConsumer =
        stream.get_consumer::<pull::Config>(MOVER).await.map_err(|e| Fault::passing(&e))?;
    loop {
        // With a time after which it ends here too: a request without one is waited for without end when the
        // server that has it dies.
        let batch = consumer.batch().max_messages(BATCH).expires(EXPIRES).messages();
        let batch = batch.await.map_err(|e| Fault::passing(&e))?;
        let moved = batch.try_for_each_concurrent(MOVES_MAX, |message| async {
            move_one(hub, message).await;
            Ok(())
        });
        moved.await.map_err(|e| Fault::passing(&e))?;
    }
}

/// Moves a message if it is due. One that cannot be moved comes again.
async fn move_one(hub: &Hub, message: Message) {
    let due = headers::due(message.headers.as_ref());
    let left = due.saturating_sub(wall());
    if left > 0 {
        let delay = Duration::from_nanos(left.unsigned_abs());
        let _ = message.ack_with(AckKind::Nak(Some(delay))).await;
        return;
    }
    let Some(topic) = hub.names.deferred_topic(message.subject.as_str()) else {
        let _ = message.ack_with(AckKind::Term).await;
        return;
    };
    let info = message.info().map(|info| (info.stream_sequence, info.published.unix_timestamp_nanos()));
    let (sequence, stored) = info.unwrap_or_default();
    let stored = i64::try_from(stored).unwrap_or(i64::MAX);
    let moved = headers::read(message.headers.as_ref(), sequence, stored, message.payload.clone());
    let moved = headers::of(&Publication { due: 0, ..moved });
    let moved = PublishMessage::build().payload(message.payload.clone()).headers(moved);
    let acknowledged = match hub.jetstream.send_publish(hub.names.subject(&topic), moved).await {
        // NATS 2.9 says 0 for what it may never have.
        Ok(acknowledged) => acknowledged.await.is_ok_and(|place| place.sequence > 0),
        Err(_) => false,
    };
    if acknowledged {
        let _ = message.ack().await;
        return;
    }
    let _ = message.ack_with(AckKind::Nak(Some(RETRY))).await;
    if hub.is_local(&topic) {
        // Its stream may be gone already; the node that has the topic fetches from it what comes late.
        let _ = changes::ensure_topic(hub, &topic).await;
    }
}

fn wall() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
