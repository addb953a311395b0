//! The image of a topic in a checkpoint.

use super::milestones::Milestones;
use super::set_backs::SetBacks;
use crate::channel::{ChannelImage, ImagedMessage};
use crate::clock::Due;
use crate::message::Position;
use crate::record::{ChannelNumber, Reader};
use crate::settings::TopicSettings;

/// Version 1 lacks the queue places of requeued messages, version 2 the wall time and when the clock was set
/// back.
pub(super) const VERSION: u64 = 3;

/// The state of a topic in a checkpoint.
#[derive(Debug, Default)]
pub(super) struct TopicImage {
    /// Wall time (ns) of the checkpoint; 0 if unknown.
    pub wall: i64,
    pub tag: u32,
    pub paused: bool,
    pub settings: TopicSettings,
    pub next_number: ChannelNumber,
    pub pumped: Position,
    pub waiting: u64,
    pub sequence: u64,
    pub held: Vec<ImagedMessage>,
    pub milestones: Milestones,
    pub set_backs: SetBacks,
    pub channels: Vec<ChannelImage>,
}

impl TopicImage {
    /// Decodes a checkpoint's payload. `None` if it is malformed.
    pub fn decode(payload: &[u8]) -> Option<TopicImage> {
        let mut from = Reader(payload);
        let version = from.number()?;
        if !(1..=VERSION).contains(&version) {
            return None;
        }
        let dated = version > 2;
        let wall = if dated { from.number()? as i64 } else { 0 };
        let mut image = TopicImage {
            wall,
            tag: u32::try_from(from.number()?).ok()?,
            paused: from.flag()?,
            settings: serde_json::from_str(&crate::channel::read_text(&mut from)?).ok()?,
            next_number: from.channel()?,
            pumped: from.number()?,
            waiting: from.number()?,
            sequence: from.number()?,
            ..TopicImage::default()
        };
        for _ in 0..from.number()? {
            let at = from.number()?;
            let id = from.difference(at)?;
            let attempts = u16::try_from(from.number()?).ok()?;
            let due = Due::written(from.number()? as i64, wall);
            image.held.push(ImagedMessage { at, id, attempts, due, behind: 0 });
        }
        image.milestones = Milestones::decode(&mut from)?;
        if dated {
            image.set_backs = SetBacks::decode(&mut from)?;
        }
        for _ in 0..from.number()? {
            image.channels.push(ChannelImage::decode(&mut from, version, wall)?);
        }
        from.0.is_empty().then_some(image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::number;

    const DUE: i64 = 9_000;

    /// Checkpoints of each version, written at the wall time 5,000.
    fn payload(version: u64) -> Vec<u8> {
        let mut out = Vec::new();
        number(version, &mut out);
        if version > 2 {
            number(5_000, &mut out);
        }
        for n in [5, 0] {
            number(n, &mut out);
        }
        crate::channel::text("{}", &mut out);
        // Next number, pumped, waiting, sequence; one message is held: where, id, attempts, due.
        for n in [2, 10, 0, 3, 1, 7, 0, 0, DUE as u64] {
            number(n, &mut out);
        }
        Milestones::default().encode(&mut out);
        if version > 2 {
            let mut set_backs = SetBacks::default();
            set_backs.add(10, 4_000);
            set_backs.encode(&mut out);
        }
        number(1, &mut out);
        let message = ImagedMessage { at: 8, id: 8, attempts: 1, due: Due::written(DUE, 0), behind: 8 };
        ChannelImage { number: 1, messages: vec![message], ..ChannelImage::default() }.encode(&mut out);
        if version == 1 {
            // The place in the queue: one byte, since it equals the message's own position.
            out.pop();
        }
        out
    }

    #[test]
    fn images_of_older_versions_are_read() {
        for (version, given, latest) in [(1, 0, i64::MAX), (2, 0, i64::MAX), (VERSION, 5_000, 4_000)] {
            let payload = payload(version);
            let image = TopicImage::decode(&payload).expect("an image");
            let due = Due { at: DUE, given };
            assert_eq!((image.wall, image.held[0].due, image.channels[0].messages[0].due), (given, due, due));
            assert_eq!(image.set_backs.latest(0), latest);
            for cut in 0..payload.len() {
                assert!(TopicImage::decode(&payload[..cut]).is_none(), "version {version} cut at {cut}");
            }
        }
        assert!(TopicImage::decode(&payload(VERSION + 1)).is_none());
    }
}
