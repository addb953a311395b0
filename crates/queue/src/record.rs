//! The records of a topic's journal other than messages: events of the topic and its channels.
//!
//! A record is the journal's kind and a payload whose layout depends on it. Messages are in
//! [`crate::message`]. Recovery replays the records in journal order on top of the last checkpoint, so each
//! one must contain everything needed to repeat its effect. A message is named by the *position* of its
//! record: ids may repeat (after an import), positions cannot.
//!
//! Integers are variable-length (7 bits a byte, low end first); lists of positions are delta-coded.

pub(crate) mod kind;

use wire::nsq::MessageId;

use crate::clock::Due;
use crate::message::{Position, birth_of};
use kind::{
    KIND_CHANNEL_CREATED, KIND_CHANNEL_DELETED, KIND_CHANNEL_EMPTIED, KIND_CHANNEL_PAUSED,
    KIND_CHANNEL_SOUGHT, KIND_CONFIGURED, KIND_DROPPED, KIND_REQUEUED, KIND_REQUEUED_UNDATED,
    KIND_TOPIC_CREATED, KIND_TOPIC_EMPTIED, KIND_TOPIC_PAUSED,
};

pub use kind::{KIND_COPY, KIND_FINISHED, KIND_LAST, KIND_MESSAGE, KIND_PRIVATE};

/// Number of a channel in the journal; not reused after the channel is deleted.
pub type ChannelNumber = u32;

/// The topic itself, in lists of channels.
pub const TOPIC: ChannelNumber = 0;

/// A requeued message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requeued {
    /// Its record.
    pub at: Position,
    /// Its id.
    pub id: u64,
    /// Deliveries so far.
    pub attempts: u16,
    /// Time from which it may be delivered again.
    pub due: Due,
}

/// Target of moving a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seek {
    /// Position from which it reads.
    pub cursor: Position,
    /// Messages of the stream from there to the end.
    pub behind: u64,
    /// Position before which messages with a due time are taken with the stream.
    pub end: Position,
    /// Messages published before this time (wall, ns) are skipped.
    pub not_before: i64,
}

/// [`Seek::not_before`] of a channel that is moved to the beginning.
pub const FROM_THE_BEGINNING: i64 = i64::MIN;

impl Seek {
    /// True if a message that waits outside the stream is forgotten. A move to the beginning keeps messages
    /// that the stream does not bring again: imported messages, dead letters brought back, copies of released
    /// messages.
    pub fn forgets(&self, id: u64, tag: u32) -> bool {
        let comes_again = || birth_of(MessageId(id), tag).is_some_and(|born| born >= self.cursor);
        self.not_before != FROM_THE_BEGINNING || comes_again()
    }
}

/// A decoded event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// The channel has finished these messages.
    Finished(ChannelNumber, Vec<Position>),
    /// These messages of the channel were requeued.
    Requeued(ChannelNumber, Vec<Requeued>),
    /// The channel was created and reads from `cursor`.
    ChannelCreated {
        /// Its number.
        number: ChannelNumber,
        /// First position it reads.
        cursor: Position,
        /// Its name.
        name: String,
    },
    /// The channel was deleted.
    ChannelDeleted(ChannelNumber),
    /// The channel was paused (true) or resumed.
    ChannelPaused(ChannelNumber, bool),
    /// All messages of the channel before this position were dropped.
    ChannelEmptied(ChannelNumber, Position),
    /// The topic was paused (true) or resumed.
    TopicPaused(bool),
    /// The topic's messages between these two positions were dropped.
    TopicEmptied(Position, Position),
    /// First record of a journal: the tag in its message ids, and the topic's name.
    TopicCreated {
        /// 20 bits.
        tag: u32,
        /// The topic's name.
        name: String,
    },
    /// The channel drops all its messages and reads from another position.
    ChannelSought {
        /// Its number.
        number: ChannelNumber,
        /// The target.
        seek: Seek,
    },
    /// Settings of the topic (`None`) or of one channel, as JSON.
    Configured(Option<ChannelNumber>, String),
    /// A limit of the topic dropped everything before `floor`.
    Dropped {
        /// First position kept.
        floor: Position,
        /// Messages of the stream that each channel had not taken; under [`TOPIC`], those that waited in the
        /// topic.
        channels: Vec<(ChannelNumber, u64)>,
    },
}

impl Record {
    /// Writes the payload and returns the kind.
    pub fn encode(&self, out: &mut Vec<u8>) -> u8 {
        match self {
            Record::Finished(channel, positions) => return encode_finished(*channel, positions, out),
            Record::Requeued(channel, list) => return encode_requeued(*channel, list, out),
            Record::ChannelCreated { number, cursor, name } => {
                numbers(&[u64::from(*number), *cursor], out);
                out.extend_from_slice(name.as_bytes());
            }
            Record::ChannelDeleted(channel) => numbers(&[u64::from(*channel)], out),
            Record::ChannelPaused(channel, on) => numbers(&[u64::from(*channel), u64::from(*on)], out),
            Record::ChannelEmptied(channel, to) => numbers(&[u64::from(*channel), *to], out),
            Record::TopicPaused(on) => numbers(&[u64::from(*on)], out),
            Record::TopicEmptied(from, to) => numbers(&[*from, *to], out),
            Record::TopicCreated { tag, name } => {
                numbers(&[u64::from(*tag)], out);
                out.extend_from_slice(name.as_bytes());
            }
            Record::ChannelSought { number, seek } => {
                numbers(
                    &[u64::from(*number), seek.cursor, seek.behind, seek.end, seek.not_before as u64],
                    out,
                );
            }
            Record::Configured(channel, json) => {
                numbers(&[channel.map_or(0, |c| u64::from(c) + 1)], out);
                out.extend_from_slice(json.as_bytes());
            }
            Record::Dropped { floor, channels } => {
                numbers(&[*floor], out);
                for (channel, count) in channels {
                    numbers(&[u64::from(*channel), *count], out);
                }
            }
        }
        self.kind()
    }

    fn kind(&self) -> u8 {
        match self {
            Record::Finished(..) => KIND_FINISHED,
            Record::Requeued(..) => KIND_REQUEUED,
            Record::ChannelCreated { .. } => KIND_CHANNEL_CREATED,
            Record::ChannelDeleted(_) => KIND_CHANNEL_DELETED,
            Record::ChannelPaused(..) => KIND_CHANNEL_PAUSED,
            Record::ChannelEmptied(..) => KIND_CHANNEL_EMPTIED,
            Record::TopicPaused(_) => KIND_TOPIC_PAUSED,
            Record::TopicEmptied(..) => KIND_TOPIC_EMPTIED,
            Record::TopicCreated { .. } => KIND_TOPIC_CREATED,
            Record::ChannelSought { .. } => KIND_CHANNEL_SOUGHT,
            Record::Configured(..) => KIND_CONFIGURED,
            Record::Dropped { .. } => KIND_DROPPED,
        }
    }

    /// Decodes a record other than a message. `None` if it is malformed.
    pub fn decode(kind: u8, payload: &[u8]) -> Option<Record> {
        let mut from = Reader(payload);
        let record = match kind {
            KIND_FINISHED => Record::Finished(from.channel()?, from.positions()?),
            KIND_REQUEUED => Record::Requeued(from.channel()?, from.requeued(true)?),
            KIND_REQUEUED_UNDATED => Record::Requeued(from.channel()?, from.requeued(false)?),
            KIND_CHANNEL_CREATED => {
                Record::ChannelCreated { number: from.channel()?, cursor: from.number()?, name: from.text()? }
            }
            KIND_CHANNEL_DELETED => Record::ChannelDeleted(from.channel()?),
            KIND_CHANNEL_PAUSED => Record::ChannelPaused(from.channel()?, from.flag()?),
            KIND_CHANNEL_EMPTIED => Record::ChannelEmptied(from.channel()?, from.number()?),
            KIND_TOPIC_PAUSED => Record::TopicPaused(from.flag()?),
            KIND_TOPIC_EMPTIED => Record::TopicEmptied(from.number()?, from.number()?),
            KIND_TOPIC_CREATED => {
                Record::TopicCreated { tag: u32::try_from(from.number()?).ok()?, name: from.text()? }
            }
            KIND_CHANNEL_SOUGHT => Record::ChannelSought {
                number: from.channel()?,
                seek: Seek {
                    cursor: from.number()?,
                    behind: from.number()?,
                    end: from.number()?,
                    not_before: from.number()? as i64,
                },
            },
            KIND_CONFIGURED => {
                let channel = match from.number()? {
                    0 => None,
                    n => Some(u32::try_from(n - 1).ok()?),
                };
                Record::Configured(channel, from.text()?)
            }
            KIND_DROPPED => {
                let floor = from.number()?;
                let mut channels = Vec::new();
                while !from.0.is_empty() {
                    channels.push((from.channel()?, from.number()?));
                }
                Record::Dropped { floor, channels }
            }
            _ => return None,
        };
        from.0.is_empty().then_some(record)
    }
}

/// Writes [`Record::Finished`] from a borrowed list.
pub fn encode_finished(channel: ChannelNumber, positions: &[Position], out: &mut Vec<u8>) -> u8 {
    numbers(&[u64::from(channel)], out);
    let mut last = 0;
    for &position in positions {
        difference(last, position, out);
        last = position;
    }
    KIND_FINISHED
}

/// Writes [`Record::Requeued`] from a borrowed list.
pub fn encode_requeued(channel: ChannelNumber, list: &[Requeued], out: &mut Vec<u8>) -> u8 {
    numbers(&[u64::from(channel)], out);
    let (mut last, mut last_due) = (0, 0);
    for one in list {
        difference(last, one.at, out);
        difference(one.at, one.id, out);
        number(u64::from(one.attempts), out);
        difference(last_due, one.due.at as u64, out);
        if one.due.at != 0 {
            difference(one.due.at as u64, one.due.given as u64, out);
        }
        (last, last_due) = (one.at, one.due.at as u64);
    }
    KIND_REQUEUED
}

fn numbers(list: &[u64], out: &mut Vec<u8>) {
    for &n in list {
        number(n, out);
    }
}

/// Writes a variable-length integer.
pub fn number(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes the signed difference of `to` from `from`: small steps in either direction take few bytes.
pub fn difference(from: u64, to: u64, out: &mut Vec<u8>) {
    let step = to.wrapping_sub(from) as i64;
    number(((step << 1) ^ (step >> 63)) as u64, out);
}

/// Reader of what [`number`] and [`difference`] wrote.
#[derive(Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The next integer. `None` at the end, or if it exceeds 64 bits.
    pub fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for (n, &byte) in self.0.iter().enumerate().take(10) {
            if n == 9 && byte > 1 {
                return None;
            }
            value |= u64::from(byte & 0x7f) << (7 * n);
            if byte < 0x80 {
                self.0 = &self.0[n + 1..];
                return Some(value);
            }
        }
        None
    }

    /// The next difference, applied to `from`.
    pub fn difference(&mut self, from: u64) -> Option<u64> {
        let coded = self.number()?;
        Some(from.wrapping_add(((coded >> 1) as i64 ^ -((coded & 1) as i64)) as u64))
    }

    /// The next `n` bytes.
    pub fn bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        let (front, back) = self.0.split_at_checked(n)?;
        self.0 = back;
        Some(front)
    }

    /// A channel number.
    pub fn channel(&mut self) -> Option<ChannelNumber> {
        u32::try_from(self.number()?).ok()
    }

    /// An integer that is 0 or 1.
    pub fn flag(&mut self) -> Option<bool> {
        match self.number()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// The remaining bytes, as text.
    pub fn text(&mut self) -> Option<String> {
        let text = std::str::from_utf8(self.0).ok()?.to_owned();
        self.0 = &[];
        Some(text)
    }

    fn positions(&mut self) -> Option<Vec<Position>> {
        let mut list = Vec::new();
        let mut last = 0;
        while !self.0.is_empty() {
            last = self.difference(last)?;
            list.push(last);
        }
        Some(list)
    }

    /// The remaining bytes as requeued messages; `dated` if the record says when each due time was set.
    fn requeued(&mut self, dated: bool) -> Option<Vec<Requeued>> {
        let mut list = Vec::new();
        let (mut last, mut last_due) = (0, 0);
        while !self.0.is_empty() {
            last = self.difference(last)?;
            let id = self.difference(last)?;
            let attempts = u16::try_from(self.number()?).ok()?;
            last_due = self.difference(last_due)?;
            let given = if dated && last_due != 0 { self.difference(last_due)? as i64 } else { 0 };
            list.push(Requeued { at: last, id, attempts, due: Due { at: last_due as i64, given } });
        }
        Some(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Record> {
        vec![
            Record::Finished(3, vec![]),
            Record::Finished(3, vec![100, 330, 90, u64::MAX, 0]),
            Record::Requeued(
                u32::MAX,
                vec![
                    Requeued { at: 5, id: 5, attempts: 1, due: Due::default() },
                    Requeued {
                        at: 4,
                        id: u64::MAX,
                        attempts: u16::MAX,
                        due: Due { at: i64::MAX, given: i64::MIN },
                    },
                    Requeued { at: 6, id: 6, attempts: 2, due: Due { at: 5_000, given: 4_000 } },
                ],
            ),
            Record::ChannelCreated { number: 1, cursor: 77, name: "c".into() },
            Record::ChannelDeleted(1),
            Record::ChannelPaused(1, true),
            Record::ChannelEmptied(1, 1 << 43),
            Record::TopicPaused(false),
            Record::TopicEmptied(1, 2),
            Record::TopicCreated { tag: 0xfffff, name: "t".into() },
            Record::ChannelSought {
                number: 9,
                seek: Seek { cursor: 0, behind: 1000, end: 77, not_before: -1 },
            },
            Record::Configured(None, "{}".into()),
            Record::Configured(Some(0), "{\"a\":1}".into()),
            Record::Dropped { floor: 5, channels: vec![(1, 2), (3, 0)] },
        ]
    }

    #[test]
    fn records_round_trip() {
        for record in samples() {
            let mut bytes = Vec::new();
            let kind = record.encode(&mut bytes);
            assert_eq!(Record::decode(kind, &bytes), Some(record));
        }
    }

    #[test]
    fn finished_positions_in_order_cost_two_bytes() {
        let positions: Vec<u64> = (0..1000).map(|n| 1_000_000 + n * 230).collect();
        let mut bytes = Vec::new();
        encode_finished(1, &positions, &mut bytes);
        assert!(bytes.len() < 2010, "{} bytes", bytes.len());
    }

    #[test]
    fn requeued_messages_of_older_versions_are_read() {
        let bytes = b"\x03\x0a\x00\x01\x00\x02\x00\x02\x10";
        let undated = |at, attempts, due| Requeued { at, id: at, attempts, due: Due { at: due, given: 0 } };
        let expected = Record::Requeued(3, vec![undated(5, 1, 0), undated(6, 2, 8)]);
        assert_eq!(Record::decode(5, bytes), Some(expected));
    }

    #[test]
    fn malformed_records_are_refused() {
        for bad in [
            &b"\x00"[..],
            b"\xff\x01",
            b"\x04",
            b"\x04\x80",
            b"\x04\x01\x80",
            b"\x07\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
            b"\x08\x01\x02",
            b"\x07\x01\x01",
            b"\x06\x01\x01\xff\xfe",
            b"\x05\x01\x02\x00\xff\xff\x04\x00",
        ] {
            assert_eq!(Record::decode(bad[0], &bad[1..]), None, "{bad:?}");
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic() {
        proptest::proptest!(|(kind in 0u8..20, bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..60))| {
            let _ = Record::decode(kind, &bytes);
            let _ = crate::message::Message::decode(&bytes);
        });
    }
}
