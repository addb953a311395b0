//! Topics and channels at the engine, whoever created them, and whether they are paused.
//!
//! The bucket tells its whole content when it is watched, and then every change.

use async_nats::jetstream::kv::Operation;
use futures_util::StreamExt;
use tokio::time::{Duration, sleep};

use super::changes::PAUSED;
use super::hub::Hub;
use crate::names::parse_key;
use crate::request::Completion;

/// Pause before the bucket is watched again after an error.
const RETRY: Duration = Duration::from_secs(1);

/// Watches the bucket, from its present content on, for ever.
pub async fn run(hub: &Hub) {
    let Some(bucket) = hub.bucket.get() else { return };
    loop {
        if let Ok(mut entries) = bucket.watch_with_history(">").await {
            while let Some(Ok(entry)) = entries.next().await {
                let Some((topic, channel)) = parse_key(&entry.key) else { continue };
                let exists = entry.operation == Operation::Put;
                hub.note(&topic, channel.as_ref(), exists);
                hub.report(if exists {
                    Completion::Exists { topic, channel, paused: entry.value == PAUSED }
                } else {
                    Completion::Gone { topic, channel }
                });
            }
        }
        sleep(RETRY).await;
    }
}
