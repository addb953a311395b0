//! Integers of any length, just enough to convert decimal digits to binary and back.
//!
//! Plain schoolbook methods: inputs have at most 5 KB of digits, and floats are not counted in a hot loop.

use std::cmp::Ordering;

/// An integer; limbs from low to high, the highest is not 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Big(Vec<u32>);

impl Big {
    pub(super) fn from_u64(n: u64) -> Big {
        Big(vec![n as u32, (n >> 32) as u32]).trimmed()
    }

    /// Converts these decimal digits (each below 10).
    pub(super) fn from_decimal(digits: &[u8]) -> Big {
        const CHUNK: usize = 9;
        let mut big = Big(Vec::with_capacity(digits.len() / CHUNK + 1));
        for chunk in digits.chunks(CHUNK) {
            let value = chunk.iter().fold(0, |value, &digit| value * 10 + u32::from(digit));
            big.multiply_add(10u32.pow(chunk.len() as u32), value);
        }
        big
    }

    /// self * 10^power
    pub(super) fn times_power_of_10(mut self, power: u32) -> Big {
        const CHUNK: u32 = 9;
        for _ in 0..power / CHUNK {
            self.multiply_add(10u32.pow(CHUNK), 0);
        }
        self.multiply_add(10u32.pow(power % CHUNK), 0);
        self
    }

    /// self * 2^bits
    pub(super) fn shifted_left(&self, bits: u32) -> Big {
        let (limbs, bits) = ((bits / 32) as usize, bits % 32);
        let mut shifted = vec![0; limbs];
        let mut carry = 0u64;
        for &limb in &self.0 {
            let wide = (u64::from(limb) << bits) | carry;
            shifted.push(wide as u32);
            carry = wide >> 32;
        }
        shifted.push(carry as u32);
        Big(shifted).trimmed()
    }

    pub(super) fn bits(&self) -> u32 {
        self.0.last().map_or(0, |top| self.0.len() as u32 * 32 - top.leading_zeros())
    }

    /// The top 128 bits (fewer if it has fewer), whether any bit below them is set, and the number of those
    /// below.
    pub(super) fn top(&self) -> (u128, bool, u32) {
        let below = self.bits().saturating_sub(u128::BITS);
        let mut top = 0u128;
        let mut rest = false;
        for (i, &limb) in self.0.iter().enumerate() {
            let place = i as i64 * 32 - i64::from(below);
            let wide = u128::from(limb);
            match u32::try_from(place) {
                Ok(place) => top |= wide << place,
                Err(_) => {
                    let cut = u32::try_from(-place).unwrap_or(u32::MAX);
                    top |= wide.checked_shr(cut).unwrap_or(0);
                    rest |= if cut >= 32 { limb != 0 } else { limb & ((1 << cut) - 1) != 0 };
                }
            }
        }
        (top, rest, below)
    }

    /// self / divisor as a number below 2^128, and whether there is a remainder; the caller ensures that it
    /// fits.
    pub(super) fn divided_by(&self, divisor: &Big) -> (u128, bool) {
        let steps = self.bits().saturating_sub(divisor.bits());
        let mut divisor = divisor.shifted_left(steps);
        let mut rest = self.clone();
        let mut quotient = 0u128;
        for _ in 0..=steps {
            quotient <<= 1;
            if rest.compare(&divisor) != Ordering::Less {
                rest.subtract(&divisor);
                quotient |= 1;
            }
            divisor.halve();
        }
        (quotient, !rest.0.is_empty())
    }

    /// Decimal digits; none for 0.
    pub(super) fn to_decimal(&self) -> String {
        const CHUNK: u32 = 9;
        let mut rest = self.clone();
        let mut chunks = Vec::new();
        while !rest.0.is_empty() {
            chunks.push(rest.divide_small(10u32.pow(CHUNK)));
        }
        let mut text = chunks.pop().map(|top| top.to_string()).unwrap_or_default();
        for chunk in chunks.iter().rev() {
            text.push_str(&format!("{chunk:09}"));
        }
        text
    }

    fn multiply_add(&mut self, factor: u32, term: u32) {
        let mut carry = u64::from(term);
        for limb in &mut self.0 {
            let wide = u64::from(*limb) * u64::from(factor) + carry;
            *limb = wide as u32;
            carry = wide >> 32;
        }
        if carry != 0 {
            self.0.push(carry as u32);
        }
    }

    fn divide_small(&mut self, divisor: u32) -> u32 {
        let mut rest = 0u64;
        for limb in self.0.iter_mut().rev() {
            let wide = (rest << 32) | u64::from(*limb);
            *limb = (wide / u64::from(divisor)) as u32;
            rest = wide % u64::from(divisor);
        }
        self.trim();
        rest as u32
    }

    fn compare(&self, other: &Big) -> Ordering {
        let by_length = self.0.len().cmp(&other.0.len());
        by_length.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }

    /// self - other; requires other <= self.
    fn subtract(&mut self, other: &Big) {
        let mut borrow = false;
        for (i, limb) in self.0.iter_mut().enumerate() {
            let (once, under) = limb.overflowing_sub(other.0.get(i).copied().unwrap_or(0));
            let (twice, under_again) = once.overflowing_sub(u32::from(borrow));
            *limb = twice;
            borrow = under || under_again;
        }
        self.trim();
    }

    /// self / 2; self must be even.
    fn halve(&mut self) {
        let mut carry = 0;
        for limb in self.0.iter_mut().rev() {
            let low = *limb & 1;
            *limb = (*limb >> 1) | (carry << 31);
            carry = low;
        }
        self.trim();
    }

    fn trimmed(mut self) -> Big {
        self.trim();
        self
    }

    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Big;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_u128(a in any::<u128>(), b in 1u128.., shift in 0u32..60) {
            let digits = |n: u128| -> Vec<u8> { n.to_string().bytes().map(|d| d - b'0').collect() };
            let (big_a, big_b) = (Big::from_decimal(&digits(a)), Big::from_decimal(&digits(b)));
            prop_assert_eq!(big_a.bits(), 128 - a.leading_zeros());
            prop_assert_eq!(big_a.divided_by(&big_b), (a / b, a % b != 0));
            prop_assert_eq!(big_a.top(), (a, false, 0));
            prop_assert_eq!(Big::from_decimal(&digits(a >> 64)).shifted_left(shift).top().0, (a >> 64) << shift);
            let text = big_a.times_power_of_10(20).to_decimal();
            prop_assert_eq!(text, if a == 0 { String::new() } else { format!("{a}{}", "0".repeat(20)) });
        }
    }
}
