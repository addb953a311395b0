//! Text formatting of the Go standard library, where clients see it: quoted names in errors, strings in JSON.
//!
//! Both accept anything and produce nsqd's output byte by byte. Which characters are printable depends on the
//! Unicode version: Rust's tables are used.

/// Appends `bytes` in double quotes as Go's `%q`: printable characters unchanged, the rest escaped.
pub(super) fn write_quoted(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            write_quoted_char(out, c);
        }
        for byte in chunk.invalid() {
            write(out, format_args!("\\x{byte:02x}"));
        }
    }
    out.push(b'"');
}

fn write_quoted_char(out: &mut Vec<u8>, c: char) {
    let code = u32::from(c);
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\x07' => out.extend_from_slice(b"\\a"),
        '\x08' => out.extend_from_slice(b"\\b"),
        '\x0c' => out.extend_from_slice(b"\\f"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        '\x0b' => out.extend_from_slice(b"\\v"),
        _ if printable(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        _ if code < 0x80 => write(out, format_args!("\\x{code:02x}")),
        _ if code < 0x1_0000 => write(out, format_args!("\\u{code:04x}")),
        _ => write(out, format_args!("\\U{code:08x}")),
    }
}

/// True for letters, marks, numbers, punctuation, symbols and the ASCII space: the set that a string's debug
/// escape leaves alone, except for a leading combining mark, hence the letter in front.
fn printable(c: char) -> bool {
    let text: String = ['a', c].iter().collect();
    matches!(c, '\'') || text.escape_debug().count() == 2
}

/// Appends `text` as a JSON string, escaped as Go's `encoding/json` does, `<`, `>` and `&` included.
pub(super) fn write_json_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for c in text.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\0'..='\x1f' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                write(out, format_args!("\\u{:04x}", u32::from(c)));
            }
            _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

/// Appends formatted text; writing to a vector cannot fail.
pub(super) fn write(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    use std::io::Write;
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted() {
        let cases: [(&[u8], &str); 12] = [
            (b"", r#""""#),
            (b"a b'c", r#""a b'c""#),
            (b"a\"b\\c", r#""a\"b\\c""#),
            (b"\x07\x08\x0c\n\r\t\x0b", r#""\a\b\f\n\r\t\v""#),
            (b"\0\x1f\x7f", r#""\x00\x1f\x7f""#),
            (b"\xff\xe2\x82", r#""\xff\xe2\x82""#),
            ("t\u{f8}p日本\u{fffd}".as_bytes(), "\"tøp日本\u{fffd}\""),
            ("\u{a0}".as_bytes(), r#""\u00a0""#),
            ("\u{ad}\u{200b}\u{2028}".as_bytes(), r#""\u00ad\u200b\u2028""#),
            ("\u{301}e\u{301}".as_bytes(), "\"\u{301}e\u{301}\""),
            ("\u{e000}".as_bytes(), r#""\ue000""#),
            ("\u{1f600}\u{e0001}".as_bytes(), "\"\u{1f600}\\U000e0001\""),
        ];
        for (bytes, text) in cases {
            let mut out = Vec::new();
            write_quoted(&mut out, bytes);
            assert_eq!(String::from_utf8_lossy(&out), text);
        }
    }

    #[test]
    fn json_string() {
        let mut out = Vec::new();
        write_json_string(&mut out, "a\"\\\n\u{1}<&>é\u{2028}");
        assert_eq!(String::from_utf8_lossy(&out), r#""a\"\\\n\u0001\u003c\u0026\u003eé\u2028""#);
    }
}
