//! Progress of a load: a line on standard error, if it is a terminal, rewritten every second.

use std::io::{IsTerminal, Write, stderr};
use std::time::Duration;

use crate::progress::grouped;

/// Progress line of a load.
#[derive(Debug, Default)]
pub(super) struct Meter {
    before: u64,
}

impl Meter {
    pub(super) fn show(&mut self, what: &str, count: u64, time: Duration, most: Duration) {
        let rate = count - self.before;
        self.before = count;
        if stderr().is_terminal() {
            let line = line(what, count, rate, time, most);
            let _ = write!(stderr(), "\r\x1b[K{line}\r");
        }
    }

    /// Wipes the line, so that only the report remains.
    pub(super) fn end() {
        if stderr().is_terminal() {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

fn line(what: &str, count: u64, rate: u64, time: Duration, most: Duration) -> String {
    let (time, most) = (time.as_secs(), most.as_secs());
    format!("{time} s of {most}: {} {what}, {}/s", grouped(count), grouped(rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let text = line("requests", 12_345, 999, Duration::from_millis(3_100), Duration::from_secs(10));
        assert_eq!(text, "3 s of 10: 12,345 requests, 999/s");
    }
}
