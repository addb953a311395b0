//! Rates in a configuration: `2000/s`, `120/min`, `100/s burst 500`.

use std::time::Duration;

/// A number of events per time, and a burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Events in each `per`, at least 1.
    pub count: u64,
    /// A second, a minute or an hour.
    pub per: Duration,
    /// Events at once after a rest, at least 1. Default: as many as in a second, at least 1.
    pub burst: u64,
}

/// Most events per period, and in a burst.
const COUNT_MAX: u64 = 1_000_000_000;
const FORM: &str = "a rate is written like 2000/s, 120/min or 100/s burst 500";

impl Rate {
    /// Parses a rate.
    pub fn parse(text: &str) -> Result<Rate, &'static str> {
        let mut words = text.split_ascii_whitespace();
        let (count, unit) = words.next().and_then(|word| word.split_once('/')).ok_or(FORM)?;
        let per = Duration::from_secs(match unit {
            "s" | "sec" | "second" => 1,
            "m" | "min" | "minute" => 60,
            "h" | "hour" => 3600,
            _ => return Err(FORM),
        });
        let count = number(count)?;
        let burst = match (words.next(), words.next()) {
            (None, _) => (count / per.as_secs()).max(1),
            (Some("burst"), Some(burst)) => number(burst)?,
            _ => return Err(FORM),
        };
        if words.next().is_some() { Err(FORM) } else { Ok(Rate { count, per, burst }) }
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = match self.per.as_secs() {
            60 => "min",
            3600 => "h",
            _ => "s",
        };
        write!(f, "{}/{unit}", self.count)?;
        if self.burst != (self.count / self.per.as_secs()).max(1) {
            write!(f, " burst {}", self.burst)?;
        }
        Ok(())
    }
}

fn number(text: &str) -> Result<u64, &'static str> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(FORM);
    }
    match text.parse() {
        Ok(0) => Err("a rate of 0 would refuse everything; leave the option out for no limit"),
        Ok(number) if number <= COUNT_MAX => Ok(number),
        _ => Err("at most 1000000000"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        for (text, count, secs, burst) in [
            ("2000/s", 2000, 1, 2000),
            ("120/min", 120, 60, 2),
            ("30/m", 30, 60, 1),
            ("7200/h", 7200, 3600, 2),
            (" 100/s  burst 500 ", 100, 1, 500),
            ("1000000000/s", COUNT_MAX, 1, COUNT_MAX),
        ] {
            let rate = Rate::parse(text).unwrap();
            assert_eq!(rate, Rate { count, per: Duration::from_secs(secs), burst }, "{text}");
            assert_eq!(Rate::parse(&rate.to_string()), Ok(rate), "{text}");
        }
        for text in [
            "",
            "/",
            "5",
            "5/",
            "/s",
            "0/s",
            "-1/s",
            "+1/s",
            "1/d",
            "1 /s",
            "1/s burst",
            "1/s burst 0",
            "1/s 5",
            "1/s burst 5 x",
            "1000000001/s",
            "99999999999999999999/s",
            "1/s burst 1000000001",
        ] {
            assert!(Rate::parse(text).is_err(), "{text}");
        }
    }
}
