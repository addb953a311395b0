//! Keys as text: typed into a form, and shown.
//!
//! A key may be any bytes. What is no text is written as redis-cli, the slow log and the hot keys print it:
//! `\xNN`, `\n`, `\\`. redis-cli's quotes around a key are not part of it.

use std::fmt::Write;

/// The bytes that a text means. A backslash that begins no escape is itself.
pub(super) fn read(text: &str) -> Vec<u8> {
    let mut rest = unquoted(text).as_bytes();
    let mut key = Vec::with_capacity(rest.len());
    while let Some((&byte, behind)) = rest.split_first() {
        let (byte, behind) = match byte {
            b'\\' => escaped(behind).unwrap_or((byte, behind)),
            _ => (byte, behind),
        };
        key.push(byte);
        rest = behind;
    }
    key
}

/// The text that means these bytes.
pub(super) fn show(key: &[u8]) -> String {
    let mut text = String::new();
    for chunk in key.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '\\' => text.push_str("\\\\"),
                char if char.is_control() => escape(&mut text, char.encode_utf8(&mut [0; 4]).as_bytes()),
                char => text.push(char),
            }
        }
        escape(&mut text, chunk.invalid());
    }
    // Quotes at both ends would be taken for redis-cli's.
    if unquoted(&text).len() < text.len() { format!("\"{}\"", text.replace('"', "\\\"")) } else { text }
}

fn escape(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = match byte {
            b'\n' => text.write_str("\\n"),
            b'\r' => text.write_str("\\r"),
            b'\t' => text.write_str("\\t"),
            byte => write!(text, "\\x{byte:02x}"),
        };
    }
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// The byte that an escape means, from behind its backslash, and the rest.
fn escaped(text: &[u8]) -> Option<(u8, &[u8])> {
    let (&first, rest) = text.split_first()?;
    let byte = match first {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'a' => 0x07,
        b'b' => 0x08,
        b'\\' | b'"' | b'\'' => first,
        b'x' => {
            let (digits, rest) = rest.split_at_checked(2)?;
            let digit = |at: usize| char::from(digits[at]).to_digit(16);
            return Some(((digit(0)? << 4 | digit(1)?) as u8, rest));
        }
        _ => return None,
    };
    Some((byte, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_redis_clis() {
        for (text, key) in [
            ("session:1", &b"session:1"[..]),
            ("naïve", "naïve".as_bytes()),
            (r"\x00\xFF\x7f", b"\0\xff\x7f"),
            (r#""a\r\n\t\"b\\""#, b"a\r\n\t\"b\\"),
            (r"it\'s\a\b", b"it's\x07\x08"),
            (r"C:\dir\x4g\x", br"C:\dir\x4g\x"),
            ("\\x\u{e9}1", "\\x\u{e9}1".as_bytes()),
            ("\\", b"\\"),
            ("\"", b"\""),
            ("", b""),
        ] {
            assert_eq!(read(text), key, "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_read_back() {
        for (key, text) in [
            (&b"{user:7}:x"[..], "{user:7}:x"),
            ("naïve".as_bytes(), "naïve"),
            (b"\0a\xffb\xc3(", r"\x00a\xffb\xc3("),
            ("\u{85}".as_bytes(), r"\xc2\x85"),
            (b"a\\x41\n", r"a\\x41\n"),
            (b"\"q\"", r#""\"q\"""#),
            (b"\"", "\""),
        ] {
            assert_eq!(show(key), text);
            assert_eq!(read(text), key, "{text}");
        }
        let all: Vec<u8> = (0..=255).collect();
        for key in all.chunks(7).chain([&all[..]]) {
            assert_eq!(read(&show(key)), key);
        }
    }
}
