//! The text of a file, adapted so that libyaml-safer 0.3 can parse it: it fails in
//! three cases that libyaml handles.
//!
//! - It loses half of a UTF-16 text, which is converted to UTF-8 here; the first wrong
//!   character becomes a wrong byte.
//! - A block scalar or a `\` in quotes at the very end, without a line break: one is added,
//!   and removed from the value again.
//! - A tag before a comma in a flow collection, as in `[!x, y]`: a blank is inserted between them. nutcracker
//!   refuses flow collections and tags anyway, and a text without them stays as it is.

use std::borrow::Cow;

use libyaml_safer::{Event, EventData, Mark, ScalarStyle, Scanner, TokenData};

/// A text for the parser.
#[derive(Debug)]
pub(super) struct Text<'a> {
    /// Text to parse.
    pub bytes: Cow<'a, [u8]>,
    /// True if a line break was added.
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

    /// Removes the added line break from the scalar that contains it; `end` is the end of the stream.
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

/// The text in UTF-8, up to the first invalid character.
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

/// Inserts a blank before every comma that may follow a tag.
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

/// True if the text has a flow collection.
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
