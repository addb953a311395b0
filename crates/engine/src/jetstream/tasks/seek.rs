//! Moves of channels: a channel's consumer is replaced by one that begins elsewhere.
//!
//! ```text
//!  bucket: seek.channel.T.C ▸ ~seek~C keeps everything ▸ delete C ▸ create C at the place ▸ delete ~seek~C ▸ bucket
//! ```
//! While the key is in the bucket, nodes drop what they hold of the channel and fetch nothing. A move that
//! its node has not completed is repeated by the others: nothing was delivered meanwhile.

use std::time::SystemTime;

use async_nats::jetstream::consumer::{DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::stream::State;
use tokio::time::{Duration, Instant, sleep};

use crate::jetstream::changes;
use crate::jetstream::fault::Fault;
use crate::jetstream::hub::Hub;
use crate::names::{Fact, is_ephemeral, key};
use crate::request::{PUBLISH_TIMEOUT, Place, TaskResult};

/// Time after which a move is not believed to be completed by who has begun it.
const ORPHANED: Duration = Duration::from_secs(20);
/// Pause between two looks for such moves, and before a step is tried again.
const ROUND: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(250);

/// Completes the moves of nodes that have died, for ever.
pub async fn run(hub: &Hub) {
    loop {
        sleep(ROUND).await;
        for (topic, channel, value) in hub.seeks_older_than(ORPHANED) {
            let place = serde_json::from_str(&value).unwrap_or(Place::Beginning);
            telemetry::info!(topic = &*topic, channel = &*channel, "move of a channel is completed");
            if let Err(fault) = complete(hub, &topic, &channel, place).await {
                telemetry::warn!(topic = &*topic, channel = &*channel, error = fault.text, "cannot be moved");
            }
        }
    }
}

/// Moves a channel, again and again while that fails in passing.
pub async fn begin(hub: &Hub, topic: &str, channel: &str, place: Place) -> Result<TaskResult, Fault> {
    if is_ephemeral(channel) {
        return Err(Fault::refused("an ephemeral channel cannot be moved"));
    }
    let deadline = Instant::now() + PUBLISH_TIMEOUT;
    let value = serde_json::to_string(&place).unwrap_or_default();
    loop {
        let moved = async {
            changes::put(hub, &key(Fact::Seek, topic, Some(channel)), value.clone()).await?;
            complete(hub, topic, channel, place).await
        };
        match moved.await {
            Err(fault) if !fault.lasting && Instant::now() < deadline => sleep(RETRY).await,
            result => return result,
        }
    }
}

async fn complete(hub: &Hub, topic: &str, channel: &str, place: Place) -> Result<TaskResult, Fault> {
    let mark = key(Fact::Seek, topic, Some(channel));
    if !hub.is_known(topic, Some(channel)) {
        // Deleted meanwhile.
        changes::delete(hub, &mark).await?;
        return Err(Fault::refused("channel not found"));
    }
    let (stream, consumer) = (hub.names.stream(topic), hub.names.consumer(channel));
    let keeper = hub.names.seek_consumer(channel);
    changes::create_consumer(hub, &stream, changes::durable(&keeper)).await?;
    changes::delete_consumer(hub, &stream, &consumer).await?;
    let new = pull::Config { deliver_policy: policy(place), ..changes::durable(&consumer) };
    changes::create_consumer(hub, &stream, new).await?;
    let result = result(hub, &stream, &consumer, place).await?;
    changes::delete_consumer(hub, &stream, &keeper).await?;
    changes::delete(hub, &mark).await?;
    Ok(result)
}

fn policy(place: Place) -> DeliverPolicy {
    match place {
        Place::Beginning => DeliverPolicy::All,
        Place::End => DeliverPolicy::New,
        Place::Time(time) => {
            let since = Duration::from_nanos(time.max(0).unsigned_abs());
            DeliverPolicy::ByStartTime { start_time: (SystemTime::UNIX_EPOCH + since).into() }
        }
    }
}

async fn result(hub: &Hub, stream: &str, consumer: &str, place: Place) -> Result<TaskResult, Fault> {
    let stream = changes::stream(hub, stream).await?;
    let state = stream.get_info().await.map_err(|e| Fault::passing(&e))?.state;
    let channel: PullConsumer =
        stream.get_consumer::<pull::Config>(consumer).await.map_err(|e| Fault::passing(&e))?;
    let count = channel.cached_info().num_pending;
    let (complete, oldest) = (is_complete(&state, place), oldest(&state));
    Ok(TaskResult::Sought { count, complete, oldest })
}

/// True if nothing is missing from the place on.
fn is_complete(state: &State, place: Place) -> bool {
    let whole = state.messages == state.last_sequence + 1 - state.first_sequence.min(state.last_sequence + 1);
    match place {
        Place::End => true,
        Place::Beginning => whole && state.first_sequence <= 1,
        Place::Time(time) => {
            whole && (state.first_sequence <= 1 || oldest(state).is_some_and(|oldest| oldest <= time))
        }
    }
}

fn oldest(state: &State) -> Option<i64> {
    let oldest = i64::try_from(state.first_timestamp.unix_timestamp_nanos()).ok();
    oldest.filter(|_| state.messages > 0)
}
