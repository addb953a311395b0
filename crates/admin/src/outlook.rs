//! Time until something is full, at the rate of the last five minutes.
//!
//! A topic with `bytes_max` fills that; journals without it fill the disk, and topics in memory `max_memory`.
//! What takes longer than [`FAR`] is not told: a rate of minutes says nothing about months.

use ui::format::{bytes, duration};
use ui::series::{growth, key};

use crate::rings::Rings;
use crate::status::{QueueStatus, TopicStatus};

/// Longest time told, in seconds: thirty days.
const FAR: f64 = 30.0 * 86_400.0;

/// Time until a topic reaches its `bytes_max`; None if it has none, or does not grow.
pub(crate) fn of_topic(rings: &Rings, topic: &TopicStatus) -> Option<String> {
    if topic.bytes_max == 0 {
        return None;
    }
    if topic.stored_bytes >= topic.bytes_max {
        return Some(format!("full: {} of {}", bytes(topic.stored_bytes), bytes(topic.bytes_max)));
    }
    let per_second = growth(rings.get(&key(&["topic", &topic.name], "stored")).as_deref())?;
    let time = until(topic.bytes_max - topic.stored_bytes, per_second)?;
    let grows = bytes(per_second as u64);
    Some(format!("full in {time} (+{grows}/s, {} of {})", bytes(topic.stored_bytes), bytes(topic.bytes_max)))
}

/// Time until the journals fill the disk.
pub(crate) fn of_disk(rings: &Rings, queue: &QueueStatus) -> Option<String> {
    let per_second = growth(rings.get(&key(&[], "stored")).as_deref())?;
    let time = until(queue.disk_free_bytes?, per_second)?;
    Some(format!("full in {time} (+{}/s)", bytes(per_second as u64)))
}

/// Time until topics and channels reach `max_memory`.
pub(crate) fn of_memory(rings: &Rings, queue: &QueueStatus) -> Option<String> {
    let room = queue.memory_bytes_max.checked_sub(queue.memory_bytes)?;
    let per_second = growth(rings.get(&key(&[], "queue_memory")).as_deref())?;
    let time = until(room, per_second)?;
    Some(format!("full in {time} (+{}/s)", bytes(per_second as u64)))
}

/// Time in which `room` bytes are used, in words.
fn until(room: u64, per_second: f64) -> Option<String> {
    let seconds = room as f64 / per_second;
    (per_second >= 1.0 && seconds <= FAR).then(|| duration((seconds * 1000.0) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_until_full() {
        for (room, per_second, expected) in [
            (7200 * 1000, 1000.0, Some("2 h")),
            (0, 1000.0, Some("0 s")),
            (1000, -5.0, None),
            (1000, 0.0, None),
            (u64::MAX, 1000.0, None),
        ] {
            assert_eq!(until(room, per_second).as_deref(), expected, "{room} {per_second}");
        }
    }
}
