//! Decimal numbers on a command line.
//!
//! memcached parses them with `strtol`, which also accepts a plus sign, leading tabs, and anything after a
//! tab, and truncates large values to its variable, so that a length of 4294967297 becomes 1. Only digits are
//! accepted here.

/// An unsigned number: digits only, up to 2^64-1.
#[inline]
pub fn unsigned(token: &[u8]) -> Option<u64> {
    /// Digits that always fit.
    const SAFE_DIGITS: usize = 19;
    let (safe, rest) = token.split_at(token.len().min(SAFE_DIGITS));
    let mut sum = 0u64;
    for &byte in safe {
        sum = sum * 10 + digit(byte)?;
    }
    for &byte in rest {
        sum = sum.checked_mul(10)?.checked_add(digit(byte)?)?;
    }
    (!token.is_empty()).then_some(sum)
}

fn digit(byte: u8) -> Option<u64> {
    let digit = byte.wrapping_sub(b'0');
    (digit <= 9).then_some(digit.into())
}

/// A signed number: digits, with at most one minus sign before them; -2^63 up to 2^63-1.
pub fn signed(token: &[u8]) -> Option<i64> {
    match token.split_first() {
        Some((b'-', digits)) => 0i64.checked_sub_unsigned(unsigned(digits)?),
        _ => unsigned(token)?.try_into().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let cases: [(&[u8], Option<u64>, Option<i64>); 14] = [
            (b"0", Some(0), Some(0)),
            (b"007", Some(7), Some(7)),
            (b"18446744073709551615", Some(u64::MAX), None),
            (b"18446744073709551616", None, None),
            (b"9223372036854775807", Some(i64::MAX as u64), Some(i64::MAX)),
            (b"-9223372036854775808", None, Some(i64::MIN)),
            (b"-9223372036854775809", None, None),
            (b"-1", None, Some(-1)),
            (b"", None, None),
            (b"-", None, None),
            (b"--1", None, None),
            (b"+1", None, None),
            (b"1x", None, None),
            (b"\t1", None, None),
        ];
        for (token, as_unsigned, as_signed) in cases {
            assert_eq!(unsigned(token), as_unsigned, "{token:?}");
            assert_eq!(signed(token), as_signed, "{token:?}");
        }
    }
}
