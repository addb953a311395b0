//! Format of a message in a file: its body and a line feed, or a line of JSON.

use std::borrow::Cow;

use serde::Serialize;

/// Record format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The body as it is, and a line feed.
    Raw,
    /// A line of JSON for each message.
    JsonLines,
}

/// Fields of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub body: &'a [u8],
    pub id: &'a [u8; 16],
    pub timestamp_ns: i64,
    pub attempts: u16,
}

#[derive(Serialize)]
struct Line<'a> {
    timestamp: i64,
    id: Cow<'a, str>,
    attempts: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

impl Form {
    /// Format of that name.
    pub(super) fn of(name: &str) -> Option<Form> {
        match name {
            "raw" => Some(Form::Raw),
            "jsonl" => Some(Form::JsonLines),
            _ => None,
        }
    }

    /// Appends the record of a message.
    pub(super) fn append(self, known: Known<'_>, out: &mut Vec<u8>) {
        match self {
            Form::Raw => out.extend_from_slice(known.body),
            Form::JsonLines => {
                let text = std::str::from_utf8(known.body).ok();
                let line = Line {
                    timestamp: known.timestamp_ns,
                    id: String::from_utf8_lossy(known.id),
                    attempts: known.attempts,
                    body: text,
                    body_base64: text.is_none().then(|| base64(known.body)),
                };
                serde_json::to_writer(&mut *out, &line).expect("a line has no map with strange keys");
            }
        }
        out.push(b'\n');
    }
}

/// Base64 of RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = LETTERS[(group >> (18 - 6 * place) & 63) as usize];
            out.push(if place > chunk.len() { '=' } else { char::from(letter) });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(form: Form, body: &[u8]) -> String {
        let mut out = Vec::new();
        form.append(
            Known { body, id: b"0123456789abcdef", timestamp_ns: 1_700_000_000_000_000_001, attempts: 2 },
            &mut out,
        );
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn forms() {
        assert_eq!(written(Form::Raw, b"a\nb"), "a\nb\n");
        assert_eq!(
            written(Form::JsonLines, "a\n\"ü\"".as_bytes()),
            "{\"timestamp\":1700000000000000001,\"id\":\"0123456789abcdef\",\"attempts\":2,\"body\":\"a\\n\\\"ü\\\"\"}\n"
        );
        assert!(written(Form::JsonLines, b"\xff\x00").contains(r#","body_base64":"/wA="}"#));
        for (bytes, text) in
            [(&b""[..], ""), (b"f", "Zg=="), (b"fo", "Zm8="), (b"foo", "Zm9v"), (b"foob", "Zm9vYg==")]
        {
            assert_eq!(base64(bytes), text);
        }
    }
}
