//! Numbers parsed as in nutcracker's C code.
//!
//! Fleets rely on files in which a number has wrapped or a mode is junk; they must keep their meaning.
//! Nothing here panics: wrapping is explicit.

/// Digits only, at least one; 32-bit arithmetic that wraps. None for anything
/// else, or if the result is negative.
pub fn atoi(text: &[u8]) -> Option<i32> {
    if text.is_empty() {
        return None;
    }
    let mut value: i32 = 0;
    for &b in text {
        if !b.is_ascii_digit() {
            return None;
        }
        value = value.wrapping_mul(10).wrapping_add(i32::from(b - b'0'));
    }
    (value >= 0).then_some(value)
}

/// A port from 1 to 65535.
pub(super) fn port(text: &[u8]) -> Option<u16> {
    atoi(text).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)
}

/// `(mode_t)strtol(text, NULL, 8)`: leading blanks, a sign, octal digits; junk is 0. None if it does not fit
/// a long.
pub(super) fn octal_mode(text: &[u8]) -> Option<u32> {
    let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\x0b' | b'\x0c' | b'\r');
    let start = text.iter().position(|b| !blank(b)).unwrap_or(text.len());
    let (negative, digits) = match &text[start..] {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let mut value: i64 = 0;
    for &b in digits.iter().take_while(|b| (b'0'..=b'7').contains(b)) {
        value = value.checked_mul(8)?.checked_add(i64::from(b - b'0'))?;
    }
    Some(if negative { -value } else { value } as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_wrap() {
        let cases: [(&str, Option<i32>); 11] = [
            ("0", Some(0)),
            ("007", Some(7)),
            ("2147483647", Some(i32::MAX)),
            ("2147483648", None),
            ("4294967296", Some(0)),
            ("4294967297", Some(1)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1 ", None),
            ("x", None),
        ];
        for (text, value) in cases {
            assert_eq!(atoi(text.as_bytes()), value, "{text}");
        }
    }

    #[test]
    fn modes() {
        let cases: [(&str, Option<u32>); 9] = [
            ("0777", Some(0o777)),
            ("0", Some(0)),
            ("abc", Some(0)),
            ("", Some(0)),
            ("66x", Some(0o66)),
            ("089", Some(0)),
            ("-1", Some(u32::MAX)),
            ("+7", Some(7)),
            ("7777777777777777777777777", None),
        ];
        for (text, mode) in cases {
            assert_eq!(octal_mode(text.as_bytes()), mode, "{text}");
        }
    }
}
