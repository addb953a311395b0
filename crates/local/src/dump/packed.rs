//! Redis' packed forms: ziplists, listpacks and intsets.
//!
//! ```text
//! ziplist   bytes (4)  last entry (4)  count (2)   entry …   ff      entry: length before it, encoding, value
//! listpack  bytes (4)  count (2)                   entry …   ff      entry: encoding, value, own length
//! intset    width (4)  count (4)                   number …
//! ```
//! Each is read from end to end and has to be as long as it says.

use super::input::{Bad, Input};

/// Count that stands for: too many for the field.
const UNKNOWN: usize = u16::MAX as usize;
const END: u8 = 0xff;

/// An element: bytes, or a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Element<'b> {
    Text(&'b [u8]),
    Number(i64),
}

impl Element<'_> {
    /// Its text.
    pub(super) fn text(&self) -> Vec<u8> {
        match self {
            Element::Text(text) => text.to_vec(),
            Element::Number(number) => number.to_string().into_bytes(),
        }
    }

    /// Its number.
    pub(super) fn number(&self) -> Result<i64, Bad> {
        match self {
            Element::Text(text) => crate::decimal::decimal(text).ok_or(Bad::Format),
            Element::Number(number) => Ok(*number),
        }
    }
}

/// The elements of a listpack.
pub(super) fn listpack(bytes: &[u8]) -> Result<Vec<Element<'_>>, Bad> {
    let mut input = Input::new(bytes);
    if input.u32()? as usize != bytes.len() {
        return Err(Bad::Format);
    }
    let count = usize::from(input.u16()?);
    let mut elements = Vec::new();
    loop {
        let before = input.left();
        let head = input.byte()?;
        if head == END {
            break;
        }
        let element = listpack_element(&mut input, head)?;
        elements.push(element);
        let own = before - input.left();
        input.take(length_bytes(own))?;
    }
    finish(&input, count, elements)
}

/// Bytes of the length behind an element of so many bytes: seven bits in each.
pub(super) fn length_bytes(own: usize) -> usize {
    match own {
        0..=127 => 1,
        128..=16_383 => 2,
        16_384..=2_097_151 => 3,
        2_097_152..=268_435_455 => 4,
        _ => 5,
    }
}

fn listpack_element<'b>(input: &mut Input<'b>, head: u8) -> Result<Element<'b>, Bad> {
    let low = usize::from(head);
    Ok(match head {
        0..0x80 => Element::Number(i64::from(head)),
        0x80..0xc0 => Element::Text(input.take(low & 0x3f)?),
        0xc0..0xe0 => Element::Number(signed((low as i64 & 0x1f) << 8 | i64::from(input.byte()?), 13)),
        0xe0..0xf0 => {
            let len = (low & 0x0f) << 8 | usize::from(input.byte()?);
            Element::Text(input.take(len)?)
        }
        0xf0 => {
            let len = input.u32()?;
            Element::Text(input.take(len as usize)?)
        }
        0xf1 => Element::Number(input.signed(2)?),
        0xf2 => Element::Number(input.signed(3)?),
        0xf3 => Element::Number(input.signed(4)?),
        0xf4 => Element::Number(input.signed(8)?),
        _ => return Err(Bad::Format),
    })
}

/// The elements of a ziplist.
pub(super) fn ziplist(bytes: &[u8]) -> Result<Vec<Element<'_>>, Bad> {
    let mut input = Input::new(bytes);
    if input.u32()? as usize != bytes.len() {
        return Err(Bad::Format);
    }
    input.u32()?;
    let count = usize::from(input.u16()?);
    let mut elements = Vec::new();
    loop {
        // The length of the entry before, which is of no use from the front.
        match input.byte()? {
            END => break,
            0xfe => drop(input.take(4)?),
            _ => {}
        }
        let head = input.byte()?;
        let low = usize::from(head);
        elements.push(match head {
            0..0x40 => Element::Text(input.take(low)?),
            0x40..0x80 => {
                let len = (low & 0x3f) << 8 | usize::from(input.byte()?);
                Element::Text(input.take(len)?)
            }
            0x80 => {
                let len = input.u32_big()?;
                Element::Text(input.take(len as usize)?)
            }
            0xc0 => Element::Number(input.signed(2)?),
            0xd0 => Element::Number(input.signed(4)?),
            0xe0 => Element::Number(input.signed(8)?),
            0xf0 => Element::Number(input.signed(3)?),
            0xfe => Element::Number(input.signed(1)?),
            0xf1..=0xfd => Element::Number(i64::from(head & 0x0f) - 1),
            _ => return Err(Bad::Format),
        });
    }
    finish(&input, count, elements)
}

/// The numbers of an intset.
pub(super) fn intset(bytes: &[u8]) -> Result<Vec<Element<'_>>, Bad> {
    let mut input = Input::new(bytes);
    let (width, count) = (input.u32()? as usize, input.u32()? as usize);
    if !matches!(width, 2 | 4 | 8) || count.checked_mul(width) != Some(input.left()) {
        return Err(Bad::Format);
    }
    (0..count).map(|_| input.signed(width).map(Element::Number)).collect()
}

fn finish<'b>(input: &Input<'_>, count: usize, elements: Vec<Element<'b>>) -> Result<Vec<Element<'b>>, Bad> {
    let is_whole = input.left() == 0 && (count == UNKNOWN || count == elements.len());
    if is_whole { Ok(elements) } else { Err(Bad::Format) }
}

/// A number of `bits` bits with a sign.
fn signed(number: i64, bits: u32) -> i64 {
    let shift = i64::BITS - bits;
    number << shift >> shift
}
