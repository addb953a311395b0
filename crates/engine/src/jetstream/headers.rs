//! Headers of messages at NATS.

use std::sync::Arc;

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use bytes::Bytes;

use crate::request::Publication;

/// Due time (wall, ns).
const DUE: &str = "Nuthatch-Due";
/// Publication time (wall, ns) of a message that was deferred, forwarded or moved.
const PUBLISHED: &str = "Nuthatch-Published";
/// The only channel that a message is meant for.
const ONLY: &str = "Nuthatch-Only";
/// History of a dead letter (JSON).
const ORIGIN: &str = "Nuthatch-Origin";

/// The headers of a message.
pub fn of(message: &Publication) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, format!("{:016x}", message.id));
    if message.due != 0 {
        headers.insert(DUE, message.due.to_string());
    }
    if message.published != 0 {
        headers.insert(PUBLISHED, message.published.to_string());
    }
    if let Some(only) = &message.only {
        headers.insert(ONLY, &**only);
    }
    // JSON has no line breaks of its own, and a header none at all.
    if let Ok(origin) = std::str::from_utf8(&message.origin)
        && !origin.is_empty()
        && !origin.contains(['\r', '\n'])
    {
        headers.insert(ORIGIN, origin);
    }
    headers
}

/// Reads a message as it was published.
pub fn read(headers: Option<&HeaderMap>, sequence: u64, stored: i64, body: Bytes) -> Publication {
    Publication {
        id: id(headers).unwrap_or(sequence),
        due: due(headers),
        published: published(headers).unwrap_or(stored),
        only: only(headers),
        origin: origin(headers),
        body,
    }
}

/// The id.
pub fn id(headers: Option<&HeaderMap>) -> Option<u64> {
    u64::from_str_radix(headers?.get(NATS_MESSAGE_ID)?.as_str(), 16).ok()
}

/// The due time (wall, ns); 0 without one.
pub fn due(headers: Option<&HeaderMap>) -> i64 {
    let due = headers.and_then(|headers| headers.get(DUE));
    due.and_then(|due| due.as_str().parse().ok()).unwrap_or(0)
}

/// The publication time (wall, ns), where it is not that of storing.
pub fn published(headers: Option<&HeaderMap>) -> Option<i64> {
    headers?.get(PUBLISHED)?.as_str().parse().ok()
}

/// The only channel.
pub fn only(headers: Option<&HeaderMap>) -> Option<Arc<str>> {
    Some(headers?.get(ONLY)?.as_str().into())
}

/// The history of a dead letter; empty without one.
pub fn origin(headers: Option<&HeaderMap>) -> Bytes {
    let origin = headers.and_then(|headers| headers.get(ORIGIN));
    origin.map(|origin| Bytes::copy_from_slice(origin.as_str().as_bytes())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_it_was_published() {
        let message = Publication {
            id: 0xabc,
            due: 5,
            published: 3,
            only: Some("c".into()),
            origin: Bytes::from_static(b"{\"reason\":\"requeued\"}"),
            body: Bytes::from_static(b"x"),
        };
        assert_eq!(read(Some(&of(&message)), 7, 9, message.body.clone()), message);
        let plain = Publication::new(1, Bytes::new());
        assert_eq!(read(Some(&of(&plain)), 7, 9, Bytes::new()), Publication { published: 9, ..plain });
        assert_eq!(read(None, 7, 9, Bytes::new()).id, 7);
    }
}
