//! The text of a file, so that libyaml-safer 0.3 can take it whatever it is: it panics in two places where libyaml goes on.
//!
//! - A block scalar or a `\` in quotes at the very end, without a line break: one is added, and taken out of the value again.
//! - A tag before a comma in a flow collection, as in `[!x, y]`: a blank is put between them. nutcracker refuses flow
//!   collections and tags in any case, and a text that has none is left as it is.

use std::borrow::Cow;

use libyaml_safer::{Event, EventData, Mark, ScalarStyle, Scanner, TokenData};

/// A text for the parser.
#[derive(Debug)]
pub(super) struct Text<'a> {
    /// What to parse.
    pub bytes: Cow<'a, [u8]>,
    /// A line break was added.
    is_padded: bool,
}

impl<'a> Text<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Text<'a> {
        let text = padded(bytes);
        let is_padded = matches!(text, Cow::Owned(_));
        let spaced = spaced(&text);
        let bytes = if spaced.len() > text.len() && has_flow(&spaced) { Cow::Owned(spaced) } else { text };
        Text { bytes, is_padded }
    }

    /// Takes the added line break out of the scalar that it has become a part of; `end` is where the stream ends.
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

/// With a line break at its end, if it may need one.
fn padded(bytes: &[u8]) -> Cow<'_, [u8]> {
    let line_break: &[u8] = match bytes {
        [0xff, 0xfe, ..] => b"\n\0",
        [0xfe, 0xff, ..] => b"\0\n",
        _ => b"\n",
    };
    let may_need = bytes.iter().any(|byte| b"|>\\".contains(byte));
    if may_need && !bytes.ends_with(line_break) {
        Cow::Owned([bytes, line_break].concat())
    } else {
        Cow::Borrowed(bytes)
    }
}

/// With a blank before every comma that a tag might stand before.
fn spaced(bytes: &[u8]) -> Vec<u8> {
    let is_wide = matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
    let mut out = Vec::with_capacity(bytes.len());
    let mut in_tag = false;
    for byte in bytes {
        match byte {
            b'!' => in_tag = true,
            b' ' | b'\t' | b'\n' | b'\r' => in_tag = false,
            // In either order: the other byte of the comma stands behind it, or is there already.
            b',' if in_tag && is_wide => out.extend_from_slice(b" \0"),
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
