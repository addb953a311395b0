//! Numbers for people: short, with a unit, and no needless digits.

const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun, in the plural unless it is one.
pub fn counted(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(n), if n == 1 { "" } else { "s" })
}

/// Two digits below ten, whole numbers above: `0`, `0.05`, `3.4`, `1,234`.
pub fn rate(n: f64) -> String {
    // The sum of nothing is −0.
    match n + 0.0 {
        n if n < 0.0 => format!("−{}", rate(-n)),
        n if n >= 9.95 => count(n.round() as u64),
        n if n >= 0.095 => trimmed(format!("{n:.1}")),
        n => trimmed(format!("{n:.2}")),
    }
}

/// A rate of change, with its sign: `+3.4`, `0`, `−12`.
pub fn change_rate(n: f64) -> String {
    format!("{}{}", if n > 0.0 { "+" } else { "" }, rate(n))
}

fn trimmed(text: String) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// `1000 B`, `1.5 KiB`, `64 MiB`.
pub fn bytes(n: u64) -> String {
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 1023.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = if value < 9.95 { trimmed(format!("{value:.1}")) } else { format!("{value:.0}") };
    format!("{digits} {}", UNITS[unit])
}

/// Measured microseconds: `< 1 µs`, `85 µs`, `1.2 ms`, `3 s`.
pub fn micros(us: u64) -> String {
    let (value, unit) = match us {
        0 => return "< 1 µs".into(),
        1..1_000 => return format!("{us} µs"),
        1_000..1_000_000 => (us as f64 / 1e3, "ms"),
        _ => (us as f64 / 1e6, "s"),
    };
    let digits = if value < 9.95 { trimmed(format!("{value:.1}")) } else { format!("{value:.0}") };
    format!("{digits} {unit}")
}

/// Milliseconds as people write them, in at most two units: `3 s`, `4 min`, `3 h 12 min`, `5 d 3 h`.
pub fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |big: u64, unit: &str, small: u64, of: &str| match small {
        0 => format!("{big} {unit}"),
        small => format!("{big} {unit} {small} {of}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..600 => two(minutes, "min", seconds % 60, "s"),
        600..3600 => format!("{minutes} min"),
        3600..86_400 => two(hours, "h", minutes % 60, "min"),
        _ => two(days, "d", hours % 24, "h"),
    }
}

/// Time of day in UTC of a moment in milliseconds since the Unix epoch: `14:03:22`.
pub fn clock(ms: u64) -> String {
    let seconds = ms / 1000 % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Day and time in UTC: `2026-11-21 14:03:22`.
pub fn date(ms: u64) -> String {
    let (year, month, day) = civil(ms / 86_400_000);
    format!("{year:04}-{month:02}-{day:02} {}", clock(ms))
}

/// Year, month and day of a number of days since 1970. Years start in March here, so that a leap day is the
/// last of its year; 146,097 days are 400 years.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        let counts = [0, 1, 2].map(|n| counted(n, "topic"));
        assert_eq!(counts, ["0 topics", "1 topic", "2 topics"]);
    }

    #[test]
    fn counts_and_rates() {
        for (n, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(count(n), text);
        }
        for (n, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (0.05, "0.05"),
            (0.1, "0.1"),
            (3.44, "3.4"),
            (3.0, "3"),
            (9.96, "10"),
            (100.0, "100"),
            (1234.4, "1,234"),
            (-2.5, "−2.5"),
        ] {
            assert_eq!(rate(n), text);
        }
        assert_eq!([3.44, 0.0, -12.0].map(change_rate), ["+3.4", "0", "−12"]);
    }

    #[test]
    fn sizes_and_times() {
        for (n, text) in [
            (0, "0 B"),
            (1000, "1000 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (64 << 20, "64 MiB"),
            (1 << 30, "1 GiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(bytes(n), text);
        }
        for (us, text) in
            [(0, "< 1 µs"), (999, "999 µs"), (1_240, "1.2 ms"), (40_000, "40 ms"), (3_000_000, "3 s")]
        {
            assert_eq!(micros(us), text);
        }
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (95, "1 min 35 s"),
            (3599, "59 min"),
            (3600, "1 h"),
            (11_520, "3 h 12 min"),
            (5 * 86_400 + 3 * 3600, "5 d 3 h"),
        ] {
            assert_eq!(duration(seconds * 1000), text);
        }
    }

    #[test]
    fn days() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400, "2000-02-29 00:00:00"),
            (951_868_800, "2000-03-01 00:00:00"),
            (1_735_689_599, "2024-12-31 23:59:59"),
            (4_107_542_400, "2100-03-01 00:00:00"),
        ] {
            assert_eq!(date(seconds * 1000), text);
        }
    }
}
