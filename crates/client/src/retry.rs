//! Pauses before reconnecting: 100 ms at first, doubled each time, with a little jitter.

use std::time::{Duration, Instant};

use crate::random;

const FIRST: Duration = Duration::from_millis(100);
/// Duration after which a connection counts as good, so that the next pause is the first again.
const LASTING: Duration = Duration::from_secs(5);

/// Growing pauses.
#[derive(Debug)]
pub(crate) struct Retry {
    max: Duration,
    next: Duration,
}

impl Retry {
    pub(crate) fn new(max: Duration) -> Retry {
        Retry { max, next: FIRST.min(max) }
    }

    /// The next pause.
    pub(crate) fn wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = wait.saturating_mul(2).min(self.max);
        wait.mul_f64(0.75 + random::fraction() / 4.0)
    }

    /// Records the end of a connection established at `since`.
    pub(crate) fn ended(&mut self, since: Instant, now: Instant) {
        if now.saturating_duration_since(since) >= LASTING {
            self.next = FIRST.min(self.max);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_limit_and_shrink_after_a_lasting_connection() {
        let mut retry = Retry::new(Duration::from_secs(1));
        for whole in [100, 200, 400, 800, 1_000, 1_000] {
            let wait = retry.wait();
            let whole = Duration::from_millis(whole);
            assert!(wait <= whole && wait >= whole.mul_f64(0.75), "{wait:?} of {whole:?}");
        }
        let now = Instant::now();
        retry.ended(now, now);
        assert!(retry.wait() >= Duration::from_millis(750));
        retry.ended(now, now + LASTING);
        assert!(retry.wait() <= FIRST);
    }
}
