//! A reply followed in one pass, without buffering: its bytes are scanned once, piece by piece, to find those
//! that belong to it.
//!
//! For replies too large to be buffered whole. The checks before passing bytes on are those of
//! [`ReplyScanner`]: lines are complete and fit the request; the bytes of a data block pass as they arrive.

use super::{BadReply, Expect, ReplyScanner};
use crate::memcache::{Limits, Scan};

/// Meaning of the scanned bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// The first bytes that belong to the reply, which continues; the others must be shown again with more
    /// after them.
    Part(usize),
    /// The reply ends after this many bytes.
    End(usize),
    /// The bytes cannot continue the reply.
    Bad(BadReply),
}

/// A reply being followed.
#[derive(Debug, Clone, Default)]
pub struct ReplyPassage(ReplyScanner);

impl ReplyPassage {
    /// At the start of a reply.
    pub fn new() -> Self {
        Self::default()
    }

    /// Scans the bytes after those already accepted; see [`ReplyScanner::scan`].
    pub fn advance(&mut self, bytes: &[u8], expect: Expect, asked: &[u8], limits: &Limits) -> Piece {
        match self.0.scan(bytes, expect, asked, limits) {
            Scan::Done(reply) => Piece::End(reply.len),
            Scan::NeedMore { .. } => Piece::Part(self.0.pass(bytes.len())),
            Scan::Bad(fault) => Piece::Bad(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ReplyKind;
    use super::*;

    /// Scans `reply` in pieces of `step` bytes, with other bytes after it. Returns its length or the error.
    fn follow(reply: &[u8], kind: ReplyKind, asked: &str, step: usize) -> Result<usize, BadReply> {
        let bytes = [reply, b"STORED\r\n"].concat();
        let expect = Expect { kind, keys: asked.split(' ').count() as u32 };
        let (mut passage, mut done, mut shown) = (ReplyPassage::new(), 0, 0);
        while shown < bytes.len() {
            shown = (shown + step).min(bytes.len());
            match passage.advance(&bytes[done..shown], expect, asked.as_bytes(), &Limits::default()) {
                Piece::Part(n) => done += n,
                Piece::End(n) => return Ok(done + n),
                Piece::Bad(fault) => return Err(fault),
            }
        }
        panic!("it does not end: {}", reply.escape_ascii());
    }

    #[test]
    fn a_reply_ends_where_the_scanner_finds_its_end() {
        let cases: &[(&[u8], ReplyKind, &str)] = &[
            (b"END\r\n", ReplyKind::Values, "a"),
            (b"VALUE a 0 5\r\na\r\nb\n\r\nEND\r\n", ReplyKind::Values, "a"),
            (b"VALUE a 0 0\r\n\r\nVALUE bb 1 2\r\nxy\r\nEND\r\n", ReplyKind::Values, "a bb"),
            (b"VALUE a 0 1 77\r\nx\r\nSERVER_ERROR out of memory\r\n", ReplyKind::ValuesCas, "a b"),
            (b"VA 3 ka O1\r\nabc\r\n", ReplyKind::MetaGet, "a k O1 v"),
            (b"STAT pid 1\r\nSTAT x \r\nEND\r\n", ReplyKind::Stats, ""),
        ];
        for (reply, kind, asked) in cases {
            for step in 1..=reply.len() + 8 {
                assert_eq!(
                    follow(reply, *kind, asked, step),
                    Ok(reply.len()),
                    "{} {step}",
                    reply.escape_ascii()
                );
            }
        }
    }

    #[test]
    fn what_is_no_reply_is_found_out_while_it_is_passed_on() {
        let cases: &[(&[u8], &str, BadReply)] = &[
            (b"VALUE a 0 5\r\nabcdefgh\r\n", "a", BadReply::Data),
            (b"VALUE a 0 1\r\nx\r\nVALUE a 0 1\r\nx\r\n", "a", BadReply::TooManyBlocks),
            (b"VALUE a 0 1\r\nx\r\nVALUE c 0 1\r\nx\r\n", "a b", BadReply::NotAsked),
            (b"VALUE a 0 1\r\nx\r\nSTORED\r\n", "a b", BadReply::Unexpected),
        ];
        for (reply, asked, fault) in cases {
            for step in 1..=reply.len() {
                let found = follow(reply, ReplyKind::Values, asked, step);
                assert_eq!(found, Err(*fault), "{} {step}", reply.escape_ascii());
            }
        }
    }
}
