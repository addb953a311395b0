//! Numbers as memcached parses them: C's `strtoull` and `strtol` plus its own checks.
//!
//! These allow what a strict parser would not (white space and a sign before, white space after), and clients
//! have relied on some of it, so the rules are reproduced exactly.

/// Result of `strtoull`: the digits' value, the sign, and the rest.
struct Read {
    value: u64,
    negative: bool,
}

/// Parses a number at the front of `text`; None if there is none, if it exceeds 64 bits, or if anything other
/// than white space or NUL follows.
fn read(text: &[u8]) -> Option<Read> {
    let start = text.iter().take_while(|&&byte| is_space(byte)).count();
    let (negative, digits) = match text.get(start..).unwrap_or_default() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = digits.split_at(length);
    let ended = rest.first().is_none_or(|&byte| byte == 0 || is_space(byte));
    if digits.is_empty() || !ended {
        return None;
    }
    let value = digits
        .iter()
        .try_fold(0u64, |value, &digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')))?;
    Some(Read { value, negative })
}

/// True for white space in C: Rust's, and the vertical tab.
fn is_space(byte: u8) -> bool {
    byte == 0x0b || byte.is_ascii_whitespace()
}

/// A 64-bit unsigned number. A negative one wraps around, and is refused only if the result exceeds half the
/// range, as for all small negative numbers.
pub(super) fn unsigned(text: &[u8]) -> Option<u64> {
    let Read { value, negative } = read(text)?;
    let wrapped = if negative { value.wrapping_neg() } else { value };
    (!negative || i64::try_from(wrapped).is_ok()).then_some(wrapped)
}

/// The lower 32 bits of an unsigned number, as memcached does for client flags.
pub(super) fn unsigned_32(text: &[u8]) -> Option<u32> {
    unsigned(text).map(|value| value as u32)
}

/// A signed number of 32 bits.
pub(super) fn signed_32(text: &[u8]) -> Option<i32> {
    let Read { value, negative } = read(text)?;
    let value = i64::try_from(value).ok()?;
    i32::try_from(if negative { -value } else { value }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let cases: &[(&str, Option<u64>, Option<i32>)] = &[
            ("0", Some(0), Some(0)),
            ("+5", Some(5), Some(5)),
            ("-5", None, Some(-5)),
            ("\t\x0b7\x0b", Some(7), Some(7)),
            ("7\0x", Some(7), Some(7)),
            ("007", Some(7), Some(7)),
            ("2147483648", Some(2_147_483_648), None),
            ("-2147483648", None, Some(i32::MIN)),
            ("18446744073709551615", Some(u64::MAX), None),
            ("18446744073709551616", None, None),
            ("-18446744073709551615", Some(1), None),
            ("", None, None),
            ("-", None, None),
            ("7x", None, None),
            ("x7", None, None),
            ("1 2", Some(1), Some(1)),
            ("0x10", None, None),
        ];
        for &(text, want, want_signed) in cases {
            assert_eq!(unsigned(text.as_bytes()), want, "{text:?}");
            assert_eq!(signed_32(text.as_bytes()), want_signed, "{text:?}");
        }
        assert_eq!(unsigned_32(b"4294967301"), Some(5));
    }
}
