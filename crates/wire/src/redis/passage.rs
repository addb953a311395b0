//! Following a reply that is not kept: its bytes are shown once, piece by piece, and it is told which of them
//! belong to it.
//!
//! For replies that are too large to be held until they are whole. What may be handed on is well-formed as
//! far as it goes: headers are whole, and the bytes of a bulk are let through as they come. A reply nests
//! without a limit here, since nothing is remembered of what is around an element: there are only so many
//! more of them to come.

use super::decimal::{Decimal, decimal};
use super::item::{Scanned, item};
use super::kind::Kind;
use super::{ReplyError, ReplyLimits};

/// Meaning of the bytes shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// Bytes of them that belong to the reply, which goes on; the others have to be shown again with more
    /// behind them.
    Part(usize),
    /// The reply ends after so many.
    End(usize),
    /// No reply goes on like that.
    Bad(ReplyError),
}

/// See the head of this file.
#[derive(Debug, Clone)]
pub struct ReplyPassage {
    /// Items that are still to begin.
    items: u64,
    /// Bytes still to come of a bulk that has begun.
    bulk: usize,
    /// Its line end is still to come.
    bulk_open: bool,
}

impl Default for ReplyPassage {
    fn default() -> Self {
        ReplyPassage { items: 1, bulk: 0, bulk_open: false }
    }
}

impl ReplyPassage {
    /// At the beginning of a reply.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at the bytes that follow those that were said to belong to the reply.
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

    /// Takes note of the item at the front, or of the head of a bulk; 0 if that is not there yet.
    fn item(&mut self, bytes: &[u8], limits: &ReplyLimits) -> Result<usize, ReplyError> {
        match item(bytes, 0, &mut 0, limits) {
            Scanned::Bad(error) => Err(error),
            Scanned::Item(found) => {
                match found.kind {
                    Some(Kind::Push) => return Err(ReplyError::Misplaced),
                    Some(_) => self.items -= 1,
                    // Attributes are followed by what they belong to.
                    None => {}
                }
                let more = self.items.checked_add(found.elements.unwrap_or(0));
                self.items = more.ok_or(ReplyError::TooBig)?;
                Ok(found.end)
            }
            Scanned::More { .. } => match bytes {
                // The length was held against its limit just now.
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

    /// Shows `reply` in pieces of `step` bytes, with something behind it. How many bytes belong to it, or
    /// what is wrong.
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
