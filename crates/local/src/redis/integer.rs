//! Integers as Redis parses them in arguments and values.
//!
//! Each has one canonical form: `INCR` reads exactly what it writes.

use super::fault::Fault;
use crate::decimal::decimal;

/// A signed 64-bit integer in canonical form: no plus, no space, no leading zero, no `-0`.
pub(super) fn integer(text: &[u8]) -> Result<i64, Fault> {
    decimal(text).ok_or(Fault::NotInteger)
}

/// A count: an integer that is not negative.
pub(super) fn count(text: &[u8]) -> Result<usize, Fault> {
    decimal(text).and_then(|n| usize::try_from(n).ok()).ok_or(Fault::NOT_POSITIVE)
}

/// The `COUNT count` that may end a command which pops from one of several keys: at least 1, which it is if
/// it is left out.
pub(super) fn pop_count(options: &[&[u8]]) -> Result<usize, Fault> {
    match options {
        [] => Ok(1),
        [option, wanted] if option.eq_ignore_ascii_case(b"count") => {
            count(wanted).ok().filter(|wanted| *wanted > 0).ok_or(Fault::COUNT_ZERO)
        }
        _ => Err(Fault::Syntax),
    }
}

#[cfg(test)]
mod tests {
    use crate::decimal::decimal as parse;

    #[test]
    fn only_the_canonical_spelling() {
        for n in [0, 1, -1, 9, 10, i64::MAX, i64::MIN, 1_234_567_890_123] {
            assert_eq!(parse(n.to_string().as_bytes()), Some(n));
        }
        let wrong = [
            "",
            "-",
            "+1",
            " 1",
            "1 ",
            "01",
            "-0",
            "00",
            "1.0",
            "1e3",
            "0x1",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999999999",
        ];
        for text in wrong {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }
}
