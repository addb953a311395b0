//! Frames sent by nsqd.
//!
//! ```text
//! u32 size │ i32 type │ data                                      size = 4 + length of data
//! type 2:             │ i64 timestamp (ns) │ u16 attempts │ 16 bytes id │ body
//! ```
//! Writers append to a buffer and cannot fail. The reader is the client's side: it rejects a size over its
//! limit before waiting for data.

use super::Refusal;
use super::command::length;
use super::message_id::{MessageId, RawId};

/// The answer to a successful command.
pub const OK: &[u8] = b"OK";
/// The answer to CLS.
pub const CLOSE_WAIT: &[u8] = b"CLOSE_WAIT";
/// Sent unprompted, once per heartbeat interval.
pub const HEARTBEAT: &[u8] = b"_heartbeat_";

/// Bytes of a message frame before the body.
pub const MESSAGE_HEADER_BYTES: usize = 8 + 26;

/// Bytes of a message's own header inside the frame's data.
const MESSAGE_DATA_HEADER_BYTES: usize = 26;

/// Type of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameType {
    /// An answer, or a heartbeat.
    Response = 0,
    /// An error: `CODE description`.
    Error = 1,
    /// A message.
    Message = 2,
}

/// Appends a response frame.
pub fn write_response(out: &mut Vec<u8>, data: &[u8]) {
    write_head(out, FrameType::Response, data.len());
    out.extend_from_slice(data);
}

/// Appends an error frame.
pub fn write_error(out: &mut Vec<u8>, refusal: &Refusal<'_>) {
    let start = out.len();
    write_head(out, FrameType::Error, 0);
    refusal.write(out);
    let size = length(out.len() - start - 4);
    out[start..start + 4].copy_from_slice(&size);
}

/// Appends a message frame.
pub fn write_message(out: &mut Vec<u8>, timestamp_ns: i64, attempts: u16, id: MessageId, body: &[u8]) {
    out.extend_from_slice(&message_header(timestamp_ns, attempts, id, body.len()));
    out.extend_from_slice(body);
}

/// The first bytes of a message frame whose body of `body_bytes` is sent separately, without a copy.
pub fn message_header(
    timestamp_ns: i64,
    attempts: u16,
    id: MessageId,
    body_bytes: usize,
) -> [u8; MESSAGE_HEADER_BYTES] {
    let mut header = [0; MESSAGE_HEADER_BYTES];
    header[..4].copy_from_slice(&length(4 + MESSAGE_DATA_HEADER_BYTES + body_bytes));
    header[4..8].copy_from_slice(&(FrameType::Message as u32).to_be_bytes());
    header[8..16].copy_from_slice(&timestamp_ns.to_be_bytes());
    header[16..18].copy_from_slice(&attempts.to_be_bytes());
    header[18..].copy_from_slice(&id.to_hex());
    header
}

fn write_head(out: &mut Vec<u8>, kind: FrameType, data_bytes: usize) {
    out.extend_from_slice(&length(4 + data_bytes));
    out.extend_from_slice(&(kind as u32).to_be_bytes());
}

/// Outcome of scanning a client's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFrame<'a> {
    /// The frame is incomplete; this many bytes are needed from its first one on.
    NeedMore {
        /// Total bytes.
        want: usize,
    },
    /// A complete frame in the first `len` bytes.
    Done {
        /// Its type.
        kind: FrameType,
        /// Its data.
        data: &'a [u8],
        /// Its length.
        len: usize,
    },
    /// Invalid: an impossible size, one over the limit, or an unknown type.
    Bad,
}

/// Reads the frame at the start of `bytes`; its data may be `data_max` bytes long.
pub fn read_frame(bytes: &[u8], data_max: usize) -> ReadFrame<'_> {
    let Some(size) = bytes.first_chunk() else { return ReadFrame::NeedMore { want: 8 } };
    let size = u32::from_be_bytes(*size) as usize;
    if size < 4 || size - 4 > data_max {
        return ReadFrame::Bad;
    }
    let Some(body) = bytes.get(4..4 + size) else { return ReadFrame::NeedMore { want: 4 + size } };
    let (kind, data) = body.split_at(4);
    let kind = match kind {
        [0, 0, 0, 0] => FrameType::Response,
        [0, 0, 0, 1] => FrameType::Error,
        [0, 0, 0, 2] => FrameType::Message,
        _ => return ReadFrame::Bad,
    };
    ReadFrame::Done { kind, data, len: 4 + size }
}

/// The parsed data of a message frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageData<'a> {
    /// Time of publication: nanoseconds since the Unix epoch.
    pub timestamp_ns: i64,
    /// Deliveries so far, including this one; wraps.
    pub attempts: u16,
    /// The id to answer with.
    pub id: RawId,
    /// Body as published.
    pub body: &'a [u8],
}

impl<'a> MessageData<'a> {
    /// Parses the data of a message frame; `None` if it is too short to have an id.
    pub fn parse(data: &'a [u8]) -> Option<Self> {
        let (timestamp, rest) = data.split_first_chunk()?;
        let (attempts, rest) = rest.split_first_chunk()?;
        let (id, body) = rest.split_first_chunk()?;
        Some(MessageData {
            timestamp_ns: i64::from_be_bytes(*timestamp),
            attempts: u16::from_be_bytes(*attempts),
            id: *id,
            body,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nsq::Verb;

    #[test]
    fn written_bytes() {
        let mut out = Vec::new();
        write_response(&mut out, OK);
        assert_eq!(out, b"\0\0\0\x06\0\0\0\0OK");
        out.clear();
        write_error(&mut out, &Refusal::State(Verb::Cls));
        assert_eq!(out, b"\0\0\0\x29\0\0\0\x01E_INVALID cannot CLS in current state");
        out.clear();
        write_message(&mut out, 0x0102_0304_0506_0708, 0x0a0b, MessageId(0xabc), b"hi");
        assert_eq!(out, b"\0\0\0\x20\0\0\0\x02\x01\x02\x03\x04\x05\x06\x07\x08\x0a\x0b0000000000000abchi");
    }

    #[test]
    fn read_back_whole_and_byte_by_byte() {
        let mut out = Vec::new();
        write_message(&mut out, -5, 65535, MessageId(7), b"body");
        for end in 0..out.len() {
            let ReadFrame::NeedMore { want } = read_frame(&out[..end], 30) else { panic!("whole at {end}") };
            assert!(want > end && want <= out.len());
        }
        let ReadFrame::Done { kind, data, len } = read_frame(&out, 30) else { panic!("not whole") };
        assert_eq!((kind, len), (FrameType::Message, out.len()));
        let message = MessageData::parse(data).unwrap();
        assert_eq!((message.timestamp_ns, message.attempts, message.body), (-5, 65535, &b"body"[..]));
        assert_eq!(MessageId::from_hex(&message.id), Some(MessageId(7)));
        assert_eq!(read_frame(&out, 29), ReadFrame::Bad);
    }

    #[test]
    fn malformed() {
        for bad in [&b"\0\0\0\x03\0\0\0\0"[..], b"\0\0\0\x04\0\0\0\x03", b"\xff\xff\xff\xff", b"\0\0\0\0"] {
            assert_eq!(read_frame(bad, 1 << 20), ReadFrame::Bad, "{}", bad.escape_ascii());
        }
        assert_eq!(MessageData::parse(&[0; 25]), None);
        assert!(MessageData::parse(&[0; 26]).is_some());
    }
}
