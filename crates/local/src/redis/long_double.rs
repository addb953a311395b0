//! The numbers of `INCRBYFLOAT`: C's `long double` on x86-64, which Redis computes with and prints as `%.17Lf`.
//!
//! It has 64 bits of mantissa, 11 more than an `f64`. Without them `0.1` would come back as `0.10000000000000001`, so
//! they are worth the code: reading (decimal and hexadecimal, correctly rounded), one addition, printing.
//! Numbers past the format's range are refused as Redis refuses them.

mod big;
mod parse;
mod print;

/// Bits of the mantissa.
const MANTISSA_BITS: u32 = 64;
/// A finite number is below 2 to this power.
const POWER_MAX: i32 = 16384;
/// A number below 2 to this power becomes 0.
const POWER_MIN: i32 = -16445;

/// A number, or an infinity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LongDouble {
    negative: bool,
    size: Size,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    Zero,
    /// `mantissa * 2^exponent`; the mantissa's top bit is set.
    Finite {
        mantissa: u64,
        exponent: i32,
    },
    Infinite,
}

impl LongDouble {
    /// Zero.
    pub(super) const ZERO: LongDouble = LongDouble { negative: false, size: Size::Zero };

    /// The number that `text` spells, as `strtold` reads it. None for everything that is not wholly a number: empty,
    /// with white space around, NaN, past the range.
    pub(super) fn parse(text: &[u8]) -> Option<LongDouble> {
        parse::parse(text)
    }

    /// The sum, rounded to nearest (ties to even). None when it is not finite.
    pub(super) fn add(self, other: LongDouble) -> Option<LongDouble> {
        let (a, b) = match (self.size, other.size) {
            (Size::Infinite, _) | (_, Size::Infinite) => return None,
            (Size::Zero, _) => return Some(other),
            (_, Size::Zero) => return Some(self),
            (Size::Finite { mantissa: a, exponent: ea }, Size::Finite { mantissa: b, exponent: eb }) => {
                ((ea, a), (eb, b))
            }
        };
        let ((high, low), negative) = if a >= b { ((a, b), self.negative) } else { ((b, a), other.negative) };
        // 63 bits below the mantissa, and one fact about what falls out below them, round exactly.
        const GUARD_BITS: u32 = 63;
        let distance = high.0.abs_diff(low.0);
        let wide_high = u128::from(high.1) << GUARD_BITS;
        let wide_low = u128::from(low.1) << GUARD_BITS;
        let shifted = wide_low.checked_shr(distance).unwrap_or(0);
        let rest = shifted.checked_shl(distance) != Some(wide_low);
        let sum = if self.negative == other.negative {
            wide_high + shifted
        } else {
            wide_high - shifted - u128::from(rest)
        };
        LongDouble::round(negative, sum, rest, high.0 - GUARD_BITS as i32)
    }

    /// `wide * 2^exponent`, and a little more when `rest`, rounded to nearest. None when past the range.
    fn round(negative: bool, wide: u128, rest: bool, exponent: i32) -> Option<LongDouble> {
        if wide == 0 {
            return Some(LongDouble::ZERO);
        }
        let bits = u128::BITS - wide.leading_zeros();
        let drop = bits.saturating_sub(MANTISSA_BITS);
        let lift = MANTISSA_BITS.saturating_sub(bits);
        let kept = (wide >> drop) << lift;
        let lost = wide & ((1u128 << drop) - 1);
        let half = if drop == 0 { 0 } else { 1u128 << (drop - 1) };
        let up = drop > 0 && (lost > half || (lost == half && (rest || kept & 1 == 1)));
        let mut exponent = exponent + drop as i32 - lift as i32;
        let mut mantissa = kept + u128::from(up);
        if mantissa >> MANTISSA_BITS != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
        let power = exponent + MANTISSA_BITS as i32;
        if !(POWER_MIN..=POWER_MAX).contains(&power) {
            return None;
        }
        let size = Size::Finite { mantissa: u64::try_from(mantissa).ok()?, exponent };
        Some(LongDouble { negative, size })
    }
}

impl std::fmt::Display for LongDouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&print::human(*self))
    }
}

#[cfg(test)]
mod tests {
    use super::LongDouble;

    fn parse(text: &str) -> Option<LongDouble> {
        LongDouble::parse(text.as_bytes())
    }

    fn sum(a: &str, b: &str) -> String {
        let (a, b) = (parse(a).expect("a number"), parse(b).expect("a number"));
        a.add(b).map_or("not finite".into(), |sum| sum.to_string())
    }

    #[test]
    fn sums() {
        let cases = [
            ("0", "0.1", "0.1"),
            ("10.5", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("0.1", "0.2", "0.3"),
            ("1", "-1", "0"),
            ("-0.0", "0", "0"),
            ("3", "1e-18", "3"),
            ("3.0", "-3.5", "-0.5"),
            ("1e20", "9", "100000000000000000008"),
            ("18446744073709551615", "1", "18446744073709551616"),
            ("18446744073709551616", "1", "18446744073709551616"),
            ("18446744073709551616", "3", "18446744073709551620"),
            ("0x10", "0x.8p1", "17"),
            ("0x1p-1", "0", "0.5"),
            ("1e-17", "0", "0.00000000000000001"),
            ("4e-18", "0", "0"),
            ("+1.", ".5", "1.5"),
            ("inf", "1", "not finite"),
            ("-Infinity", "inf", "not finite"),
            ("1.18e4932", "1.18e4932", "not finite"),
        ];
        for (a, b, want) in cases {
            assert_eq!(sum(a, b), want, "{a} + {b}");
            assert_eq!(sum(b, a), want, "{b} + {a}");
        }
    }

    #[test]
    fn what_is_no_number() {
        let long = format!("1{}", "0".repeat(6000));
        let wrong = [
            "",
            " 1",
            "1 ",
            "1e",
            "1e+",
            "0x",
            "0xg",
            "--1",
            "+-1",
            ".",
            "e1",
            "nan",
            "-nan(1)",
            "infi",
            "1,5",
            "1_0",
            "1e5000",
            "-1e999999999999999999999",
            "1e-5000",
            "0x1p99999",
            "1\0",
            "0x1p",
            long.as_str(),
        ];
        for text in wrong {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert!(parse("0e999999999999999999999").is_some());
        assert!(parse(&format!("0.{}1", "0".repeat(4000))).is_some());
    }

    #[test]
    fn large_numbers_print_all_their_digits() {
        let digits = sum("1e4932", "0");
        assert_eq!(digits.len(), 4933);
        assert!(digits.starts_with("10000000000000000000"), "{}", &digits[..40]);
        assert_eq!(sum("1e25", "0"), "10000000000000000000000000");
    }
}
