//! The pace of questions about topologies: two a second over the whole process, under any storm of doubts.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Time after which another question may be asked.
const EACH: Duration = Duration::from_millis(500);
/// Most questions at once, after a time without any.
const AT_ONCE: u32 = 2;

/// Time at which all questions so far are paid for.
#[derive(Debug, Default)]
pub struct Pace(Mutex<Option<Instant>>);

impl Pace {
    /// Waits until at least one question may be asked; returns how many may be.
    pub async fn questions(&self) -> u32 {
        loop {
            match self.take(Instant::now()) {
                Ok(count) => return count,
                Err(at) => sleep_until(at).await,
            }
        }
    }

    /// Takes all questions that may be asked now. An error is the time of the next one.
    fn take(&self, now: Instant) -> Result<u32, Instant> {
        let mut paid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = now + EACH * AT_ONCE;
        let mut until = paid.filter(|paid| *paid > now).unwrap_or(now);
        let mut count = 0;
        while count < AT_ONCE && until + EACH <= full {
            until += EACH;
            count += 1;
        }
        if count == 0 {
            return Err(until + EACH - EACH * AT_ONCE);
        }
        *paid = Some(until);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_at_once_and_two_a_second() {
        let (pace, start) = (Pace::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        assert_eq!(pace.take(at(0)), Ok(2));
        assert_eq!(pace.take(at(0)), Err(at(500)));
        assert_eq!(pace.take(at(499)), Err(at(500)));
        assert_eq!(pace.take(at(500)), Ok(1));
        assert_eq!(pace.take(at(999)), Err(at(1000)));
        assert_eq!(pace.take(at(5000)), Ok(2));
        let asked = (0..10_000).filter_map(|ms| pace.take(at(10_000 + ms)).ok()).sum::<u32>();
        assert_eq!(asked, 2 + 19);
    }
}
