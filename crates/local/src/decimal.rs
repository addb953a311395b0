//! Integers in Redis' spelling, as it keeps them in counters and sets of integers.
//!
//! Each has one canonical form: what is written is read again, and nothing else is an integer.

/// A 64-bit integer in its one canonical spelling: no plus, no space, no leading zero, no `-0`.
pub(crate) fn decimal(text: &[u8]) -> Option<i64> {
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
