//! memcached's expiration times.
//!
//! ```text
//! 0                never
//! below 0          at once
//! up to 30 days    seconds from now
//! above            seconds since 1970
//! ```
//! An item that expires at second S is gone from S on, so the last millisecond of its life is just before S.

use crate::entry::{Entry, NEVER};

/// Longest relative time.
const RELATIVE_S_MAX: i32 = 60 * 60 * 24 * 30;

/// The deadline for an expiration time.
pub(super) fn deadline_ms(exptime: i32, now_s: u64) -> u64 {
    let Ok(given) = u64::try_from(exptime) else { return 0 };
    match exptime {
        0 => NEVER,
        1..=RELATIVE_S_MAX => now_s.saturating_add(given).saturating_mul(1000).saturating_sub(1),
        _ => given * 1000 - 1,
    }
}

/// Remaining seconds of an entry; None if it never expires.
pub(super) fn left_s(entry: &Entry, now_s: u64) -> Option<u64> {
    (entry.deadline_ms != NEVER).then(|| (entry.deadline_ms / 1000 + 1).saturating_sub(now_s))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let now_s = 1_000_000_000;
        let cases = [
            (0, NEVER),
            (-1, 0),
            (i32::MIN, 0),
            (1, 1_000_000_000_999),
            (2_592_000, 1_002_591_999_999),
            (2_592_001, 2_592_000_999),
            (2_000_000_000, 1_999_999_999_999),
        ];
        for (exptime, want) in cases {
            assert_eq!(deadline_ms(exptime, now_s), want, "{exptime}");
        }
        let entry = Entry::new(b"k", b"v", deadline_ms(10, now_s), None, 0);
        assert_eq!(left_s(&entry, now_s), Some(10));
        assert_eq!(left_s(&entry, now_s + 9), Some(1));
        assert_eq!(left_s(&entry, now_s + 99), Some(0));
    }
}
