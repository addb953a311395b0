//! Decimal numbers in a RESP header: canonical, signed, terminated by `\r\n`.
//!
//! ```text
//!   "0" | ["-"] 1-9 [0-9]*   "\r" "\n"
//! ```
//! As Redis' `string2ll`: no leading zero, no `+`, no `-0`, no blank. An ambiguous number must not reach a
//! server that reads it differently.

/// A number parsed from the front of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decimal {
    /// The number, and its length with the line end.
    Done(i64, usize),
    /// The bytes may be the beginning of a number.
    More,
    /// Not the beginning of a number.
    Bad,
}

/// Most digits of a number; more are `Bad`.
const DIGITS_MAX: usize = 18;

/// Parses the number at the front of `text`.
#[inline(always)]
pub(crate) fn decimal(text: &[u8]) -> Decimal {
    match short(text) {
        Some((value, len)) => Decimal::Done(value.into(), len),
        None => any_decimal(text),
    }
}

/// Parses a number of one to three digits, as nearly every header has, if all of it and five bytes are there:
/// the number and its length with the line end. Anything else is left to [`decimal`].
#[inline(always)]
fn short(text: &[u8]) -> Option<(u32, usize)> {
    let head = text.first_chunk::<5>()?;
    let digit = |at: usize| u32::from(head[at].wrapping_sub(b'0'));
    let ends = |at: usize| head[at..at + 2] == *b"\r\n";
    let value = digit(0);
    if value > 9 {
        return None;
    }
    if ends(1) {
        return Some((value, 3));
    }
    if digit(1) > 9 || value == 0 {
        return None;
    }
    let value = value * 10 + digit(1);
    if ends(2) {
        return Some((value, 4));
    }
    if digit(2) > 9 || !ends(3) {
        return None;
    }
    Some((value * 10 + digit(2), 5))
}

/// Parses again a number already accepted by [`decimal`]: the number and its length with the line end. Checks
/// only what safety needs; the result for other bytes is arbitrary, or none.
#[inline(always)]
pub(crate) fn known(text: &[u8]) -> Option<(i64, usize)> {
    let mut value = 0i64;
    for (at, byte) in text.iter().enumerate() {
        match byte.wrapping_sub(b'0') {
            digit @ 0..=9 => value = value.wrapping_mul(10).wrapping_add(digit.into()),
            _ if *byte == b'\r' => return Some((value, at + 2)),
            _ => break,
        }
    }
    match decimal(text) {
        Decimal::Done(value, len) => Some((value, len)),
        _ => None,
    }
}

fn digit(byte: u8) -> i64 {
    i64::from(byte - b'0')
}

fn any_decimal(text: &[u8]) -> Decimal {
    let negative = text.first() == Some(&b'-');
    let first = usize::from(negative);
    let mut value = 0;
    for (at, &byte) in text.iter().enumerate().skip(first) {
        let digits = at - first;
        match byte {
            b'0' if digits == 0 && negative => return Decimal::Bad,
            b'0'..=b'9' if digits >= DIGITS_MAX || (digits > 0 && value == 0) => return Decimal::Bad,
            b'0'..=b'9' => value = value * 10 + digit(byte),
            b'\r' if digits > 0 => {
                let value = if negative { -value } else { value };
                return match text.get(at + 1) {
                    None => Decimal::More,
                    Some(b'\n') => Decimal::Done(value, at + 2),
                    Some(_) => Decimal::Bad,
                };
            }
            _ => return Decimal::Bad,
        }
    }
    Decimal::More
}

/// Parses a numeric argument such as `numkeys`, as Redis does. `None` if it is not a number by the rule
/// above.
pub fn integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match digits {
        [b'0'] if digits.len() == text.len() => Some(0),
        [b'1'..=b'9', ..] if digits.iter().all(u8::is_ascii_digit) => {
            std::str::from_utf8(text).ok()?.parse().ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_numbers_only() {
        let cases: &[(&[u8], Decimal)] = &[
            (b"0\r\n", Decimal::Done(0, 3)),
            (b"7\r\nx", Decimal::Done(7, 3)),
            (b"10\r\n", Decimal::Done(10, 4)),
            (b"99\r\n", Decimal::Done(99, 4)),
            (b"512\r\n", Decimal::Done(512, 5)),
            (b"100\r\n", Decimal::Done(100, 5)),
            (b"16384\r\n", Decimal::Done(16384, 7)),
            (b"010\r\n", Decimal::Bad),
            (b"-1\r", Decimal::More),
            (b"-1\n", Decimal::Bad),
            (b"100\rx", Decimal::Bad),
            (b"-1\r\n", Decimal::Done(-1, 4)),
            (b"-10\r\n", Decimal::Done(-10, 5)),
            (b"999999999999999999\r\n", Decimal::Done(999_999_999_999_999_999, 20)),
            (b"1000000000000000000\r\n", Decimal::Bad),
            (b"", Decimal::More),
            (b"-", Decimal::More),
            (b"1", Decimal::More),
            (b"12\r", Decimal::More),
            (b"01\r\n", Decimal::Bad),
            (b"00\r\n", Decimal::Bad),
            (b"-0\r\n", Decimal::Bad),
            (b"+1\r\n", Decimal::Bad),
            (b"--1\r\n", Decimal::Bad),
            (b" 1\r\n", Decimal::Bad),
            (b"1 \r\n", Decimal::Bad),
            (b"\r\n", Decimal::Bad),
            (b"-\r\n", Decimal::Bad),
            (b"1\n", Decimal::Bad),
            (b"1\rx", Decimal::Bad),
            (b"1.0\r\n", Decimal::Bad),
            (b"x\r\n", Decimal::Bad),
        ];
        for (text, expected) in cases {
            assert_eq!(decimal(text), *expected, "{}", text.escape_ascii());
            // What follows changes nothing.
            let followed = [text, &b"$9\r\n"[..]].concat();
            if *expected != Decimal::More {
                assert_eq!(decimal(&followed), *expected, "{}", followed.escape_ascii());
            }
            let whole = text.strip_suffix(b"\r\n");
            if let (Some(whole), Decimal::Done(value, len)) = (whole, expected)
                && *len == text.len()
            {
                assert_eq!(integer(whole), Some(*value));
            }
        }
    }

    #[test]
    fn whole_integers() {
        for text in [&b""[..], b"-", b"01", b"-0", b"+1", b"1 ", b"x", b"9223372036854775808", b"1\r\n"] {
            assert_eq!(integer(text), None, "{}", text.escape_ascii());
        }
        assert_eq!(integer(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(integer(b"-9223372036854775808"), Some(i64::MIN));
    }
}
