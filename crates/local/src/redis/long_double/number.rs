//! The number itself: sign, mantissa and exponent, addition, and rounding.
//!
//! Every result has a 64-bit mantissa, rounded to nearest, ties to even, as the processor does it.

/// Bits of the mantissa.
pub(super) const MANTISSA_BITS: u32 = 64;
/// A finite number is below 2 to this power.
const POWER_MAX: i32 = 16384;
/// A number below 2 to this power becomes 0.
const POWER_MIN: i32 = -16445;

/// A number, or an infinity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct LongDouble {
    pub(super) negative: bool,
    pub(super) size: Size,
}

/// The absolute value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
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
    pub(in super::super) const ZERO: LongDouble = LongDouble { negative: false, size: Size::Zero };

    /// The sum, rounded to nearest (ties to even). None if it is not finite.
    pub(in super::super) fn add(self, other: LongDouble) -> Option<LongDouble> {
        // 63 bits below the mantissa, plus a sticky bit for the rest, round exactly.
        const GUARD_BITS: u8 = 63;
        let (a, b) = match (self.size, other.size) {
            (Size::Infinite, _) | (_, Size::Infinite) => return None,
            (Size::Zero, _) => return Some(other),
            (_, Size::Zero) => return Some(self),
            (Size::Finite { mantissa: a, exponent: ea }, Size::Finite { mantissa: b, exponent: eb }) => {
                ((ea, a), (eb, b))
            }
        };
        let ((high, low), negative) = if a >= b { ((a, b), self.negative) } else { ((b, a), other.negative) };
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
        LongDouble::round(negative, sum, rest, high.0 - i32::from(GUARD_BITS))
    }

    /// `wide * 2^exponent`, plus a little more if `rest`, rounded to nearest. None if out of range.
    pub(super) fn round(negative: bool, wide: u128, rest: bool, exponent: i32) -> Option<LongDouble> {
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
