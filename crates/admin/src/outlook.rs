//! Time until something is full, at the rate of the last five minutes.
//!
//! A topic with `bytes_max` fills that; journals without it fill the disk, and topics in memory `max_memory`.
//! A time beyond [`FAR`] is not told: a rate of minutes says nothing about months. Disk and memory
//! are shared, and a burst is no trend: they must have grown over [`LASTING`] points. It is an alarm only
//! within a day and from half full on.

use ui::Level;
use ui::format::{bytes, duration};
use ui::series::{STEP_SECONDS, growth, key};

use crate::rings::Rings;
use crate::status::{QueueStatus, TopicStatus};

/// Longest time told, in seconds: thirty days.
const FAR: f64 = 30.0 * 86_400.0;
/// Time within which it is an alarm, in seconds: a day.
const NEAR: f64 = 86_400.0;
/// Points of growth of disk and memory: ten minutes.
const LASTING: usize = 60;

/// Time until something is full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outlook {
    /// In words: `full in 2 h (+74 KiB/s)`.
    pub text: String,
    /// [`Level::Warning`] if it is near, else [`Level::Notice`].
    pub level: Level,
}

/// Time until a topic reaches its `bytes_max`; None if it has none, or does not grow.
pub(crate) fn of_topic(rings: &Rings, topic: &TopicStatus) -> Option<Outlook> {
    let (used, max) = (topic.stored_bytes, topic.bytes_max);
    if max == 0 {
        return None;
    }
    let of = format!("{} of {}", bytes(used), bytes(max));
    if used >= max {
        return Some(Outlook { text: format!("full: {of}"), level: Level::Warning });
    }
    let per_second = growth(rings.get(&key(&["topic", &topic.name], "stored")).as_deref())?;
    let mut outlook = until(max - used, per_second, used >= max / 2)?;
    outlook.text += &format!(", {of}");
    Some(outlook)
}

/// Time until the journals fill the disk.
pub(crate) fn of_disk(rings: &Rings, queue: &QueueStatus) -> Option<Outlook> {
    let per_second = lasting(rings.get(&key(&[], "stored")).as_deref())?;
    // How much of the disk is used is not known; its journals are.
    let stored: u64 = queue.topics.iter().map(|topic| topic.stored_bytes).sum();
    let free = queue.disk_free_bytes?;
    until(free, per_second, stored >= free)
}

/// Time until topics and channels reach `max_memory`.
pub(crate) fn of_memory(rings: &Rings, queue: &QueueStatus) -> Option<Outlook> {
    let (used, max) = (queue.memory_bytes, queue.memory_bytes_max);
    let per_second = lasting(rings.get(&key(&[], "queue_memory")).as_deref())?;
    until(max.checked_sub(used)?, per_second, used >= max / 2)
}

/// Growth per second, if it has lasted: that of ten minutes, or of the last five if that is less.
fn lasting(points: Option<&[f32]>) -> Option<f64> {
    let recent = growth(points)?;
    let points = points?;
    let first = *points.get(points.len().checked_sub(LASTING)?)?;
    let all = f64::from(points.last()? - first) / ((LASTING - 1) as f64 * STEP_SECONDS as f64);
    all.is_finite().then(|| all.min(recent))
}

/// Time in which `room` bytes are used.
fn until(room: u64, per_second: f64, half_full: bool) -> Option<Outlook> {
    let seconds = room as f64 / per_second;
    let level = if half_full && seconds <= NEAR { Level::Warning } else { Level::Notice };
    (per_second >= 1.0 && seconds <= FAR).then(|| {
        let time = duration((seconds * 1000.0) as u64);
        Outlook { text: format!("full in {time} (+{}/s)", bytes(per_second as u64)), level }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_until_full() {
        for (room, per_second, half_full, expected) in [
            (7200 * 1000, 1000.0, true, Some(("full in 2 h (+1000 B/s)", Level::Warning))),
            (7200 * 1000, 1000.0, false, Some(("full in 2 h (+1000 B/s)", Level::Notice))),
            (172_800 * 1000, 1000.0, true, Some(("full in 2 d (+1000 B/s)", Level::Notice))),
            (1000, -5.0, true, None),
            (1000, 0.0, true, None),
            (u64::MAX, 1000.0, true, None),
        ] {
            let found = until(room, per_second, half_full);
            let found = found.as_ref().map(|outlook| (outlook.text.as_str(), outlook.level));
            assert_eq!(found, expected, "{room} {per_second}");
        }
    }

    #[test]
    fn a_burst_is_no_trend() {
        let steady: Vec<f32> = (0..60).map(|n| n as f32 * 100.0).collect();
        assert_eq!(lasting(Some(&steady)), Some(10.0));
        assert_eq!(lasting(Some(&steady[1..])), None, "less than ten minutes");
        let mut unknown = steady.clone();
        unknown[0] = f32::NAN;
        assert_eq!(lasting(Some(&unknown)), None);
        let burst: Vec<f32> = (0..60).map(|n| if n < 20 { n as f32 * 300.0 } else { 6000.0 }).collect();
        assert_eq!(lasting(Some(&burst)), Some(0.0));
    }
}
