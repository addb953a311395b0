//! Go's parsing and formatting of numbers, booleans, durations and quoted texts.
//!
//! Each function follows one of Go's standard library, including limits and error texts: a command line that
//! nsqd refuses must be refused here, and one that it accepts must mean the same. Nothing panics or wraps.

/// `strconv.ParseBool`.
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// `strconv.ParseInt(text, 0, 64)` with the errors of the `flag` package.
///
/// # Errors
///
/// `parse error` or `value out of range`.
pub fn integer(text: &str) -> Result<i64, &'static str> {
    const SYNTAX: &str = "parse error";
    const RANGE: &str = "value out of range";
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits, prefixed) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..], true),
        [b'0', b'b', ..] => (2, &lower[2..], true),
        [b'0', b'o', ..] => (8, &lower[2..], true),
        [b'0', _, ..] => (8, &lower[1..], true),
        _ => (10, &lower[..], false),
    };
    let mut value: u128 = 0;
    let mut after_digit = prefixed;
    let mut any = false;
    for c in digits.chars() {
        if c == '_' {
            if !after_digit {
                return Err(SYNTAX);
            }
            after_digit = false;
            continue;
        }
        let digit = c.to_digit(radix).ok_or(SYNTAX)?;
        value = value.saturating_mul(u128::from(radix)).saturating_add(u128::from(digit));
        (after_digit, any) = (true, true);
    }
    if !any || !after_digit {
        return Err(SYNTAX);
    }
    let limit = if negative { 1u128 << 63 } else { (1u128 << 63) - 1 };
    if value > limit {
        return Err(RANGE);
    }
    let value = value as i128;
    i64::try_from(if negative { -value } else { value }).map_err(|_| RANGE)
}

/// `strconv.ParseFloat(text, 64)` with the errors of the `flag` package; decimal numbers only.
///
/// # Errors
///
/// `parse error` or `value out of range`.
pub fn float(text: &str) -> Result<f64, &'static str> {
    let digits = text.trim_start_matches(['-', '+']).to_ascii_lowercase();
    let number: f64 = text.parse().map_err(|_| "parse error")?;
    if number.is_infinite() && !digits.starts_with("inf") { Err("value out of range") } else { Ok(number) }
}

/// `time.ParseDuration`, in nanoseconds.
pub fn duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(end);
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        total += decimal(number)?.checked_mul(scale(unit)?)? / FRACTION;
        if total > 1 << 63 {
            return None;
        }
        rest = tail;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

const FRACTION: i128 = 1_000_000_000_000;

/// A number with an optional fraction, times [`FRACTION`].
fn decimal(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok().filter(|n| *n <= 1 << 63)? };
    let mut scaled: i128 = 0;
    let mut unit = FRACTION;
    for digit in fraction.bytes().take(12) {
        unit /= 10;
        scaled += i128::from(digit - b'0') * unit;
    }
    Some(whole * FRACTION + scaled)
}

fn scale(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// `time.Duration.String`.
pub fn show_duration(ns: i64) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    let ns = ns.unsigned_abs();
    let fraction = |value: u64, unit: u64| {
        let whole = value / unit;
        let digits = format!("{:0width$}", value % unit, width = unit.ilog10() as usize);
        let digits = digits.trim_end_matches('0');
        if digits.is_empty() { whole.to_string() } else { format!("{whole}.{digits}") }
    };
    match ns {
        0 => "0s".into(),
        1..=999 => format!("{sign}{ns}ns"),
        1_000..=999_999 => format!("{sign}{}\u{b5}s", fraction(ns, 1_000)),
        1_000_000..=999_999_999 => format!("{sign}{}ms", fraction(ns, 1_000_000)),
        _ => {
            let minutes = ns / 60_000_000_000;
            let seconds = fraction(ns % 60_000_000_000, 1_000_000_000);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, m) => format!("{sign}{m}m{seconds}s"),
                (h, m) => format!("{sign}{h}h{m}m{seconds}s"),
            }
        }
    }
}

/// `%q` for the texts that occur on command lines.
pub fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            '\n' => out += "\\n",
            '\t' => out += "\\t",
            '\r' => out += "\\r",
            c if c.is_control() && (c as u32) < 0x80 => out += &format!("\\x{:02x}", c as u32),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        let ok = [
            ("0", 0),
            ("60", 60),
            ("-1", -1),
            ("+5", 5),
            ("0x10", 16),
            ("010", 8),
            ("0b11", 3),
            ("1_000", 1000),
        ];
        for (text, value) in ok {
            assert_eq!(integer(text), Ok(value), "{text}");
        }
        assert_eq!(integer("-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(integer("9223372036854775808"), Err("value out of range"));
        assert_eq!(integer("99999999999999999999"), Err("value out of range"));
        for text in ["", "-", "1.5", "x", "1_", "_1", "08", "0x", "1__0", " 1"] {
            assert_eq!(integer(text), Err("parse error"), "{text}");
        }
    }

    #[test]
    fn durations() {
        let ok = [
            ("0", 0, "0s"),
            ("60s", 60_000_000_000, "1m0s"),
            ("250ms", 250_000_000, "250ms"),
            ("1h0m0s", 3_600_000_000_000, "1h0m0s"),
            ("1.5s", 1_500_000_000, "1.5s"),
            ("-2m", -120_000_000_000, "-2m0s"),
            ("1us", 1000, "1\u{b5}s"),
            (".5m", 30_000_000_000, "30s"),
            ("7ns", 7, "7ns"),
        ];
        for (text, ns, shown) in ok {
            assert_eq!(duration(text), Some(ns), "{text}");
            assert_eq!(show_duration(ns), shown);
        }
        for text in ["", "60", "s", "1x", "-", "1..5s", "99999999999h", "."] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
