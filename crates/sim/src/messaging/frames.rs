//! Frames of the NSQ protocol, split from a stream of bytes.

use crate::messaging::body::{Uid, uid_of};

/// A message id, as on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id(pub(crate) [u8; 16]);

impl std::fmt::Debug for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// A frame of the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    Response(Vec<u8>),
    Error(Vec<u8>),
    Message {
        id: Id,
        attempts: u16,
        uid: Uid,
    },
    /// Bytes that no daemon may send.
    Nonsense(String),
}

impl Frame {
    pub(crate) fn is_heartbeat(&self) -> bool {
        matches!(self, Frame::Response(data) if data == b"_heartbeat_")
    }
}

/// Received bytes of an incomplete frame.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
}

impl Frames {
    /// Adds bytes and returns the frames completed by them.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Vec<Frame> {
        self.bytes.extend_from_slice(bytes);
        let mut frames = Vec::new();
        let mut at = 0;
        while let Some(head) = self.bytes[at..].first_chunk::<8>() {
            let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
            let Some(frame) = self.bytes.get(at + 8..at + 4 + size) else { break };
            frames.push(read(head[7], frame));
            at += 4 + size;
        }
        self.bytes.drain(..at);
        frames
    }
}

fn read(kind: u8, data: &[u8]) -> Frame {
    match kind {
        0 => Frame::Response(data.to_vec()),
        1 => Frame::Error(data.to_vec()),
        2 => message(data).unwrap_or_else(|| Frame::Nonsense("a message that is too short".to_owned())),
        other => Frame::Nonsense(format!("frame type {other}")),
    }
}

fn message(data: &[u8]) -> Option<Frame> {
    let attempts = u16::from_be_bytes([*data.get(8)?, *data.get(9)?]);
    let id = Id(data.get(10..26)?.try_into().ok()?);
    Some(match uid_of(&data[26..]) {
        Ok(uid) => Frame::Message { id, attempts, uid },
        Err(why) => Frame::Nonsense(why),
    })
}
