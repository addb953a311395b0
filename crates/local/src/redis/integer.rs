//! Integers as Redis parses them in arguments and values.
//!
//! Each has one canonical form: `INCR` reads exactly what it writes.

use super::fault::Fault;

/// A signed 64-bit integer in canonical form: no plus, no space, no leading zero, no `-0`.
pub(super) fn integer(text: &[u8]) -> Result<i64, Fault> {
    parse(text).ok_or(Fault::NotInteger)
}

fn parse(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        b"0" => return Some(0),
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if !matches!(digits, [b'1'..=b'9', ..]) {
        return None;
    }
    digits.iter().try_fold(0i64, |value, &digit| {
        let digit = i64::from(digit.is_ascii_digit().then_some(digit)? - b'0');
        let tens = value.checked_mul(10)?;
        if negative { tens.checked_sub(digit) } else { tens.checked_add(digit) }
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

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
