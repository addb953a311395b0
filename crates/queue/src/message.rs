//! A message: its id, and the record that holds it in its topic's journal.
//!
//! The id is a `u64` shown as 16 lowercase hex digits. For a message published here it encodes where (20 bits
//! of topic tag, 44 bits of journal position); an imported message keeps its original id. Ids are opaque to
//! clients, and no message is *found* by its id, only by the position that its channel keeps.
//!
//! ```text
//! payload = flags(1) timestamp(8, ns, as on the wire)
//!           [id(8)] [attempts(2)] [due(8, wall ns)] [channel(4)] [origin: length(2) bytes] [moved from(8)] body
//! ```
//! The bracketed parts are present if their flag is set, in this order. All integers are big-endian.

use wire::nsq::MessageId;

use crate::record::kind::{KIND_COPY, KIND_MESSAGE, KIND_PRIVATE};

/// Start of a record in its topic's journal: [`journal::Position`] as a bare number.
pub type Position = u64;

/// Bits of a message id that hold the position.
pub const POSITION_BITS: u32 = 44;

/// The id of a message born at `position` in the journal with this `tag` (20 bits).
pub fn born_id(tag: u32, position: Position) -> MessageId {
    MessageId((u64::from(tag) << POSITION_BITS) | (position & ((1 << POSITION_BITS) - 1)))
}

/// The position at which a message was born in the journal with this `tag`; `None` if its id was given
/// elsewhere.
pub fn birth_of(id: MessageId, tag: u32) -> Option<Position> {
    let position = id.0 & ((1 << POSITION_BITS) - 1);
    (id.0 >> POSITION_BITS == u64::from(tag)).then_some(position)
}

const HAS_ID: u8 = 1;
const HAS_ATTEMPTS: u8 = 2;
const HAS_DUE: u8 = 4;
const HAS_CHANNEL: u8 = 8;
const HAS_ORIGIN: u8 = 16;
const HAS_MOVED: u8 = 32;

/// Longest origin that a record carries.
pub const ORIGIN_LEN_MAX: usize = 4096;

/// A message record, borrowed from the journal's bytes or about to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Message<'a> {
    /// Nanoseconds since the epoch when it was published.
    pub timestamp: i64,
    /// The id, if it does not follow from the record's position.
    pub id: Option<u64>,
    /// Deliveries before this record was written.
    pub attempts: u16,
    /// Wall time in nanoseconds before which it is not delivered; 0 for now.
    pub due: i64,
    /// The only channel it is meant for, by number; `None` for all.
    pub channel: Option<u32>,
    /// For a dead letter: its source and the reason (JSON); empty for others.
    pub origin: &'a [u8],
    /// For a live message copied forward from an old segment: its position before.
    pub moved_from: Option<Position>,
    /// Body as published.
    pub body: &'a [u8],
}

impl<'a> Message<'a> {
    /// A message as published.
    pub fn new(timestamp: i64, body: &'a [u8]) -> Message<'a> {
        Message { timestamp, body, ..Message::default() }
    }

    /// Its id, if the record stands at `position` of the journal with `tag`.
    pub fn id_at(&self, tag: u32, position: Position) -> MessageId {
        self.id.map_or_else(|| born_id(tag, position), MessageId)
    }

    /// The record's kind. Messages meant for one channel and copies are not part of the stream that cursors
    /// read.
    pub fn kind(&self) -> u8 {
        match (self.moved_from, self.channel) {
            (Some(_), _) => KIND_COPY,
            (None, Some(_)) => KIND_PRIVATE,
            (None, None) => KIND_MESSAGE,
        }
    }

    /// Writes everything before the body.
    #[inline]
    pub fn encode_head(&self, out: &mut Vec<u8>) {
        let extras = self.id.is_some() || self.channel.is_some() || self.moved_from.is_some();
        if extras || self.attempts != 0 || self.due != 0 || !self.origin.is_empty() {
            return self.encode_extras(out);
        }
        let mut head = [0; 9];
        head[1..].copy_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&head);
    }

    fn encode_extras(&self, out: &mut Vec<u8>) {
        let mut flags = 0;
        out.push(0);
        let flags_at = out.len() - 1;
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        if let Some(id) = self.id {
            flags |= HAS_ID;
            out.extend_from_slice(&id.to_be_bytes());
        }
        if self.attempts != 0 {
            flags |= HAS_ATTEMPTS;
            out.extend_from_slice(&self.attempts.to_be_bytes());
        }
        if self.due != 0 {
            flags |= HAS_DUE;
            out.extend_from_slice(&self.due.to_be_bytes());
        }
        if let Some(channel) = self.channel {
            flags |= HAS_CHANNEL;
            out.extend_from_slice(&channel.to_be_bytes());
        }
        if !self.origin.is_empty() {
            flags |= HAS_ORIGIN;
            let origin = &self.origin[..self.origin.len().min(ORIGIN_LEN_MAX)];
            out.extend_from_slice(&(origin.len() as u16).to_be_bytes());
            out.extend_from_slice(origin);
        }
        if let Some(from) = self.moved_from {
            flags |= HAS_MOVED;
            out.extend_from_slice(&from.to_be_bytes());
        }
        out[flags_at] = flags;
    }

    /// Reads the payload of a record of kind message, private or copy. `None` if it is too short for its
    /// flags.
    #[inline]
    pub fn decode(payload: &'a [u8]) -> Option<Message<'a>> {
        let (head, rest) = payload.split_first_chunk::<9>()?;
        let timestamp =
            i64::from_be_bytes([head[1], head[2], head[3], head[4], head[5], head[6], head[7], head[8]]);
        if head[0] == 0 {
            return Some(Message::new(timestamp, rest));
        }
        Message::decode_extras(head[0], timestamp, rest)
    }

    fn decode_extras(flags: u8, timestamp: i64, mut rest: &'a [u8]) -> Option<Message<'a>> {
        let mut message = Message { timestamp, ..Message::default() };
        if flags & HAS_ID != 0 {
            message.id = Some(u64::from_be_bytes(take(&mut rest)?));
        }
        if flags & HAS_ATTEMPTS != 0 {
            message.attempts = u16::from_be_bytes(take(&mut rest)?);
        }
        if flags & HAS_DUE != 0 {
            message.due = i64::from_be_bytes(take(&mut rest)?);
        }
        if flags & HAS_CHANNEL != 0 {
            message.channel = Some(u32::from_be_bytes(take(&mut rest)?));
        }
        if flags & HAS_ORIGIN != 0 {
            let length = usize::from(u16::from_be_bytes(take(&mut rest)?));
            let (origin, body) = rest.split_at_checked(length)?;
            message.origin = origin;
            rest = body;
        }
        if flags & HAS_MOVED != 0 {
            message.moved_from = Some(u64::from_be_bytes(take(&mut rest)?));
        }
        message.body = rest;
        Some(message)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (front, back) = rest.split_first_chunk::<N>()?;
    *rest = back;
    Some(*front)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_born_id_says_where_the_message_is() {
        assert_eq!(born_id(0xabcde, 5).to_string(), "abcde00000000005");
        assert_eq!(Message::new(1, b"x").id_at(1, 2), born_id(1, 2));
        assert_eq!(birth_of(born_id(0xabcde, 5), 0xabcde), Some(5));
        assert_eq!(birth_of(born_id(0xabcde, 5), 0xabcdf), None);
    }

    #[test]
    fn records_round_trip_with_every_set_of_flags() {
        for bits in 0u8..64 {
            let message = Message {
                timestamp: 1_700_000_000_123_456_789,
                id: (bits & 1 != 0).then_some(7),
                attempts: if bits & 2 != 0 { 3 } else { 0 },
                due: if bits & 4 != 0 { 99 } else { 0 },
                channel: (bits & 8 != 0).then_some(12),
                origin: if bits & 16 != 0 { b"{\"reason\":\"x\"}" } else { b"" },
                moved_from: (bits & 32 != 0).then_some(1 << 40),
                body: b"body",
            };
            let mut record = Vec::new();
            message.encode_head(&mut record);
            let head_len = record.len();
            record.extend_from_slice(message.body);
            assert_eq!(Message::decode(&record), Some(message), "flags {bits:06b}");
            for cut in 0..head_len {
                // A record cut inside its head is refused, or (cut inside an origin's bytes) never read past
                // its end.
                if let Some(short) = Message::decode(&record[..cut]) {
                    assert_eq!(bits, 0, "cut {cut} of {bits:06b} gave {short:?}");
                }
            }
        }
        assert_eq!(Message::decode(b""), None);
    }
}
