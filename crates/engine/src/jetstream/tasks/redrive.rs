//! Redrive: dead letters are brought back to the channel that gave them up.
//!
//! ```text
//!  letters ▸ channel `redrive` ▸ published to the topic, for the one channel, with an id of its own ▸ acknowledged
//! ```
//! A letter is acknowledged once its message is stored. If the node dies in between, the letter comes again
//! with the same id, which the engine recognizes for two minutes.

use std::ops::Range;

use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{AckKind, Message};
use futures_util::StreamExt;
use rustc_hash::FxHashSet;
use tokio::time::Duration;

use crate::jetstream::changes;
use crate::jetstream::fault::Fault;
use crate::jetstream::fetching;
use crate::jetstream::headers;
use crate::jetstream::hub::Hub;
use crate::names::mix;
use crate::request::{Arrival, Publication};

/// The channel that dead letters are read through.
const CHANNEL: &str = "redrive";
/// Letters per fetch.
const BATCH: usize = 256;
/// Time for which a fetch waits for more letters.
const EXPIRES: Duration = Duration::from_millis(500);
/// Most letters that are passed over because they died at another time.
const PASSED_OVER_MAX: usize = 100_000;
/// Time after which a letter that was passed over comes again, when letters are handed out.
const PASSED_OVER: Duration = Duration::from_secs(30);

/// Brings up to `count` letters back; returns their number.
pub async fn run(
    hub: &Hub,
    to: (&str, &str),
    letters: &str,
    count: usize,
    died: Option<&Range<i64>>,
) -> Result<u64, Fault> {
    if !hub.is_known(letters, None) {
        return Ok(0);
    }
    changes::create_channel_from_beginning(hub, letters, CHANNEL).await?;
    let stream = changes::stream(hub, &hub.names.stream(letters)).await?;
    let reader: PullConsumer =
        stream.get_consumer::<pull::Config>(CHANNEL).await.map_err(|e| Fault::passing(&e))?;
    let mut passed = Passed::default();
    let moved = bring_back(hub, to, &reader, count, died, &mut passed).await;
    for message in passed.messages {
        let _ = message.ack_with(AckKind::Nak(None)).await;
    }
    moved
}

/// Takes up to a batch of letters, which are settled as any delivery. Those that died at another time are
/// passed over, and come again a while later.
pub async fn take(
    hub: &Hub,
    letters: &str,
    count: usize,
    died: Option<&Range<i64>>,
) -> Result<Vec<Arrival>, Fault> {
    changes::create_channel_from_beginning(hub, letters, CHANNEL).await?;
    let stream = changes::stream(hub, &hub.names.stream(letters)).await?;
    let reader: PullConsumer =
        stream.get_consumer::<pull::Config>(CHANNEL).await.map_err(|e| Fault::passing(&e))?;
    let mut passed = 0;
    loop {
        let fetch = reader.batch().max_messages(BATCH.min(count)).expires(EXPIRES).messages();
        let mut fetched = fetch.await.map_err(|e| Fault::passing(&e))?;
        let (mut taken, mut none) = (Vec::new(), true);
        while let Some(message) = fetched.next().await {
            let message = message.map_err(|e| Fault::passing(&e))?;
            none = false;
            let time = message.info().map_err(|e| Fault::passing(&e))?.published.unix_timestamp_nanos();
            let time = i64::try_from(time).unwrap_or(i64::MAX);
            if died.is_none_or(|died| died.contains(&time)) {
                taken.extend(fetching::arrival(message.message));
            } else {
                passed += 1;
                let _ = message.ack_with(AckKind::Nak(Some(PASSED_OVER))).await;
            }
        }
        if !taken.is_empty() || none || passed >= PASSED_OVER_MAX {
            return Ok(taken);
        }
    }
}

/// Letters that died at another time: held until the end, so that they do not come again.
#[derive(Default)]
struct Passed {
    messages: Vec<Message>,
    sequences: FxHashSet<u64>,
}

async fn bring_back(
    hub: &Hub,
    to: (&str, &str),
    reader: &PullConsumer,
    count: usize,
    died: Option<&Range<i64>>,
    passed: &mut Passed,
) -> Result<u64, Fault> {
    let mut moved = 0;
    while moved < count && passed.messages.len() < PASSED_OVER_MAX {
        // With a time after which it ends here too: the server that has it may die.
        let fetch = reader.batch().max_messages(BATCH.min(count - moved)).expires(EXPIRES).messages();
        let mut fetched = fetch.await.map_err(|e| Fault::passing(&e))?;
        let (mut taken, mut news) = (Vec::new(), false);
        while let Some(message) = fetched.next().await {
            let message = message.map_err(|e| Fault::passing(&e))?;
            let (sequence, time) = {
                let info = message.info().map_err(|e| Fault::passing(&e))?;
                (info.stream_sequence, info.published.unix_timestamp_nanos())
            };
            let time = i64::try_from(time).unwrap_or(i64::MAX);
            if died.is_none_or(|died| died.contains(&time)) {
                taken.push((sequence, message));
                news = true;
            } else {
                news |= passed.sequences.insert(sequence);
                passed.messages.push(message);
            }
        }
        if !news {
            break;
        }
        moved += publish(hub, to, taken).await?;
    }
    Ok(moved as u64)
}

/// Publishes letters and acknowledges them.
async fn publish(
    hub: &Hub,
    (topic, channel): (&str, &str),
    taken: Vec<(u64, Message)>,
) -> Result<usize, Fault> {
    let (mut sent, count) = (Vec::new(), taken.len());
    for (sequence, letter) in taken {
        let id = mix(headers::id(letter.headers.as_ref()).unwrap_or(sequence));
        let body = letter.payload.clone();
        let back = Publication { only: Some(channel.into()), ..Publication::new(id, body.clone()) };
        let back = PublishMessage::build().payload(body).headers(headers::of(&back));
        let ack = hub.jetstream.send_publish(hub.names.subject(topic), back).await;
        sent.push((ack.map_err(|e| Fault::passing(&e))?, letter));
    }
    for (ack, letter) in sent {
        // Without a number it is not stored yet, and may never be.
        if ack.await.map_err(|e| Fault::passing(&e))?.sequence == 0 {
            return Err(Fault::passing(&"a message is on its way"));
        }
        letter.double_ack().await.map_err(|e| Fault::passing(&e))?;
    }
    Ok(count)
}
