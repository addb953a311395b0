//! Parses a number as C's `strtold` does, correctly rounded.
//!
//! ```text
//! [+-] ( digits [. digits] [e [+-] digits]  |  0x hex [. hex] [p [+-] digits]  |  inf  |  infinity )
//! ```

use super::big::Big;
use super::number::{LongDouble, MANTISSA_BITS, Size};

/// Size of the buffer into which Redis copies the text first.
const TEXT_BYTES_MAX: usize = 5 * 1024;
/// Exponents beyond this (in either base) are out of range with any digits.
const EXPONENT_MAX: i64 = 100_000;

pub(super) fn parse(text: &[u8]) -> Option<LongDouble> {
    if text.len() >= TEXT_BYTES_MAX {
        return None;
    }
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let size = match text {
        [b'0', b'x' | b'X', rest @ ..] => hexadecimal(rest)?,
        word if word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"infinity") => Size::Infinite,
        rest => decimal(rest)?,
    };
    Some(LongDouble { negative, size })
}

/// Digits without a point, the number of them after it, and the written exponent.
struct Spelled {
    digits: Vec<u8>,
    behind_point: i64,
    exponent: i64,
}

impl Spelled {
    /// Strips leading and trailing zeros of the digits; None if all are zero.
    fn significant(mut self) -> Option<Spelled> {
        while self.digits.last() == Some(&0) {
            self.digits.pop();
            self.behind_point -= 1;
        }
        let zeros = self.digits.iter().take_while(|&&digit| digit == 0).count();
        self.digits.drain(..zeros);
        (!self.digits.is_empty()).then_some(self)
    }
}

/// Splits `text`, which must be a mantissa in this base and an optional exponent after `mark`.
fn spelled(text: &[u8], base: u32, mark: u8) -> Option<Spelled> {
    let split = text.iter().position(|byte| byte.eq_ignore_ascii_case(&mark));
    let (mantissa, exponent) = match split {
        Some(at) => (text.get(..at)?, exponent(text.get(at + 1..)?)?),
        None => (text, 0),
    };
    let point = mantissa.iter().position(|&byte| byte == b'.').unwrap_or(mantissa.len());
    let (whole, fraction) = mantissa.split_at(point);
    let fraction = fraction.get(1..).unwrap_or_default();
    let digit = |&byte: &u8| (byte as char).to_digit(base).map(|digit| digit as u8);
    let digits: Option<Vec<u8>> = whole.iter().chain(fraction).map(digit).collect();
    let digits = digits.filter(|digits| !digits.is_empty())?;
    Some(Spelled { digits, behind_point: fraction.len() as i64, exponent })
}

/// A signed exponent, clamped to twice the relevant range.
fn exponent(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = digits.iter().fold(0i64, |n, &digit| (n * 10 + i64::from(digit - b'0')).min(2 * EXPONENT_MAX));
    Some(sign * size)
}

fn decimal(text: &[u8]) -> Option<Size> {
    let Some(Spelled { digits, behind_point, exponent }) = spelled(text, 10, b'e')?.significant() else {
        return Some(Size::Zero);
    };
    let power = exponent - behind_point;
    // The number is below 10^(digits + power) and at least a tenth of that: far out of range, no computation
    // is needed.
    if (digits.len() as i64 + power).abs() > 5000 {
        return None;
    }
    let number = Big::from_decimal(&digits);
    let rounded = match u32::try_from(power) {
        Ok(power) => {
            let (top, rest, below) = number.times_power_of_10(power).top();
            LongDouble::round(false, top, rest, i32::try_from(below).ok()?)
        }
        Err(_) => quotient(&number, u32::try_from(-power).ok()?),
    };
    rounded.map(|rounded| rounded.size)
}

/// number / 10^power, with enough bits of quotient to round it.
fn quotient(number: &Big, power: u32) -> Option<LongDouble> {
    let divisor = Big::from_u64(1).times_power_of_10(power);
    let shift = i64::from(divisor.bits()) - i64::from(number.bits()) + i64::from(MANTISSA_BITS) + 2;
    let (quotient, rest) = match u32::try_from(shift) {
        Ok(shift) => number.shifted_left(shift).divided_by(&divisor),
        Err(_) => number.divided_by(&divisor.shifted_left(u32::try_from(-shift).ok()?)),
    };
    LongDouble::round(false, quotient, rest, i32::try_from(-shift).ok()?)
}

fn hexadecimal(text: &[u8]) -> Option<Size> {
    const BITS: i64 = 4;
    let Some(Spelled { digits, behind_point, exponent }) = spelled(text, 16, b'p')?.significant() else {
        return Some(Size::Zero);
    };
    let mut wide = 0u128;
    let mut rest = false;
    let mut below = 0;
    for digit in digits {
        if wide >> 120 == 0 {
            wide = (wide << BITS) | u128::from(digit);
        } else {
            rest |= digit != 0;
            below += BITS;
        }
    }
    let power = exponent - behind_point * BITS + below;
    if power.abs() > EXPONENT_MAX {
        return None;
    }
    LongDouble::round(false, wide, rest, i32::try_from(power).ok()?).map(|rounded| rounded.size)
}
