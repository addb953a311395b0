//! Several messages in one body, as MPUB and `POST /mpub?binary=true` carry them.
//!
//! ```text
//! i32 count │ i32 size ▸ message │ i32 size ▸ message │ …
//! ```
//! Only parsing finds the end of the batch: nsqd never compares an outer length with what it parses. The walk
//! can be interrupted after any byte and resumed there. The sum of the parsed bytes is limited too, which
//! nsqd lacks.

use super::{Missing, Refusal, Verb};

/// A walk over a batch that may be incomplete.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BatchWalk {
    /// Messages announced; 0 until the count was read.
    count: u32,
    /// Messages passed.
    passed: u32,
    /// Bytes passed, the count included.
    offset: usize,
}

/// The reason a walk stopped early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BatchStop {
    /// More bytes are needed: at least this many in total, from the count on.
    NeedMore(usize, Missing),
    /// The batch is invalid.
    Bad(Refusal<'static>),
}

/// Size of the count and of each length.
const WORD: usize = 4;
/// Smallest size of a message: its length and one byte.
const MESSAGE_BYTES_MIN: usize = WORD + 1;

impl BatchWalk {
    /// Continues over `bytes`, which begin with the count. Returns the messages and the batch's total length.
    pub(super) fn advance<'a>(
        &mut self,
        bytes: &'a [u8],
        message_max: u64,
        body_max: u64,
    ) -> Result<(Messages<'a>, usize), BatchStop> {
        if self.offset == 0 {
            let count = word(bytes, 0).ok_or(BatchStop::NeedMore(WORD, Missing::Count))?;
            let count_max = body_max.saturating_sub(WORD as u64) / MESSAGE_BYTES_MIN as u64;
            if count <= 0 || u64::from(count.cast_unsigned()) > count_max {
                return Err(BatchStop::Bad(Refusal::CountInvalid(count)));
            }
            self.count = count.cast_unsigned();
            self.offset = WORD;
        }
        while self.passed < self.count {
            self.pass_message(bytes, message_max, body_max)?;
        }
        Ok((Messages { bytes: &bytes[WORD..self.offset], left: self.count }, self.offset))
    }

    fn pass_message(&mut self, bytes: &[u8], message_max: u64, body_max: u64) -> Result<(), BatchStop> {
        let Some(size) = word(bytes, self.offset) else {
            return Err(BatchStop::NeedMore(self.offset + WORD, Missing::MessageSize(self.passed)));
        };
        if size <= 0 {
            return Err(BatchStop::Bad(Refusal::MessageInvalid(self.passed, size)));
        }
        let size = size.cast_unsigned();
        if u64::from(size) > message_max {
            return Err(BatchStop::Bad(Refusal::MessageTooBig(u64::from(size), message_max)));
        }
        let end = self.offset + WORD + size as usize;
        // every following message takes at least its minimum
        let after = (self.count - self.passed - 1) as usize * MESSAGE_BYTES_MIN;
        if (end + after) as u64 > body_max {
            return Err(BatchStop::Bad(Refusal::SizeTooBig(Verb::Mpub, (end + after) as u64, body_max)));
        }
        if bytes.len() < end {
            return Err(BatchStop::NeedMore(end, Missing::Message));
        }
        self.offset = end;
        self.passed += 1;
        Ok(())
    }
}

fn word(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..)?.first_chunk().map(|word| i32::from_be_bytes(*word))
}

/// The messages of a batch, in order, none of them empty. Nothing is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Messages<'a> {
    bytes: &'a [u8],
    left: u32,
}

impl<'a> Iterator for Messages<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let size = word(self.bytes, 0)?;
        let (message, rest) = self.bytes[WORD..].split_at_checked(usize::try_from(size).ok()?)?;
        self.bytes = rest;
        self.left -= 1;
        Some(message)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Messages<'_> {}

impl Messages<'_> {
    /// Total size of the remaining bodies, without their lengths.
    pub fn body_bytes(&self) -> usize {
        self.bytes.len() - self.left as usize * WORD
    }
}
