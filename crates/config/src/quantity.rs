//! Durations and sizes in human-readable form.
//!
//! A duration is one or more pairs of number and unit: `400ms`, `2s`, `1m30s`, `1.5h`. Units are `us`, `ms`,
//! `s`, `m`, `h`, `d`. A bare number is in milliseconds, as in nutcracker's and nsqd's files. `0` and `off`
//! both mean none where an option can be switched off.
//!
//! A size is a number and a unit: `512`, `16KiB`, `64MB`, `1GiB`; powers of 1024 with the `i`, of 1000
//! without. A bare number is in bytes.
//!
//! Nothing here panics or wraps: a value that does not fit is an error that names the expected form.

use std::time::Duration;

const DURATION_UNITS: &[(&str, u64)] = &[
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
];

const SIZE_UNITS: &[(&str, u64)] = &[
    ("B", 1),
    ("KB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
];

/// Parses a duration.
///
/// # Errors
///
/// A phrase that completes "NAME ...", for the reader of the file.
pub fn duration(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "is not a duration such as \"400ms\", \"2s\" or \"1m30s\"";
    let text = text.trim();
    if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
        return milliseconds(text.parse().map_err(|_| String::from(EXPECTED))?);
    }
    let mut rest = text;
    let mut total: u64 = 0;
    if rest.is_empty() {
        return Err(EXPECTED.into());
    }
    while !rest.is_empty() {
        let (number, unit, tail) = number_and_unit(rest).ok_or(EXPECTED)?;
        let scale = scale(DURATION_UNITS, unit).ok_or(EXPECTED)?;
        let part = scaled(number, scale).ok_or(EXPECTED)?;
        total = total.checked_add(part).ok_or("is too long")?;
        rest = tail;
    }
    Ok(Duration::from_micros(total))
}

/// Converts milliseconds to a duration.
///
/// # Errors
///
/// A phrase that completes "NAME ...".
pub fn milliseconds(ms: u64) -> Result<Duration, String> {
    ms.checked_mul(1_000).map(Duration::from_micros).ok_or_else(|| "is too long".into())
}

/// Parses a size; the result is in bytes.
///
/// # Errors
///
/// A phrase that completes "NAME ...".
pub fn size(text: &str) -> Result<u64, String> {
    const EXPECTED: &str = "is not a size such as \"16KiB\", \"64MiB\" or \"1GB\"";
    let text = text.trim();
    if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
        return text.parse().map_err(|_| "is too large".into());
    }
    let (number, unit, tail) = number_and_unit(text).ok_or(EXPECTED)?;
    let scale = scale(SIZE_UNITS, unit).ok_or(EXPECTED)?;
    if !tail.is_empty() {
        return Err(EXPECTED.into());
    }
    scaled(number, scale).ok_or_else(|| "is too large".into())
}

/// Splits "1.5h30m" into "1.5", "h", "30m". None if it does not start with a number and letters.
fn number_and_unit(text: &str) -> Option<(&str, &str, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    let rest = rest.trim_start();
    let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (unit, tail) = rest.split_at(letters);
    (!number.is_empty() && !unit.is_empty()).then_some((number, unit, tail))
}

fn scale(units: &[(&str, u64)], unit: &str) -> Option<u64> {
    units.iter().find(|(name, _)| *name == unit).map(|&(_, scale)| scale)
}

/// "1.5" times 3600000000, without floating point if there is no fraction.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    let Some((whole, fraction)) = number.split_once('.') else {
        return number.parse::<u64>().ok()?.checked_mul(scale);
    };
    let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
    if fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let parts = u128::from(fraction.parse::<u64>().ok()?) * u128::from(scale);
    let parts = parts / 10u128.pow(fraction.len() as u32);
    whole.checked_mul(scale)?.checked_add(u64::try_from(parts).ok()?)
}

/// A duration in the largest units that show it exactly: `1m30s`, `400ms`, `0`.
pub fn show_duration(duration: Duration) -> String {
    let mut left = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let mut out = String::new();
    for &(unit, scale) in DURATION_UNITS.iter().rev() {
        if left >= scale {
            out += &format!("{}{unit}", left / scale);
            left %= scale;
        }
    }
    if out.is_empty() { "0".into() } else { out }
}

/// A size in the largest binary unit that shows it exactly: `64MiB`, `5242880` as `5MiB`, `1000`.
pub fn show_size(bytes: u64) -> String {
    for (unit, shift) in [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)] {
        if bytes > 0 && bytes.is_multiple_of(1 << shift) {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let ok = [
            ("0", 0),
            ("400", 400_000),
            ("400ms", 400_000),
            ("2s", 2_000_000),
            ("1m30s", 90_000_000),
            ("1.5h", 5_400_000_000),
            ("250us", 250),
            ("1d", 86_400_000_000),
            (" 3 s ", 3_000_000),
        ];
        for (text, micros) in ok {
            assert_eq!(duration(text), Ok(Duration::from_micros(micros)), "{text}");
        }
        for text in ["", "s", "-1s", "1x", "1s2", "1.s", "..s", "99999999999999999999", "9999999999999d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        let ok = [
            ("0", 0),
            ("512", 512),
            ("16KiB", 16384),
            ("64MB", 64_000_000),
            ("1.5GiB", 3 << 29),
            ("2 TiB", 2 << 40),
        ];
        for (text, bytes) in ok {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "KiB", "1kib", "1K", "1KiB2", "-1", "99999999999999999999", "99999999TiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shown_as_parsed() {
        for micros in [0, 1, 999, 1000, 1_500_000, 90_000_000, 86_400_000_000, 123_456_789] {
            let shown = show_duration(Duration::from_micros(micros));
            assert_eq!(duration(&shown), Ok(Duration::from_micros(micros)), "{shown}");
        }
        for bytes in [0, 1, 1000, 1024, 5 << 20, 3 << 40] {
            assert_eq!(size(&show_size(bytes)), Ok(bytes));
        }
    }
}
