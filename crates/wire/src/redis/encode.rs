//! Writing RESP: headers, bulks, numbers, errors, and the types that RESP3 writes differently.
//!
//! Everything is appended to the caller's buffer (`Vec<u8>`, `BytesMut`); nothing is allocated.

use bytes::BufMut;

/// The protocol version requested by a client (`HELLO`); RESP2 by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// RESP2.
    #[default]
    Resp2,
    /// RESP3.
    Resp3,
}

/// `*n\r\n`: an array of `n` elements follows. Also the head of a request of `n` arguments.
pub fn array(out: &mut impl BufMut, n: usize) {
    head(out, b'*', n as u64);
}

/// A map of `n` pairs follows: `%n\r\n`, or an array of 2n elements in RESP2.
pub fn map(out: &mut impl BufMut, n: usize, version: Version) {
    match version {
        Version::Resp2 => array(out, 2 * n),
        Version::Resp3 => head(out, b'%', n as u64),
    }
}

/// A set of `n` elements follows: `~n\r\n`, or an array in RESP2.
pub fn set(out: &mut impl BufMut, n: usize, version: Version) {
    match version {
        Version::Resp2 => array(out, n),
        Version::Resp3 => head(out, b'~', n as u64),
    }
}

/// A push of `n` elements follows: `>n\r\n`, or an array in RESP2.
pub fn push(out: &mut impl BufMut, n: usize, version: Version) {
    match version {
        Version::Resp2 => array(out, n),
        Version::Resp3 => head(out, b'>', n as u64),
    }
}

/// `$len\r\nbytes\r\n`.
pub fn bulk(out: &mut impl BufMut, bytes: &[u8]) {
    head(out, b'$', bytes.len() as u64);
    out.put_slice(bytes);
    out.put_slice(b"\r\n");
}

/// `$len\r\n`: the head of a bulk whose bytes (and `\r\n`) the caller appends.
pub fn bulk_head(out: &mut impl BufMut, len: usize) {
    head(out, b'$', len as u64);
}

/// A text: `=len\r\ntxt:text\r\n`, or a bulk in RESP2.
pub fn verbatim(out: &mut impl BufMut, text: &[u8], version: Version) {
    match version {
        Version::Resp2 => bulk(out, text),
        Version::Resp3 => {
            head(out, b'=', 4 + text.len() as u64);
            out.put_slice(b"txt:");
            out.put_slice(text);
            out.put_slice(b"\r\n");
        }
    }
}

/// A missing value: `$-1\r\n`, or `_\r\n` in RESP3.
pub fn null(out: &mut impl BufMut, version: Version) {
    out.put_slice(match version {
        Version::Resp2 => b"$-1\r\n",
        Version::Resp3 => b"_\r\n",
    });
}

/// A missing array: `*-1\r\n`, or `_\r\n` in RESP3.
pub fn null_array(out: &mut impl BufMut, version: Version) {
    out.put_slice(match version {
        Version::Resp2 => b"*-1\r\n",
        Version::Resp3 => b"_\r\n",
    });
}

/// `:n\r\n`.
pub fn integer(out: &mut impl BufMut, n: i64) {
    out.put_u8(b':');
    if n < 0 {
        out.put_u8(b'-');
    }
    digits(out, n.unsigned_abs());
    out.put_slice(b"\r\n");
}

/// `+text\r\n`. Line ends within `text` become spaces.
pub fn simple(out: &mut impl BufMut, text: &[u8]) {
    out.put_u8(b'+');
    line(out, text);
}

/// `-text\r\n`; `text` begins with the error's code (`ERR …`). Line ends within it become spaces, as in
/// Redis.
pub fn error(out: &mut impl BufMut, text: &[u8]) {
    out.put_u8(b'-');
    line(out, text);
}

/// A client's text as Redis quotes it in an error: at most `max` bytes, up to a NUL.
pub(crate) fn printed(text: &[u8], max: usize) -> &[u8] {
    let text = &text[..text.len().min(max)];
    &text[..memchr::memchr(0, text).unwrap_or(text.len())]
}

fn line(out: &mut impl BufMut, text: &[u8]) {
    for piece in text.split_inclusive(|b| matches!(b, b'\r' | b'\n')) {
        match piece.split_last() {
            Some((b'\r' | b'\n', before)) => {
                out.put_slice(before);
                out.put_u8(b' ');
            }
            _ => out.put_slice(piece),
        }
    }
    out.put_slice(b"\r\n");
}

fn head(out: &mut impl BufMut, kind: u8, n: u64) {
    if n < 10 {
        out.put_slice(&[kind, b'0' + n as u8, b'\r', b'\n']);
        return;
    }
    out.put_u8(kind);
    digits(out, n);
    out.put_slice(b"\r\n");
}

fn digits(out: &mut impl BufMut, mut n: u64) {
    let mut text = [0u8; 20];
    let mut at = text.len();
    loop {
        at -= 1;
        text[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.put_slice(&text[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        out.escape_ascii().to_string()
    }

    #[test]
    fn each_type() {
        use Version::{Resp2, Resp3};
        let cases = [
            (written(|o| array(o, 0)), r"*0\r\n"),
            (written(|o| array(o, 9)), r"*9\r\n"),
            (written(|o| array(o, 10)), r"*10\r\n"),
            (written(|o| array(o, 1_048_576)), r"*1048576\r\n"),
            (written(|o| map(o, 3, Resp2)), r"*6\r\n"),
            (written(|o| map(o, 3, Resp3)), r"%3\r\n"),
            (written(|o| set(o, 3, Resp2)), r"*3\r\n"),
            (written(|o| set(o, 3, Resp3)), r"~3\r\n"),
            (written(|o| bulk(o, b"")), r"$0\r\n\r\n"),
            (written(|o| bulk(o, b"a\r\nb")), r"$4\r\na\r\nb\r\n"),
            (written(|o| verbatim(o, b"ab", Resp2)), r"$2\r\nab\r\n"),
            (written(|o| verbatim(o, b"ab", Resp3)), r"=6\r\ntxt:ab\r\n"),
            (written(|o| bulk_head(o, 12)), r"$12\r\n"),
            (written(|o| null(o, Resp2)), r"$-1\r\n"),
            (written(|o| null(o, Resp3)), r"_\r\n"),
            (written(|o| null_array(o, Resp2)), r"*-1\r\n"),
            (written(|o| null_array(o, Resp3)), r"_\r\n"),
            (written(|o| integer(o, 0)), r":0\r\n"),
            (written(|o| integer(o, -42)), r":-42\r\n"),
            (written(|o| integer(o, i64::MIN)), r":-9223372036854775808\r\n"),
            (written(|o| integer(o, i64::MAX)), r":9223372036854775807\r\n"),
            (written(|o| simple(o, b"OK")), r"+OK\r\n"),
            (written(|o| error(o, b"ERR a\r\nb\n")), r"-ERR a  b \r\n"),
            (written(|o| error(o, b"")), r"-\r\n"),
        ];
        for (got, expected) in cases {
            assert_eq!(got, expected);
        }
    }

    #[test]
    fn words_are_printed_up_to_a_limit_or_a_nul() {
        assert_eq!(printed(b"a\r\n\0b", 128), b"a\r\n");
        assert_eq!(printed(&[b'x'; 200], 128).len(), 128);
        assert_eq!(printed(b"abc", 0), b"");
    }
}
