//! The text of a file, so that libyaml-safer 0.3 can take it whatever it is: it fails in three places where
//! libyaml goes on.
//!
//! - It loses half of a text in UTF-16, which is made UTF-8 here; the first wrong character becomes a wrong
//!   byte.
//! - A block scalar or a `\` in quotes at the very end, without a line break: one is added, and taken out of
//!   the value again.
//! - A tag before a comma in a flow collection, as in `[!x, y]`: a blank is put between them. nutcracker
//!   refuses flow collections and tags in any case, and a text that has none is left as it is.

use std::borrow::Cow;

use libyaml_safer::{Event, EventData, Mark, ScalarStyle, Scanner, TokenData};

/// A text for the parser.
#[derive(Debug)]
pub(super) struct Text<'a> {
    /// Text to parse.
    pub bytes: Cow<'a, [u8]>,
    /// A line break was added.
    is_padded: bool,
}

impl<'a> Text<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Text<'a> {
        let mut bytes = utf8(bytes);
        // A block scalar's mark, or the start of an escape.
        let is_padded = bytes.iter().any(|byte| b"|>\\".contains(byte)) && !bytes.ends_with(b"\n");
        if is_padded {
            bytes.to_mut().push(b'\n');
        }
        let spaced = spaced(&bytes);
        if spaced.len() > bytes.len() && has_flow(&spaced) {
            bytes = Cow::Owned(spaced);
        }
        Text { bytes, is_padded }
    }

    /// Takes the added line break out of the scalar that it has become a part of; `end` is where the stream
    /// ends.
    pub(super) fn restore(&self, events: &mut [Event], end: Mark) {
        let is_scalar = |event: &&mut Event| matches!(event.data, EventData::Scalar { .. });
        if self.is_padded
            && let Some(last) = events.iter_mut().rfind(is_scalar)
            && last.end_mark.line == end.line
            && let EventData::Scalar { value, style: ScalarStyle::Literal | ScalarStyle::Folded, .. } =
                &mut last.data
            && value.ends_with('\n')
        {
            value.pop();
        }
    }
}

/// In UTF-8, up to the first character that is none.
fn utf8(bytes: &[u8]) -> Cow<'_, [u8]> {
    const LONE_SURROGATE: u16 = 0xdc00;
    let unit = match bytes {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => return Cow::Borrowed(bytes),
    };
    let units = bytes.chunks(2).map(|pair| pair.try_into().map_or(LONE_SURROGATE, unit));
    let mut out = Vec::with_capacity(bytes.len());
    for read in char::decode_utf16(units) {
        let Ok(read) = read else {
            out.push(0xff);
            break;
        };
        out.extend_from_slice(read.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Cow::Owned(out)
}

/// With a blank before every comma that a tag might stand before.
fn spaced(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut in_tag = false;
    for byte in bytes {
        match byte {
            b'!' => in_tag = true,
            b' ' | b'\t' | b'\n' | b'\r' => in_tag = false,
            b',' if in_tag => out.push(b' '),
            _ => {}
        }
        out.push(*byte);
    }
    out
}

/// True if there is a flow collection.
fn has_flow(bytes: &[u8]) -> bool {
    let mut input = bytes;
    let mut scanner = Scanner::new();
    scanner.set_input_string(&mut input);
    loop {
        match Scanner::scan(&mut scanner).map(|token| token.data) {
            Ok(TokenData::FlowSequenceStart | TokenData::FlowMappingStart) => return true,
            Ok(TokenData::StreamEnd) | Err(_) => return false,
            Ok(_) => {}
        }
    }
}
