//! Reports of servers about themselves: the pieces that views of clusters and of Sentinels are read from.

use super::{Kind, Reply, ReplyLimits, ReplyScan, ReplyScanner};

/// Longest host, id or flags.
pub(super) const TEXT_MAX: usize = 255;

/// A whole reply; None if the frame is none.
pub(super) fn scanned(frame: &[u8]) -> Option<Reply> {
    match ReplyScanner::new().scan(frame, &ReplyLimits::DEFAULT) {
        ReplyScan::Done(reply) => Some(reply),
        _ => None,
    }
}

/// A text that can be part of a log line.
pub(super) fn text(reply: &Reply, frame: &[u8]) -> Option<String> {
    let bytes = reply.body(frame);
    let is_text = matches!(reply.kind(), Kind::Bulk | Kind::Simple) && bytes.len() <= TEXT_MAX;
    let text = std::str::from_utf8(bytes).ok().filter(|_| is_text)?;
    text.bytes().all(|byte| byte.is_ascii_graphic()).then(|| text.to_owned())
}
