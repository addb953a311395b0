//! Scores: C's doubles, read as `strtod` reads them and printed as `%.17g`.

use wire::redis::{Version, encode};

/// A score; None if the text is none, or beyond what a double holds.
pub(super) fn parse(text: &[u8]) -> Option<f64> {
    let score = number(text)?;
    let letters = |text: &[u8]| text.iter().any(|byte| matches!(byte, b'i' | b'I'));
    let too_large = score.is_infinite() && !letters(text);
    let mantissa = text.split(|byte| matches!(byte, b'e' | b'E')).next().unwrap_or_default();
    let too_small = score == 0.0 && mantissa.iter().any(|byte| matches!(byte, b'1'..=b'9'));
    (!too_large && !too_small).then_some(score)
}

/// A bound of a range, or a weight of `SORT`: as a score, but what is too large becomes infinite, space may
/// come first, and a NUL ends it, as it ends C's strings. Nothing counts as 0.
pub(super) fn parse_loosely(text: &[u8]) -> Option<f64> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    match text.trim_ascii_start() {
        _ if text.is_empty() => Some(0.0),
        text => number(text),
    }
}

fn number(text: &[u8]) -> Option<f64> {
    let score: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (!score.is_nan()).then_some(score)
}

/// A score as text: 17 significant digits, without zeros at the end.
pub(super) fn text(score: f64) -> String {
    const DIGITS: i32 = 17;
    if score.is_infinite() {
        return if score > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if score == score.trunc() && score.abs() < 1e15 && (score != 0.0 || score.is_sign_positive()) {
        return (score as i64).to_string();
    }
    let scientific = format!("{score:.16e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |digits: &str| {
        let digits = if digits.contains('.') { digits.trim_end_matches('0') } else { digits };
        digits.trim_end_matches('.').to_owned()
    };
    if (-4..DIGITS).contains(&exponent) {
        let decimals = (DIGITS - 1 - exponent) as usize;
        trimmed(&format!("{score:.decimals$}"))
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs())
    }
}

/// Writes a score: a double in RESP3, else a bulk.
pub(super) fn write(out: &mut Vec<u8>, score: f64, version: Version) {
    let text = text(score);
    match version {
        Version::Resp2 => encode::bulk(out, text.as_bytes()),
        Version::Resp3 => out.extend_from_slice(format!(",{text}\r\n").as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_printf() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1, "0.10000000000000001"),
            (3.24, "3.2400000000000002"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (1.5e300, "1.5000000000000001e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1.0000000000000001e-05"),
            (1e-320, "9.9998886718268301e-321"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (123_456_789.123_456_79, "123456789.12345679"),
        ];
        for (score, wanted) in cases {
            assert_eq!(text(score), wanted);
        }
    }

    #[test]
    fn what_is_no_score() {
        for text in
            ["", "x", "nan", "-nan", " 1", "1 ", "1e", "1e400", "-1e400", "1e-400", "0x", "--1", "1\0"]
        {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        for (text, wanted) in [
            ("1", 1.0),
            ("+1", 1.0),
            ("-0", 0.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("Inf", f64::INFINITY),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(wanted), "{text}");
        }
    }
}
