//! Topics and channels at the engine, whoever created them, whether they are paused or moved, and settings.
//!
//! The bucket tells its whole content when it is watched, and then every change.

use std::sync::Arc;

use async_nats::jetstream::kv::Operation;
use futures_util::StreamExt;
use tokio::time::{Duration, sleep};

use super::changes::PAUSED;
use super::hub::Hub;
use crate::names::{Fact, parse_key};
use crate::request::Completion;

/// Pause before the bucket is watched again after an error.
const RETRY: Duration = Duration::from_secs(1);

/// Settings of a topic or channel that has none.
const NO_SETTINGS: &str = "{}";

/// Watches the bucket, from its present content on, for ever.
pub async fn run(hub: &Hub) {
    let Some(bucket) = hub.bucket.get() else { return };
    loop {
        if let Ok(mut entries) = bucket.watch_with_history(">").await {
            while let Some(Ok(entry)) = entries.next().await {
                let value = (entry.operation == Operation::Put).then_some(&entry.value);
                note(hub, &entry.key, value.map(|value| String::from_utf8_lossy(value)).as_deref());
            }
        }
        sleep(RETRY).await;
    }
}

/// Takes notice of a key and its value; `None` if it is gone.
fn note(hub: &Hub, key: &str, value: Option<&str>) {
    let Some((fact, topic, channel)) = parse_key(key) else { return };
    match (fact, value) {
        (Fact::Exists, Some(value)) => {
            hub.note(&topic, channel.as_ref(), true);
            let settings = hub.settings(&topic, channel.as_deref());
            let paused = value == PAUSED;
            hub.report(Completion::Exists { topic: Arc::clone(&topic), channel: channel.clone(), paused });
            if let Some(settings) = settings {
                hub.report(Completion::Configured { topic, channel, settings });
            }
        }
        (Fact::Exists, None) => {
            hub.note(&topic, channel.as_ref(), false);
            hub.report(Completion::Gone { topic, channel });
        }
        (Fact::Settings, value) => {
            hub.set_settings(&topic, channel.as_ref(), value);
            if hub.is_known(&topic, channel.as_deref()) {
                let settings = value.unwrap_or(NO_SETTINGS).into();
                hub.report(Completion::Configured { topic, channel, settings });
            }
        }
        (Fact::Seek, value) => {
            let Some(channel) = channel else { return };
            hub.set_seek(&topic, &channel, value);
            hub.report(Completion::Seeking { topic, channel, active: value.is_some() });
        }
        (Fact::Local, value) => {
            let active = value.is_some();
            hub.set_local(&topic, active);
            hub.report(Completion::Local { topic, active });
        }
    }
}
