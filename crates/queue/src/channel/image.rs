//! A channel as a checkpoint keeps it.

use super::{Channel, Holes};
use crate::clock::{Clock, Due};
use crate::deferred::Waiting;
use crate::message::Position;
use crate::record::{ChannelNumber, Reader, difference, number};
use crate::settings::ChannelSettings;

/// A message outside the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImagedMessage {
    /// Its record.
    pub at: Position,
    /// Its id.
    pub id: u64,
    /// Deliveries so far.
    pub attempts: u16,
    /// Time from which it may be delivered.
    pub due: Due,
    /// Position the cursor must reach before its turn comes, if it may be delivered at once.
    pub behind: Position,
}

/// State of a channel that survives a restart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChannelImage {
    /// Its number in the journal.
    pub number: ChannelNumber,
    /// Its name.
    pub name: String,
    /// True if it was paused.
    pub paused: bool,
    /// See [`ChannelSettings`].
    pub settings: ChannelSettings,
    /// Position of the next record that it reads.
    pub cursor: Position,
    /// Messages of the stream that it has not taken.
    pub behind: u64,
    /// Position before which it also takes messages with their own due time from the stream.
    pub replay_to: Position,
    /// Messages published before this time are skipped.
    pub not_before: i64,
    /// Stretches that it skips.
    pub holes: Vec<(Position, Position)>,
    /// Records ahead of the cursor that it has taken.
    pub taken: Vec<Position>,
    /// Unfinished messages behind the cursor, in order of delivery; those in flight first.
    pub messages: Vec<ImagedMessage>,
}

impl ImagedMessage {
    /// A message with this due time, or one returned behind this position.
    pub fn new(message: &Waiting, due: Due, behind: Position) -> ImagedMessage {
        let Waiting { at, id, attempts } = *message;
        ImagedMessage { at, id, attempts, due, behind }
    }

    /// The message as a channel or a topic holds it.
    pub fn as_waiting(&self) -> Waiting {
        Waiting { at: self.at, id: self.id, attempts: self.attempts }
    }
}

impl Channel {
    /// The channel as of now. Its events must have been written.
    pub fn image(&self, clock: Clock) -> ChannelImage {
        if self.ephemeral {
            // Only its existence matters: it took what came into the topic.
            return ChannelImage { number: self.number, name: self.name.clone(), ..ChannelImage::default() };
        }
        let now = |behind, message: &Waiting| ImagedMessage::new(message, Due::default(), behind);
        let mut messages: Vec<ImagedMessage> =
            self.in_flight.iter().map(|flight| now(0, &flight.as_waiting())).collect();
        let letters = self.dead_letters.iter().chain(self.departing.letters());
        messages.extend(letters.map(|letter| now(0, &letter.message)));
        messages.sort_unstable_by_key(|message| message.at);
        messages.extend(self.again.places().map(|(behind, message)| now(behind, message)));
        messages.extend(self.duplicates.values().flatten().map(|message| now(self.end, message)));
        let deferred = messages.len();
        let due_at = |(due, message)| ImagedMessage::new(message, clock.due(due), 0);
        messages.extend(self.deferred.iter().map(due_at));
        messages[deferred..].sort_unstable_by_key(|message| message.at);
        ChannelImage {
            number: self.number,
            name: self.name.clone(),
            paused: self.paused,
            settings: self.settings.clone(),
            cursor: self.cursor,
            behind: self.behind,
            replay_to: self.replay_to,
            not_before: self.not_before,
            holes: self.holes.iter().collect(),
            taken: self.taken.iter().copied().filter(|&at| at >= self.cursor).collect(),
            messages,
        }
    }
}

impl ChannelImage {
    /// Writes the image.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let settings = serde_json::to_string(&self.settings).unwrap_or_default();
        number(u64::from(self.number), out);
        text(&self.name, out);
        number(u64::from(self.paused), out);
        text(&settings, out);
        for n in [self.cursor, self.behind, self.replay_to, self.not_before as u64, self.holes.len() as u64] {
            number(n, out);
        }
        for &(from, to) in &self.holes {
            number(from, out);
            number(to, out);
        }
        number(self.taken.len() as u64, out);
        let mut last = 0;
        for &at in &self.taken {
            difference(last, at, out);
            last = at;
        }
        number(self.messages.len() as u64, out);
        let (mut last, mut last_due) = (0, 0);
        for message in &self.messages {
            difference(last, message.at, out);
            difference(message.at, message.id, out);
            number(u64::from(message.attempts), out);
            difference(last_due, message.due.at as u64, out);
            difference(message.at, message.behind, out);
            (last, last_due) = (message.at, message.due.at as u64);
        }
    }

    /// Reads an image of a checkpoint of this version, written at `wall` (ns; 0 if unknown): no wait is
    /// longer than from then to the due time. Version 1 lacks the positions of returned messages. `None` if
    /// it is malformed.
    pub fn decode(from: &mut Reader<'_>, version: u64, wall: i64) -> Option<ChannelImage> {
        let mut image = ChannelImage {
            number: from.channel()?,
            name: read_text(from)?,
            paused: from.flag()?,
            settings: serde_json::from_str(&read_text(from)?).ok()?,
            cursor: from.number()?,
            behind: from.number()?,
            replay_to: from.number()?,
            not_before: from.number()? as i64,
            ..ChannelImage::default()
        };
        for _ in 0..from.number()? {
            image.holes.push((from.number()?, from.number()?));
        }
        let mut last = 0;
        for _ in 0..from.number()? {
            last = from.difference(last)?;
            image.taken.push(last);
        }
        let (mut last, mut last_due) = (0, 0);
        for _ in 0..from.number()? {
            last = from.difference(last)?;
            let id = from.difference(last)?;
            let attempts = u16::try_from(from.number()?).ok()?;
            last_due = from.difference(last_due)?;
            let due = Due::written(last_due as i64, wall);
            let behind = if version > 1 { from.difference(last)? } else { 0 };
            image.messages.push(ImagedMessage { at: last, id, attempts, due, behind });
        }
        Some(image)
    }

    /// The holes as a channel keeps them.
    pub(super) fn as_holes(&self) -> Holes {
        let mut holes = Holes::default();
        for &(from, to) in &self.holes {
            holes.add(from, to);
        }
        holes
    }
}

/// Writes a text, prefixed by its length.
pub fn text(text: &str, out: &mut Vec<u8>) {
    number(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

/// Reads what [`text`] wrote.
pub fn read_text(from: &mut Reader<'_>) -> Option<String> {
    let length = usize::try_from(from.number()?).ok()?;
    String::from_utf8(from.bytes(length)?.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_round_trip_and_cut_ones_are_refused() {
        let image = ChannelImage {
            number: 7,
            name: "c".into(),
            paused: true,
            settings: ChannelSettings { max_attempts: 5, dead_letter_topic: "dead".into() },
            cursor: 1 << 40,
            behind: 12,
            replay_to: 3,
            not_before: 1 << 60,
            holes: vec![(1, 2), (5, 9)],
            taken: vec![1 << 41, 1 << 42],
            messages: vec![
                ImagedMessage { at: 1, id: 2, attempts: 3, due: Due::default(), behind: 1 << 40 },
                ImagedMessage {
                    at: 4,
                    id: u64::MAX,
                    attempts: u16::MAX,
                    due: Due { at: i64::MAX, given: 77 },
                    behind: 0,
                },
            ],
        };
        let mut bytes = Vec::new();
        image.encode(&mut bytes);
        let mut reader = Reader(&bytes);
        assert_eq!(ChannelImage::decode(&mut reader, 2, 77), Some(image));
        assert!(reader.0.is_empty());
        for cut in 0..bytes.len() {
            assert_eq!(ChannelImage::decode(&mut Reader(&bytes[..cut]), 2, 77), None, "cut at {cut}");
        }
    }

    #[test]
    fn an_image_without_places_is_read() {
        let message = ImagedMessage { at: 7, id: 8, attempts: 1, due: Due::default(), behind: 9 };
        let image = ChannelImage { name: "c".into(), messages: vec![message], ..ChannelImage::default() };
        let (mut bytes, mut place) = (Vec::new(), Vec::new());
        image.encode(&mut bytes);
        difference(7, 9, &mut place);
        bytes.truncate(bytes.len() - place.len());
        let read = ChannelImage::decode(&mut Reader(&bytes), 1, 0).expect("well-formed");
        assert_eq!(read.messages, [ImagedMessage { behind: 0, ..message }]);
    }
}
