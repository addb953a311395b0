//! Inline commands: a line of words, as typed into telnet. They are rewritten as RESP arrays, so that no
//! other module needs to know them.
//!
//! Words are split as in Redis: blanks separate; `"…"` understands `\n \r \t \b \a \xHH` and `\c` for any
//! other `c`; `'…'` understands only `\'`; a quote opens anywhere in a word, but a blank must follow a
//! closing quote. A NUL byte ends the line, as the end of Redis' C string.

use bytes::BufMut;

use super::{ProtocolError, encode};

/// Rewrites the inline command `line` (with or without its line end) as a RESP array of bulks, appended to
/// `out`. Returns the number of words; if there are none, or on an error, nothing is appended.
pub fn encode_inline(line: &[u8], out: &mut impl BufMut) -> Result<usize, ProtocolError> {
    let words = split(line)?;
    if !words.ends.is_empty() {
        encode::array(out, words.ends.len());
    }
    let mut start = 0;
    for &end in &words.ends {
        encode::bulk(out, &words.bytes[start..end]);
        start = end;
    }
    Ok(words.ends.len())
}

/// Unquoted words, one after the other, and the end of each.
#[derive(Default)]
struct Words {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// The first word of `line`, with quotes; `None` if there is none.
pub(crate) fn first_word(line: &[u8]) -> Option<&[u8]> {
    let word = trim_blanks(until_nul(line)).split(|&b| ends_word(b)).next();
    word.filter(|word| !word.is_empty())
}

/// True for words by which Redis detects an HTTP request whose sender was tricked into connecting to it.
pub(crate) fn is_cross_protocol(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"post") || word.eq_ignore_ascii_case(b"host:")
}

fn split(line: &[u8]) -> Result<Words, ProtocolError> {
    let mut rest = trim_blanks(until_nul(line));
    let mut words = Words::default();
    while !rest.is_empty() {
        rest = trim_blanks(take_word(rest, &mut words.bytes)?);
        words.ends.push(words.bytes.len());
    }
    Ok(words)
}

/// Takes one word from the front of `rest`, which does not begin with a blank.
fn take_word<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        rest = match rest {
            [b'"', inside @ ..] => closed(take_double_quoted(inside, word)?)?,
            [b'\'', inside @ ..] => closed(take_single_quoted(inside, word)?)?,
            [byte, after @ ..] if !ends_word(*byte) => {
                word.push(*byte);
                after
            }
            _ => return Ok(rest),
        };
    }
}

/// Checks that a closing quote is followed by a blank or the end.
fn closed(rest: &[u8]) -> Result<&[u8], ProtocolError> {
    match rest.first() {
        Some(&byte) if !is_blank(byte) => Err(ProtocolError::UnbalancedQuotes),
        _ => Ok(rest),
    }
}

fn take_double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Ok(after),
            [b'\\', b'x', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                word.push(hex(*high) << 4 | hex(*low));
                after
            }
            [b'\\', escaped, after @ ..] => {
                word.push(unescaped(*escaped));
                after
            }
            [byte, after @ ..] => {
                word.push(*byte);
                after
            }
            [] => return Err(ProtocolError::UnbalancedQuotes),
        };
    }
}

fn take_single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        rest = match rest {
            [b'\'', after @ ..] => return Ok(after),
            [b'\\', b'\'', after @ ..] => {
                word.push(b'\'');
                after
            }
            [byte, after @ ..] => {
                word.push(*byte);
                after
            }
            [] => return Err(ProtocolError::UnbalancedQuotes),
        };
    }
}

fn unescaped(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

fn until_nul(line: &[u8]) -> &[u8] {
    &line[..memchr::memchr(0, line).unwrap_or(line.len())]
}

/// True for bytes that end a word outside quotes; not all blanks before a word do.
fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// True for C's `isspace` in the C locale, which includes the vertical tab, unlike `is_ascii_whitespace`.
fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

fn trim_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|&&b| is_blank(b)).count();
    &text[blanks..]
}
