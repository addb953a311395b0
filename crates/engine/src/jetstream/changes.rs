//! Changes to topics and channels: streams, consumers, and the bucket that tells the other nodes.
//!
//! ```text
//!  no lasting channel:  stream ▸ ~hold           (keeps everything)
//!  first channel:       create it from the stream's beginning ▸ delete ~hold
//!  last one deleted:    create ~hold ▸ delete the channel
//! ```
//! Every step may be repeated, and is when one fails in passing: a change that a crash interrupts is
//! completed by the next one.

use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::context::{CreateStreamErrorKind, DeleteStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{
    Config, ConsumerErrorKind, DiscardPolicy, Info, RetentionPolicy, StorageType,
};
use async_nats::jetstream::{ErrorCode, kv};
use futures_util::TryStreamExt;
use tokio::time::{Duration, Instant, sleep};

use super::fault::Fault;
use super::hub::Hub;
use crate::names::{Fact, HOLD, is_ephemeral, key};
use crate::request::{ACK_WAIT, AtLimit, Change, Heeded, PUBLISH_TIMEOUT};

/// Time for which the engine recognizes a repeated message.
pub const DUPLICATE_WINDOW: Duration = Duration::from_mins(2);
/// Time without its node after which the server removes an ephemeral channel.
const INACTIVE: Duration = Duration::from_mins(1);
/// Pause before a change is tried again.
const RETRY: Duration = Duration::from_millis(250);
/// Value of a paused topic or channel in the bucket.
pub const PAUSED: &str = "paused";

/// Carries out a change, again and again while it fails in passing.
pub async fn carry_out(hub: &Hub, topic: &str, channel: Option<&str>, change: &Change) -> Result<(), Fault> {
    let deadline = Instant::now() + PUBLISH_TIMEOUT;
    loop {
        match attempt(hub, topic, channel, change).await {
            Err(fault) if !fault.lasting && Instant::now() < deadline => sleep(RETRY).await,
            result => return result,
        }
    }
}

async fn attempt(hub: &Hub, topic: &str, channel: Option<&str>, change: &Change) -> Result<(), Fault> {
    match (channel, change) {
        (None, Change::Create) => ensure_topic(hub, topic).await,
        (None, Change::Delete) => delete_topic(hub, topic).await,
        (None, Change::Empty) => empty_topic(hub, topic).await,
        (Some(channel), Change::Create) => create_channel(hub, topic, channel).await,
        (Some(channel), Change::Delete) => delete_channel(hub, topic, channel).await,
        // One that lasts is moved to its end instead.
        (Some(channel), Change::Empty) => empty_ephemeral_channel(hub, topic, channel).await,
        (None, Change::Leave) => put(hub, &key(Fact::Local, topic, None), String::new()).await,
        (None, Change::Enter) => {
            reopen(hub, topic).await?;
            delete(hub, &key(Fact::Local, topic, None)).await
        }
        (Some(_), Change::Leave | Change::Enter) => Err(Fault::refused("channels move with their topic")),
        (channel, Change::Pause(paused)) => {
            let value = if *paused { PAUSED } else { "" };
            put(hub, &key(Fact::Exists, topic, channel), value.to_owned()).await
        }
        (channel, Change::Configure(settings)) => {
            if channel.is_none() {
                limit_topic(hub, topic, Heeded::of(settings)).await?;
            }
            put(hub, &key(Fact::Settings, topic, channel), (**settings).to_owned()).await
        }
    }
}

/// Opens the bucket, or creates it.
pub async fn open_bucket(hub: &Hub) -> Result<(), Fault> {
    let bucket = hub.names.bucket();
    // By hand: async-nats first asks for the account's limits, and cannot read the answer of NATS 2.9.
    create_stream(
        hub,
        Config {
            name: format!("KV_{bucket}"),
            subjects: vec![format!("$KV.{bucket}.>")],
            max_messages_per_subject: 1,
            discard: DiscardPolicy::New,
            storage: StorageType::File,
            num_replicas: hub.replicas,
            duplicate_window: DUPLICATE_WINDOW,
            allow_rollup: true,
            deny_delete: true,
            allow_direct: true,
            ..Config::default()
        },
    )
    .await?;
    let store = hub.jetstream.get_key_value(bucket).await.map_err(|e| Fault::passing(&e))?;
    let _ = hub.bucket.set(store);
    Ok(())
}

fn bucket(hub: &Hub) -> Result<&kv::Store, Fault> {
    hub.bucket.get().ok_or_else(|| Fault::passing(&"no connection, or no quorum, since the start"))
}

/// Writes a key of the bucket.
pub async fn put(hub: &Hub, key: &str, value: String) -> Result<(), Fault> {
    bucket(hub)?.put(key, value.into()).await.map(drop).map_err(|e| Fault::passing(&e))
}

/// Deletes a key of the bucket.
pub async fn delete(hub: &Hub, key: &str) -> Result<(), Fault> {
    bucket(hub)?.delete(key).await.map_err(|e| Fault::passing(&e))
}

/// Sets the limits of a topic's stream. What finished messages are kept beyond them counts as well.
async fn limit_topic(hub: &Hub, topic: &str, heeded: Heeded) -> Result<(), Fault> {
    let stream = stream(hub, &hub.names.stream(topic)).await?;
    let mut config = stream.get_info().await.map_err(|e| Fault::passing(&e))?.config;
    let max_bytes = match i64::try_from(heeded.bytes_max).unwrap_or(i64::MAX) {
        0 => -1,
        max => max,
    };
    let discard = match heeded.at_limit {
        AtLimit::Reject => DiscardPolicy::New,
        AtLimit::DropOldest => DiscardPolicy::Old,
    };
    if (config.max_bytes, config.discard) == (max_bytes, discard) {
        return Ok(());
    }
    (config.max_bytes, config.discard) = (max_bytes, discard);
    update_stream(hub, &config).await
}

/// Makes sure that a topic exists and keeps what is published.
pub async fn ensure_topic(hub: &Hub, topic: &str) -> Result<(), Fault> {
    // Without a bucket the other nodes would not learn of it.
    bucket(hub)?;
    let stream = hub.names.stream(topic);
    create_stream(
        hub,
        Config {
            name: stream.clone(),
            subjects: vec![hub.names.subject(topic)],
            retention: RetentionPolicy::Interest,
            storage: StorageType::File,
            num_replicas: hub.replicas,
            duplicate_window: DUPLICATE_WINDOW,
            ..Config::default()
        },
    )
    .await?;
    if lasting_channels(hub, &stream).await?.is_empty() {
        hold(hub, &stream).await?;
    }
    announce(hub, topic, None).await
}

/// Creates a channel of a topic. The first one gets the backlog.
pub async fn create_channel(hub: &Hub, topic: &str, channel: &str) -> Result<(), Fault> {
    open_channel(hub, topic, channel, DeliverPolicy::New).await
}

/// Creates a channel of a topic, which begins with what is kept.
pub async fn create_channel_from_beginning(hub: &Hub, topic: &str, channel: &str) -> Result<(), Fault> {
    open_channel(hub, topic, channel, DeliverPolicy::All).await
}

async fn open_channel(hub: &Hub, topic: &str, channel: &str, from: DeliverPolicy) -> Result<(), Fault> {
    ensure_topic(hub, topic).await?;
    let stream = hub.names.stream(topic);
    let consumer = hub.names.consumer(channel);
    if is_ephemeral(channel) {
        return create_consumer(
            hub,
            &stream,
            pull::Config {
                deliver_policy: DeliverPolicy::New,
                inactive_threshold: INACTIVE,
                num_replicas: 1,
                memory_storage: true,
                ..durable(&consumer)
            },
        )
        .await;
    }
    let channels = lasting_channels(hub, &stream).await?;
    if !channels.contains(&consumer) {
        let deliver_policy = if channels.is_empty() { DeliverPolicy::All } else { from };
        create_consumer(hub, &stream, pull::Config { deliver_policy, ..durable(&consumer) }).await?;
    }
    release(hub, &stream).await?;
    announce(hub, topic, Some(channel)).await
}

async fn delete_channel(hub: &Hub, topic: &str, channel: &str) -> Result<(), Fault> {
    let stream = hub.names.stream(topic);
    let consumer = hub.names.consumer(channel);
    if is_ephemeral(channel) {
        return delete_consumer(hub, &stream, &consumer).await;
    }
    if lasting_channels(hub, &stream).await?.iter().all(|name| *name == consumer) {
        hold(hub, &stream).await?;
    }
    delete_consumer(hub, &stream, &consumer).await?;
    forget(hub, topic, Some(channel)).await
}

/// Deletes the keys of a topic or channel.
async fn forget(hub: &Hub, topic: &str, channel: Option<&str>) -> Result<(), Fault> {
    if hub.settings(topic, channel).is_some() {
        delete(hub, &key(Fact::Settings, topic, channel)).await?;
    }
    delete(hub, &key(Fact::Exists, topic, channel)).await
}

async fn empty_ephemeral_channel(hub: &Hub, topic: &str, channel: &str) -> Result<(), Fault> {
    delete_consumer(hub, &hub.names.stream(topic), &hub.names.consumer(channel)).await?;
    create_channel(hub, topic, channel).await
}

async fn delete_topic(hub: &Hub, topic: &str) -> Result<(), Fault> {
    if hub.is_local(topic) {
        delete(hub, &key(Fact::Local, topic, None)).await?;
    }
    forget_all(hub, topic).await?;
    purge_deferred(hub, topic).await?;
    delete_stream(hub, topic).await
}

/// Deletes the keys of a topic and of its channels.
pub async fn forget_all(hub: &Hub, topic: &str) -> Result<(), Fault> {
    for channel in hub.channels(topic) {
        forget(hub, topic, Some(&channel)).await?;
    }
    forget(hub, topic, None).await
}

/// Deletes the stream of a topic, if it exists.
pub async fn delete_stream(hub: &Hub, topic: &str) -> Result<(), Fault> {
    match hub.jetstream.delete_stream(hub.names.stream(topic)).await {
        Ok(_) => Ok(()),
        Err(e) => match e.kind() {
            DeleteStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                Ok(())
            }
            DeleteStreamErrorKind::JetStream(error) => Err(Fault::sent("stream cannot be deleted", &error)),
            _ => Err(Fault::passing(&e)),
        },
    }
}

/// Drops what waits for a first channel; with channels nothing waits in the topic.
async fn empty_topic(hub: &Hub, topic: &str) -> Result<(), Fault> {
    let name = hub.names.stream(topic);
    if lasting_channels(hub, &name).await?.is_empty() {
        stream(hub, &name).await?.purge().await.map_err(|e| Fault::passing(&e))?;
        purge_deferred(hub, topic).await?;
    }
    Ok(())
}

async fn purge_deferred(hub: &Hub, topic: &str) -> Result<(), Fault> {
    let deferred = stream(hub, &hub.names.deferred_stream()).await?;
    let purged = deferred.purge().filter(hub.names.deferred_subject(Some(topic))).await;
    purged.map(drop).map_err(|e| Fault::passing(&e))
}

/// Lets a stream take no more messages of its topic. They find nobody, and are sent again.
pub async fn close(hub: &Hub, topic: &str, mut config: Config) -> Result<(), Fault> {
    config.subjects = vec![hub.names.closed_subject(topic)];
    update_stream(hub, &config).await
}

/// Lets a stream that was closed take messages again.
async fn reopen(hub: &Hub, topic: &str) -> Result<(), Fault> {
    let Some(mut config) = stream_info(hub, topic).await?.map(|info| info.config) else { return Ok(()) };
    if config.subjects != [hub.names.closed_subject(topic)] {
        return Ok(());
    }
    config.subjects = vec![hub.names.subject(topic)];
    update_stream(hub, &config).await
}

/// The stream of a topic as it is, if it exists.
pub async fn stream_info(hub: &Hub, topic: &str) -> Result<Option<Info>, Fault> {
    match hub.jetstream.get_stream(hub.names.stream(topic)).await {
        Ok(stream) => Ok(Some(stream.cached_info().clone())),
        Err(e) => match e.kind() {
            GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                Ok(None)
            }
            GetStreamErrorKind::JetStream(error) => Err(Fault::sent("stream cannot be found", &error)),
            _ => Err(Fault::passing(&e)),
        },
    }
}

async fn update_stream(hub: &Hub, config: &Config) -> Result<(), Fault> {
    hub.jetstream.update_stream(config).await.map(drop).map_err(|e| match e.kind() {
        CreateStreamErrorKind::JetStream(error) => Fault::sent("stream cannot be changed", &error),
        _ => Fault::passing(&e),
    })
}

/// Creates a stream, unless it exists. One that an operator has changed stays as it is.
pub async fn create_stream(hub: &Hub, config: Config) -> Result<(), Fault> {
    match hub.jetstream.create_stream(config).await {
        Ok(_) => Ok(()),
        Err(e) => match e.kind() {
            CreateStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NAME_EXIST => {
                Ok(())
            }
            CreateStreamErrorKind::JetStream(error) => Err(Fault::sent("stream cannot be created", &error)),
            _ => Err(Fault::passing(&e)),
        },
    }
}

/// Creates a consumer, unless it exists.
pub async fn create_consumer(hub: &Hub, stream: &str, config: pull::Config) -> Result<(), Fault> {
    match hub.jetstream.create_consumer_on_stream(config, stream).await {
        Ok(_) => Ok(()),
        Err(e) => match e.kind() {
            ConsumerErrorKind::JetStream(error) if error.error_code() == ErrorCode::CONSUMER_NAME_EXIST => {
                Ok(())
            }
            ConsumerErrorKind::JetStream(error) => Err(Fault::sent("consumer cannot be created", &error)),
            _ => Err(Fault::passing(&e)),
        },
    }
}

pub async fn delete_consumer(hub: &Hub, stream: &str, consumer: &str) -> Result<(), Fault> {
    match hub.jetstream.delete_consumer_from_stream(consumer, stream).await {
        Ok(_) => Ok(()),
        Err(e) => match e.kind() {
            ConsumerErrorKind::JetStream(error)
                if [ErrorCode::CONSUMER_NOT_FOUND, ErrorCode::STREAM_NOT_FOUND]
                    .contains(&error.error_code()) =>
            {
                Ok(())
            }
            ConsumerErrorKind::JetStream(error) => Err(Fault::sent("consumer cannot be deleted", &error)),
            _ => Err(Fault::passing(&e)),
        },
    }
}

/// A durable consumer that hands out messages until they are acknowledged.
pub fn durable(name: &str) -> pull::Config {
    pull::Config {
        durable_name: Some(name.to_owned()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        // Messages returned with a delay count, and must not hold back the others.
        max_ack_pending: -1,
        ..pull::Config::default()
    }
}

/// Keeps messages in a stream without a lasting channel.
async fn hold(hub: &Hub, stream: &str) -> Result<(), Fault> {
    create_consumer(hub, stream, durable(HOLD)).await
}

/// Ends the hold; the channels keep their messages.
pub async fn release(hub: &Hub, stream: &str) -> Result<(), Fault> {
    delete_consumer(hub, stream, HOLD).await
}

/// Consumers of a stream that last: neither the hold nor ephemeral ones.
async fn lasting_channels(hub: &Hub, name: &str) -> Result<Vec<String>, Fault> {
    let names = stream(hub, name).await?.consumer_names();
    let names: Vec<String> = names.try_collect().await.map_err(|e| Fault::passing(&e))?;
    Ok(names.into_iter().filter(|name| !name.starts_with('~')).collect())
}

/// A stream of this name.
pub async fn stream(hub: &Hub, name: &str) -> Result<jetstream::stream::Stream<()>, Fault> {
    hub.jetstream.get_stream_no_info(name).await.map_err(|e| match e.kind() {
        GetStreamErrorKind::JetStream(error) => Fault::sent("stream cannot be found", &error),
        _ => Fault::passing(&e),
    })
}

/// Tells the other nodes that a topic or channel exists. One that is known keeps its pause.
async fn announce(hub: &Hub, topic: &str, channel: Option<&str>) -> Result<(), Fault> {
    let bucket = bucket(hub)?;
    let key = key(Fact::Exists, topic, channel);
    match bucket.create(key, bytes::Bytes::new()).await {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == kv::CreateErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(Fault::passing(&e)),
    }
}
