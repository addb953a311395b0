//! Prints a number as Redis does: `%.17Lf` without trailing zeros.
//!
//! Large numbers print every digit of their binary value, up to 4,933 of them; small ones end at the 17th
//! place.

use super::big::Big;
use super::number::{LongDouble, Size};

/// Digits after the point.
const PLACES: usize = 17;
const SCALE: u128 = 10u128.pow(PLACES as u32);

/// The number in full, at most 17 places, no trailing zeros, never `-0`.
pub(super) fn human(number: LongDouble) -> String {
    let digits = match number.size {
        Size::Zero => return "0".to_owned(),
        Size::Infinite => "inf".to_owned(),
        Size::Finite { mantissa, exponent } => match u32::try_from(exponent) {
            Ok(shift) => Big::from_u64(mantissa).shifted_left(shift).to_decimal(),
            Err(_) => fraction(mantissa, exponent.unsigned_abs()),
        },
    };
    if number.negative && digits != "0" { format!("-{digits}") } else { digits }
}

/// mantissa / 2^shift, rounded to the last place (ties to even).
fn fraction(mantissa: u64, shift: u32) -> String {
    // Below 2^121: a larger shift leaves nothing, not even to round.
    let scaled = u128::from(mantissa) * SCALE;
    let units = if shift >= u128::BITS {
        0
    } else {
        let (kept, lost, half) = (scaled >> shift, scaled & ((1 << shift) - 1), 1u128 << (shift - 1));
        kept + u128::from(lost > half || (lost == half && kept & 1 == 1))
    };
    let text = format!("{}.{:017}", units / SCALE, units % SCALE);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
