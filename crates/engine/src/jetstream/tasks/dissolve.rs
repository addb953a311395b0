//! End of a topic that has become local: its stream is deleted, once nothing is left in it.
//!
//! ```text
//!  nothing left ▸ close: the stream takes no more ▸ a pause ▸ still nothing left ▸ delete it, then its keys
//! ```
//! A node that does not know yet may publish at any time. Its messages either are in the stream when it is
//! looked at after it was closed, or find nobody: then they are sent again, and create the stream anew, which
//! is fetched and dissolved like the first.

use async_nats::jetstream::consumer::Info as ConsumerInfo;
use async_nats::jetstream::stream::Info;
use futures_util::TryStreamExt;
use tokio::time::{Duration, sleep};

use crate::jetstream::changes;
use crate::jetstream::fault::Fault;
use crate::jetstream::hub::Hub;

/// Time after closing a stream in which messages that it has taken are seen by everybody.
const PAUSE: Duration = Duration::from_secs(3);
/// Beginning of the names of hidden consumers whose messages nobody needs.
const UNREAD: [&str; 2] = ["~kept~", "~seek~"];

/// Deletes the topic if nothing of it is left. Returns what is left at least, 0 if it is gone.
pub async fn run(hub: &Hub, topic: &str) -> Result<u64, Fault> {
    if !hub.is_local(topic) {
        return Err(Fault::refused("the topic is not local"));
    }
    if let Some(info) = changes::stream_info(hub, topic).await? {
        let left = left(hub, topic, &info).await?;
        if left > 0 {
            return Ok(left);
        }
        if info.config.subjects != [hub.names.closed_subject(topic)] {
            changes::close(hub, topic, info.config).await?;
        }
        sleep(PAUSE).await;
        let Some(info) = changes::stream_info(hub, topic).await? else { return Ok(1) };
        let left = self::left(hub, topic, &info).await?;
        if left > 0 {
            return Ok(left);
        }
        changes::delete_stream(hub, topic).await?;
    }
    changes::forget_all(hub, topic).await?;
    Ok(0)
}

/// Messages that some channel has not finished, or that are not due.
async fn left(hub: &Hub, topic: &str, info: &Info) -> Result<u64, Fault> {
    let deferred = deferred(hub, topic).await?;
    if deferred > 0 || info.state.messages == 0 {
        return Ok(deferred);
    }
    let stream = changes::stream(hub, &hub.names.stream(topic)).await?;
    let consumers: Vec<ConsumerInfo> =
        stream.consumers().try_collect().await.map_err(|e| Fault::passing(&e))?;
    let read = || consumers.iter().filter(|info| !UNREAD.iter().any(|unread| info.name.starts_with(unread)));
    let unfinished = read().map(|info| info.num_pending + info.num_ack_pending as u64).max();
    // Without a consumer that could finish them.
    Ok(unfinished.unwrap_or(info.state.messages))
}

/// Messages of the topic that are not due.
async fn deferred(hub: &Hub, topic: &str) -> Result<u64, Fault> {
    let stream = changes::stream(hub, &hub.names.deferred_stream()).await?;
    let subject = hub.names.deferred_subject(Some(topic));
    let found = stream.info_with_subjects(&subject).await.map_err(|e| Fault::passing(&e))?;
    let counts: Vec<(String, usize)> = found.try_collect().await.map_err(|e| Fault::passing(&e))?;
    Ok(counts.into_iter().map(|(_, count)| count as u64).sum())
}
