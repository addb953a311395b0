//! Numbers in command lines, parsed as nsqd does.
//!
//! Digits only: a sign, a point or an exponent is refused, and the empty word is 0. A number that overflows
//! wraps, first in 64 unsigned bits, then as a signed count or as nanoseconds: clients can see the result in
//! error texts, so it is kept. The range check comes after the wrap.

/// The value of a word of digits modulo 2^64; `None` if any byte is not a digit.
pub(super) fn parse(word: &[u8]) -> Option<i64> {
    let mut value: u64 = 0;
    for byte in word {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    Some(value.cast_signed())
}

/// Milliseconds as nanoseconds in 64 signed bits, then back: negative if the wrapped time is negative.
pub(super) fn wrap_ms(ms: i64) -> i64 {
    ms.wrapping_mul(1_000_000).div_euclid(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let cases: [(&[u8], Option<i64>); 11] = [
            (b"", Some(0)),
            (b"0", Some(0)),
            (b"007", Some(7)),
            (b"9223372036854775807", Some(i64::MAX)),
            (b"9223372036854775808", Some(i64::MIN)),
            (b"18446744073709551617", Some(1)),
            (b"99999999999999999999", Some(7_766_279_631_452_241_919)),
            (b"-1", None),
            (b"+1", None),
            (b"1.5", None),
            (b"0x10", None),
        ];
        for (word, value) in cases {
            assert_eq!(parse(word), value, "{}", word.escape_ascii());
        }
    }

    #[test]
    fn milliseconds_wrap_as_nanoseconds() {
        assert_eq!(wrap_ms(0), 0);
        assert_eq!(wrap_ms(3_600_000), 3_600_000);
        assert_eq!(wrap_ms(9_223_372_036_854), 9_223_372_036_854);
        assert!(wrap_ms(9_223_372_036_855) < 0);
        assert!(wrap_ms(i64::MAX) < 0);
    }
}
