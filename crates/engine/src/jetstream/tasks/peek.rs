//! Shows messages of a stream without consuming them.
//!
//! A message that was delivered and came back is not shown: the server tells nobody which these are.

use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::stream::{RawMessageErrorKind, Stream};

use crate::jetstream::changes;
use crate::jetstream::fault::Fault;
use crate::jetstream::headers;
use crate::jetstream::hub::Hub;
use crate::names::HOLD;
use crate::request::{Publication, Shown};

/// Bytes of messages after which no more are shown.
const BYTES_MAX: usize = 16 << 20;

/// Messages of a topic, or of a channel that exists.
pub async fn show(
    hub: &Hub,
    topic: &str,
    channel: Option<&str>,
    what: Shown,
    count: usize,
) -> Result<Vec<Publication>, Fault> {
    let (stream, subject, from) = match what {
        Shown::Deferred => {
            let stream = changes::stream(hub, &hub.names.deferred_stream()).await?;
            (stream, hub.names.deferred_subject(Some(topic)), 1)
        }
        Shown::Kept => {
            let stream = changes::stream(hub, &hub.names.stream(topic)).await?;
            (stream, hub.names.subject(topic), 1)
        }
        Shown::Waiting => {
            let stream = changes::stream(hub, &hub.names.stream(topic)).await?;
            let reader = channel.map_or_else(|| HOLD.to_owned(), |channel| hub.names.consumer(channel));
            let Ok(reader) = stream.get_consumer::<pull::Config>(&reader).await else {
                // With channels nothing waits in the topic itself.
                return Ok(Vec::new());
            };
            let reader: PullConsumer = reader;
            let delivered = reader.cached_info().delivered.stream_sequence;
            (stream, hub.names.subject(topic), delivered + 1)
        }
    };
    read(&stream, &subject, from, count, channel).await
}

/// Up to `count` messages from a sequence number on, without those for other channels.
async fn read(
    stream: &Stream<()>,
    subject: &str,
    from: u64,
    count: usize,
    channel: Option<&str>,
) -> Result<Vec<Publication>, Fault> {
    let (mut found, mut bytes, mut next) = (Vec::new(), 0, from);
    while found.len() < count && bytes < BYTES_MAX {
        let message = match stream.get_first_raw_message_by_subject(subject, next).await {
            Ok(message) => message,
            Err(e) if e.kind() == RawMessageErrorKind::NoMessageFound => break,
            Err(e) => return Err(Fault::passing(&e)),
        };
        next = message.sequence + 1;
        let stored = i64::try_from(message.time.unix_timestamp_nanos()).unwrap_or(i64::MAX);
        let read = headers::read(Some(&message.headers), message.sequence, stored, message.payload);
        if read.only.as_deref().is_none_or(|only| channel.is_none_or(|channel| channel == only)) {
            bytes += read.body.len();
            found.push(read);
        }
    }
    Ok(found)
}
