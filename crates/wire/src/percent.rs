//! Percent-encoding of URLs (RFC 3986): paths, and values of query strings.

use std::fmt::Write;

/// Percent-encodes everything except ASCII letters, digits and the `kept` bytes, which must be ASCII too.
pub fn encode(text: &[u8], kept: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for &byte in text {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// A value of a query string, encoded as browsers do for forms: a space becomes `+`.
pub fn encode_query(text: &[u8]) -> String {
    encode(text, b"-_.~ ").replace(' ', "+")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_beyond_the_kept_ones_are_encoded() {
        for (text, kept, expected) in
            [("a1Z", "", "a1Z"), ("/a b", "/", "/a%20b"), ("\u{e4}\0", "", "%C3%A4%00")]
        {
            assert_eq!(encode(text.as_bytes(), kept.as_bytes()), expected);
        }
    }

    #[test]
    fn values() {
        assert_eq!(encode_query("a b&c=d#e%f~é/+".as_bytes()), "a+b%26c%3Dd%23e%25f~%C3%A9%2F%2B");
        assert_eq!(encode_query(b"s3 &cret\xff"), "s3+%26cret%FF");
    }
}
