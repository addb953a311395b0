//! A payload being read: lengths, strings, scores, and the account of what they take.

use super::input::{Bad, Input};
use super::lzf;

/// Bytes counted for an element beside its own.
const ELEMENT_BYTES: usize = 16;

/// A payload being read, and how much may still come out of it.
#[derive(Debug)]
pub(super) struct Reader<'b> {
    pub(super) input: Input<'b>,
    bytes_left: usize,
}

/// A length, or the encoding of a string in its place.
enum Length {
    Plain(u64),
    Encoded(u8),
}

impl<'b> Reader<'b> {
    /// Reads `body`, from which elements of about `bytes_max` bytes may come.
    pub(super) fn new(body: &'b [u8], bytes_max: usize) -> Reader<'b> {
        Reader { input: Input::new(body), bytes_left: bytes_max }
    }

    /// Counts an element of these bytes.
    pub(super) fn count(&mut self, bytes: usize) -> Result<(), Bad> {
        let cost = bytes.saturating_add(ELEMENT_BYTES);
        self.bytes_left = self.bytes_left.checked_sub(cost).ok_or(Bad::TooLarge)?;
        Ok(())
    }

    fn length_or_encoding(&mut self) -> Result<Length, Bad> {
        let head = self.input.byte()?;
        Ok(match head {
            0..0x40 => Length::Plain(head.into()),
            0x40..0x80 => Length::Plain(u64::from(head & 0x3f) << 8 | u64::from(self.input.byte()?)),
            0x80 => Length::Plain(self.input.u32_big()?.into()),
            0x81 => Length::Plain(self.input.u64_big()?),
            0xc0.. => Length::Encoded(head & 0x3f),
            _ => return Err(Bad::Format),
        })
    }

    /// A number.
    pub(super) fn length(&mut self) -> Result<u64, Bad> {
        match self.length_or_encoding()? {
            Length::Plain(length) => Ok(length),
            Length::Encoded(_) => Err(Bad::Format),
        }
    }

    /// A string, which is counted.
    pub(super) fn string(&mut self) -> Result<Vec<u8>, Bad> {
        let string = match self.length_or_encoding()? {
            Length::Plain(length) => {
                let length = usize::try_from(length).map_err(|_| Bad::Format)?;
                self.input.take(length)?.to_vec()
            }
            Length::Encoded(width @ 0..=2) => self.input.signed(1 << width)?.to_string().into_bytes(),
            Length::Encoded(3) => {
                let [packed, length] = [self.length()?, self.length()?];
                let packed = self.input.take(usize::try_from(packed).map_err(|_| Bad::Format)?)?;
                let length = usize::try_from(length).map_err(|_| Bad::Format)?;
                if length > self.bytes_left {
                    return Err(Bad::TooLarge);
                }
                lzf::unpacked(packed, length).ok_or(Bad::Format)?
            }
            Length::Encoded(_) => return Err(Bad::Format),
        };
        self.count(string.len())?;
        Ok(string)
    }

    /// A score as text, as it was written before Redis 4.0.
    pub(super) fn old_score(&mut self) -> Result<f64, Bad> {
        match self.input.byte()? {
            253 => Ok(f64::NAN),
            254 => Ok(f64::INFINITY),
            255 => Ok(f64::NEG_INFINITY),
            length => score(self.input.take(length.into())?),
        }
    }
}

/// A score as text.
pub(super) fn score(text: &[u8]) -> Result<f64, Bad> {
    let text = std::str::from_utf8(text).map_err(|_| Bad::Format)?;
    text.parse().map_err(|_| Bad::Format)
}
