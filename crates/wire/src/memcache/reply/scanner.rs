//! Finds the end of one reply at the front of a server's output.

use memchr::memchr;

use super::asked::Cursor;
use super::line::{self, Line};
use super::{BadReply, Expect, Reply, ReplyKind, Status};
use crate::memcache::{Limits, Scan};

/// Longest line of a reply: a VALUE line, a meta line with key and opaque, an error and its text, a
/// statistic.
const LINE_BYTES_MAX: usize = 2048;

/// Scans replies one after the other.
///
/// `scan` takes all bytes from the reply's first on, and after [`Scan::NeedMore`] the same bytes with more
/// after them, with the same expectation and keys; no byte is scanned twice. After [`Scan::Done`] it is ready
/// for the next reply, which starts [`Reply::len`] bytes further on. After [`Scan::Bad`] the connection must
/// not be used any more.
#[derive(Debug, Clone, Default)]
pub struct ReplyScanner {
    /// Start of the line or data block being scanned.
    at: usize,
    /// Bytes without a line end, counted from the reply's first.
    searched: usize,
    /// End of the data block that starts at `at`, if any.
    block_end: Option<usize>,
    /// The data block is the last part of the reply, and this is where its line started.
    value_line: Option<usize>,
    blocks: u32,
    cursor: Cursor,
    /// Bytes of the reply already passed on.
    passed: usize,
}

impl ReplyScanner {
    /// A scanner at the start of a stream.
    pub fn new() -> Self {
        ReplyScanner::default()
    }

    /// Scans the reply that starts at `bytes[0]` and answers a request that expects `expect` and names
    /// `asked` ([`super::super::Request::asked`]).
    pub fn scan(
        &mut self,
        bytes: &[u8],
        expect: Expect,
        asked: &[u8],
        limits: &Limits,
    ) -> Scan<Reply, BadReply> {
        loop {
            if let Some(end) = self.block_end {
                if bytes.len() < end {
                    return Scan::NeedMore { want: end };
                }
                if &bytes[end - 2..end] != b"\r\n" {
                    return Scan::Bad(BadReply::Data);
                }
                self.block_end = None;
                let line = self.value_line.map(|start| start..self.at);
                self.at = end;
                if let Some(last_line) = line {
                    return self.done(Status::Value, last_line);
                }
            }
            match self.line(bytes, expect, asked, limits) {
                Ok(Step::Again) => {}
                Ok(Step::Done(reply)) => return Scan::Done(reply),
                Ok(Step::Wait) => return Scan::NeedMore { want: bytes.len() + 1 },
                Err(fault) => return Scan::Bad(fault),
            }
        }
    }

    /// Number of bytes that need not be shown again after [`Scan::NeedMore`] for `len` bytes. The reply
    /// continues after them.
    pub(super) fn pass(&mut self, len: usize) -> usize {
        let n = match &mut self.block_end {
            // The line end after the data is checked in one piece.
            Some(end) => {
                let n = len.min(*end - 2);
                *end -= n;
                n
            }
            None => self.at,
        };
        self.at = self.at.saturating_sub(n);
        self.searched = self.searched.saturating_sub(n);
        self.value_line = self.value_line.map(|start| start.saturating_sub(n));
        self.passed += n;
        n
    }

    /// Reads the line at `self.at`.
    fn line(
        &mut self,
        bytes: &[u8],
        expect: Expect,
        asked: &[u8],
        limits: &Limits,
    ) -> Result<Step, BadReply> {
        let from = self.at.max(self.searched);
        let Some(lf) = memchr(b'\n', &bytes[from..]).map(|found| from + found) else {
            self.searched = bytes.len();
            return if bytes.len() - self.at > LINE_BYTES_MAX { Err(BadReply::Line) } else { Ok(Step::Wait) };
        };
        let line = bytes[self.at..lf].strip_suffix(b"\r").ok_or(BadReply::Line)?;
        if lf - self.at > LINE_BYTES_MAX {
            return Err(BadReply::Line);
        }
        let start = self.at;
        match line::read(line, self.passed + start == 0, expect, asked)? {
            Line::Last(status) => {
                self.at = lf + 1;
                let Scan::Done(reply) = self.done(status, start..lf + 1) else { return Ok(Step::Again) };
                return Ok(Step::Done(reply));
            }
            Line::Block(key, len) => {
                self.blocks += 1;
                if expect.kind != ReplyKind::AnyText {
                    if self.blocks > expect.keys {
                        return Err(BadReply::TooManyBlocks);
                    }
                    self.cursor.meet(key, asked)?;
                }
                self.block_end = Some(data_end(lf, len, limits)?);
            }
            Line::Data(len) => {
                self.block_end = Some(data_end(lf, len, limits)?);
                self.value_line = Some(start);
            }
            Line::More if self.passed + lf > limits.stats_bytes_max => return Err(BadReply::TooLong),
            Line::More => {}
        }
        self.at = lf + 1;
        Ok(Step::Again)
    }

    /// Ends the reply at `self.at` and resets the scanner for the next one.
    fn done(&mut self, status: Status, last_line: std::ops::Range<usize>) -> Scan<Reply, BadReply> {
        let reply = Reply { status, len: self.at, blocks: self.blocks, last_line };
        *self = ReplyScanner::default();
        Scan::Done(reply)
    }
}

enum Step {
    Again,
    Wait,
    Done(Reply),
}

/// End of a data block of `len` bytes after the line feed at `lf`, including its CR LF.
fn data_end(lf: usize, len: u64, limits: &Limits) -> Result<usize, BadReply> {
    if len > limits.value_bytes_max as u64 { Err(BadReply::Length) } else { Ok(lf + 1 + len as usize + 2) }
}
