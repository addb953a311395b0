//! Headers of messages at NATS.

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use bytes::Bytes;

use crate::request::Publication;

/// The id, as its header's constant in async-nats is spelled.
const ID: &str = "Nats-Msg-Id";
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
    let mut message = Publication { published: stored, ..Publication::new(sequence, body) };
    // Most have their id alone: a look at what is there costs less than asking for each.
    for (name, values) in headers.into_iter().flat_map(HeaderMap::iter) {
        let Some(value) = values.first() else { continue };
        match AsRef::<str>::as_ref(name) {
            ID => {
                message.id = u64::from_str_radix(value.as_str(), 16).unwrap_or(sequence);
            }
            DUE => message.due = value.as_str().parse().unwrap_or(0),
            PUBLISHED => message.published = value.as_str().parse().unwrap_or(stored),
            ONLY => message.only = Some(value.as_str().into()),
            ORIGIN => message.origin = Bytes::copy_from_slice(value.as_str().as_bytes()),
            _ => {}
        }
    }
    message
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
