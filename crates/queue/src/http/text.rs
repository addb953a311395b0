//! nsqd's text formats: durations, latencies, times; and base64 for bodies that are not text.
//!
//! Durations are written like Go's `time.Duration`, latencies in nsqd's own format, rounded to one decimal of
//! their unit.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A duration: `1h2m3.5s`, `302.7ms`, `0s`.
pub(super) fn duration(value: Duration) -> String {
    let seconds = value.as_secs();
    match value.as_nanos() {
        0 => "0s".to_owned(),
        ns @ 1..1_000 => format!("{ns}ns"),
        ns @ 1_000..1_000_000 => format!("{}µs", decimal(ns, 3)),
        ns @ 1_000_000..1_000_000_000 => format!("{}ms", decimal(ns, 6)),
        ns => {
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            let rest = format!("{}s", decimal(ns % 60_000_000_000, 9));
            match (hours, minutes) {
                (0, 0) => rest,
                (0, _) => format!("{minutes}m{rest}"),
                _ => format!("{hours}h{minutes}m{rest}"),
            }
        }
    }
}

/// `value / 10^places`, with as many decimals as needed.
fn decimal(value: u128, places: usize) -> String {
    let digits = format!("{value:0>width$}", width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    match fraction.trim_end_matches('0') {
        "" => whole.to_owned(),
        fraction => format!("{whole}.{fraction}"),
    }
}

/// Nanoseconds with one decimal, in the largest unit that they exceed.
pub(super) fn latency(ns: u64) -> String {
    let value = ns as f64;
    match ns {
        1_000_000_001.. => format!("{:.1}s", value / 1e9),
        1_000_001.. => format!("{:.1}ms", value / 1e6),
        1_001.. => format!("{:.1}us", value / 1e3),
        _ => format!("{value:.1}ns"),
    }
}

/// Seconds since 1970 as RFC 3339, in local time.
pub(super) fn rfc3339(seconds: i64) -> String {
    let at = Timestamp::from_second(seconds).unwrap_or_default().to_zoned_datetime(TimeZone::system());
    let shown = at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    match shown.strip_suffix("+00:00") {
        Some(utc) => format!("{utc}Z"),
        None => shown,
    }
}

/// A time in RFC 3339 as nanoseconds since 1970.
pub(super) fn parse_rfc3339(text: &str) -> Option<i64> {
    let at: Timestamp = text.parse().ok()?;
    i64::try_from(at.as_nanosecond()).ok()
}

/// Standard base64 with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().enumerate().fold(0, |word, (n, byte)| word | usize::from(*byte) << (16 - 8 * n));
        for n in 0..4 {
            let digit = DIGITS[word >> (18 - 6 * n) & 63];
            out.push(if n <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_latencies() {
        for (ns, expected) in [
            (0, "0s"),
            (1, "1ns"),
            (1500, "1.5µs"),
            (302_700_000, "302.7ms"),
            (6_600_000_000, "6.6s"),
            (62_300_000_000, "1m2.3s"),
            (3_600_000_000_000, "1h0m0s"),
            (90_061_000_000_001, "25h1m1.000000001s"),
        ] {
            assert_eq!(duration(Duration::from_nanos(ns)), expected);
        }
        for (ns, expected) in [
            (0, "0.0ns"),
            (1000, "1000.0ns"),
            (1500, "1.5us"),
            (302_712_345, "302.7ms"),
            (6_600_000_000, "6.6s"),
        ] {
            assert_eq!(latency(ns), expected);
        }
    }

    #[test]
    fn times() {
        for seconds in [0, 951_782_400, 1_700_000_000] {
            assert_eq!(parse_rfc3339(&rfc3339(seconds)), Some(seconds * 1_000_000_000));
        }
        assert_eq!(parse_rfc3339("2023-11-14T23:13:20.5+01:00"), Some(1_700_000_000_500_000_000));
        for bad in ["", "2023", "2023-13-01T00:00:00Z", "2023-01-01T00:00:00", "9000-01-01T00:00:00Z"] {
            assert_eq!(parse_rfc3339(bad), None, "{bad}");
        }
    }

    #[test]
    fn base64_with_padding() {
        for (bytes, text) in
            [(&b""[..], ""), (b"f", "Zg=="), (b"fo", "Zm8="), (b"foo", "Zm9v"), (b"\xff\xfe\xfd", "//79")]
        {
            assert_eq!(base64(bytes), text);
        }
    }
}
