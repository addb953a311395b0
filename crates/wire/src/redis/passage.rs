//! A reply followed in one pass, without buffering: its bytes are scanned once, piece by piece, to find those
//! that belong to it.
//!
//! For replies too large to be buffered whole. The bytes to pass on are well-formed: headers are complete,
//! and the bytes of a bulk pass as they arrive. Nesting is unlimited here, since nothing is stored about the
//! enclosing elements, only the number of items still to come.

use super::decimal::{Decimal, decimal};
use super::item::{Scanned, item};
use super::kind::Kind;
use super::{ReplyError, ReplyLimits};

/// Meaning of the scanned bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// The first bytes that belong to the reply, which continues; the others must be shown again with more
    /// after them.
    Part(usize),
    /// The reply ends after this many bytes.
    End(usize),
    /// The bytes cannot continue the reply.
    Bad(ReplyError),
}

/// A reply being followed.
#[derive(Debug, Clone)]
pub struct ReplyPassage {
    /// Number of items still to begin.
    items: u64,
    /// Bytes of the current bulk still to come.
    bulk: usize,
    /// The line end of the current bulk is still to come.
    bulk_open: bool,
}

impl Default for ReplyPassage {
    fn default() -> Self {
        ReplyPassage { items: 1, bulk: 0, bulk_open: false }
    }
}

impl ReplyPassage {
    /// At the start of a reply.
    pub fn new() -> Self {
        Self::default()
    }

    /// Scans the bytes after those already accepted.
    pub fn advance(&mut self, bytes: &[u8], limits: &ReplyLimits) -> Piece {
        let mut at = 0;
        loop {
            if self.bulk_open {
                let now = self.bulk.min(bytes.len() - at);
                (self.bulk, at) = (self.bulk - now, at + now);
                match bytes.get(at..at + 2) {
                    None => return Piece::Part(at),
                    Some(b"\r\n") => (self.bulk_open, at) = (false, at + 2),
                    Some(_) => return Piece::Bad(ReplyError::UnterminatedBulk),
                }
            }
            if self.items == 0 {
                return Piece::End(at);
            }
            match self.item(&bytes[at..], limits) {
                Ok(0) => return Piece::Part(at),
                Ok(n) => at += n,
                Err(error) => return Piece::Bad(error),
            }
        }
    }

    /// Accounts for the item at the front, or for the head of a bulk; 0 if it is incomplete.
    fn item(&mut self, bytes: &[u8], limits: &ReplyLimits) -> Result<usize, ReplyError> {
        match item(bytes, 0, &mut 0, limits) {
            Scanned::Bad(error) => Err(error),
            Scanned::Item(found) => {
                match found.kind {
                    Some(Kind::Push) => return Err(ReplyError::Misplaced),
                    Some(_) => self.items -= 1,
                    // Attributes are followed by the element they belong to.
                    None => {}
                }
                let more = self.items.checked_add(found.elements.unwrap_or(0));
                self.items = more.ok_or(ReplyError::TooBig)?;
                Ok(found.end)
            }
            Scanned::More { .. } => match bytes {
                // The length was just checked against its limit.
                [b'$' | b'!' | b'=', rest @ ..] => match decimal(rest) {
                    Decimal::Done(len, head) => {
                        (self.bulk, self.bulk_open) = (usize::try_from(len).unwrap_or(0), true);
                        self.items -= 1;
                        Ok(1 + head)
                    }
                    _ => Ok(0),
                },
                _ => Ok(0),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ReplyScan, ReplyScanner};
    use super::*;

    /// Scans `reply` in pieces of `step` bytes, with other bytes after it. Returns its length or the error.
    fn follow(reply: &[u8], step: usize) -> Result<usize, ReplyError> {
        let bytes = [reply, b":1\r\n"].concat();
        let (mut passage, mut done, mut shown) = (ReplyPassage::new(), 0, 0);
        while shown < bytes.len() {
            shown = (shown + step).min(bytes.len());
            match passage.advance(&bytes[done..shown], &ReplyLimits::default()) {
                Piece::Part(n) => done += n,
                Piece::End(n) => return Ok(done + n),
                Piece::Bad(error) => return Err(error),
            }
        }
        panic!("it does not end: {}", reply.escape_ascii());
    }

    #[test]
    fn a_reply_ends_where_the_scanner_finds_its_end() {
        let replies: &[&[u8]] = &[
            b"+OK\r\n",
            b"-ERR x\r\n",
            b":12\r\n",
            b"$-1\r\n",
            b"$0\r\n\r\n",
            b"$5\r\nab\r\nc\r\n",
            b"*0\r\n",
            b"*-1\r\n",
            b"*2\r\n$1\r\na\r\n$-1\r\n",
            b"*3\r\n*2\r\n:1\r\n*0\r\n$1\r\nx\r\n*1\r\n*1\r\n+y\r\n",
            b"%1\r\n+k\r\n~2\r\n#t\r\n_\r\n",
            b"|1\r\n+ttl\r\n:1\r\n*1\r\n$1\r\na\r\n",
            b"=7\r\ntxt:abc\r\n",
            b"!5\r\nERR x\r\n",
        ];
        for reply in replies {
            let ReplyScan::Done(found) = ReplyScanner::new().scan(reply, &ReplyLimits::default()) else {
                panic!("{}", reply.escape_ascii());
            };
            assert_eq!(found.len(), reply.len());
            for step in [1, 2, 3, 7, 100] {
                assert_eq!(follow(reply, step), Ok(reply.len()), "{} by {step}", reply.escape_ascii());
            }
        }
    }

    #[test]
    fn what_is_no_reply() {
        let cases: [(&[u8], ReplyError); 5] = [
            (b"$3\r\nabcd\r\n", ReplyError::UnterminatedBulk),
            (b"*2\r\n:1\r\n?\r\n", ReplyError::UnknownType(b'?')),
            (b"*1\r\n>1\r\n:1\r\n", ReplyError::Misplaced),
            (b"$x\r\n", ReplyError::InvalidNumber),
            (b"$536870913\r\n", ReplyError::TooBig),
        ];
        for (bytes, error) in cases {
            for step in [1, 2, 100] {
                assert_eq!(follow(bytes, step), Err(error), "{} by {step}", bytes.escape_ascii());
            }
        }
    }

    #[test]
    fn a_bulk_is_let_through_as_it_comes() {
        let (mut passage, limits) = (ReplyPassage::new(), ReplyLimits::default());
        assert_eq!(passage.advance(b"$1000", &limits), Piece::Part(0));
        assert_eq!(passage.advance(b"$1000\r\nabc", &limits), Piece::Part(10));
        assert_eq!(passage.advance(&[b'x'; 996], &limits), Piece::Part(996));
        assert_eq!(passage.advance(b"y\r", &limits), Piece::Part(1));
        assert_eq!(passage.advance(b"\r\n+OK\r\n", &limits), Piece::End(2));
    }
}
