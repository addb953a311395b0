//! Time from a client's request to its reply, sampled from a few clients at a time.
//!
//! The loop knows no protocol: a request is what a client's socket was read for, its reply the next bytes
//! written there. That is right for clients without a pipeline, and for the others the same error with and
//! without sleeps, which are compared.

use crate::{ConnId, Instant};

/// Clients watched at a time: one of those that share the last bits of their index.
const WATCHED: usize = 8;
/// Samples kept; later ones replace the first.
const SAMPLES: usize = 64;
/// Fewest samples for a median.
const SAMPLES_MIN: usize = 4;
/// Age at which a request is given up: it waits for something else.
const PATIENCE_US: u64 = 50_000;

/// The clients watched, and the samples.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    running: [Option<(ConnId, Instant)>; WATCHED],
    samples: [u32; SAMPLES],
    len: usize,
}

impl Default for Stopwatch {
    fn default() -> Self {
        Stopwatch { running: [None; WATCHED], samples: [0; SAMPLES], len: 0 }
    }
}

impl Stopwatch {
    /// A client's request was read in the turn that began at `now`.
    #[inline]
    pub(crate) fn start(&mut self, client: ConnId, now: Instant) {
        let running = &mut self.running[client.index as usize % WATCHED];
        match running {
            Some((_, since)) if now.0.saturating_sub(since.0) < PATIENCE_US => {}
            _ => *running = Some((client, now)),
        }
    }

    /// Something was written to a client in the turn that began at `now`.
    #[inline]
    pub(crate) fn stop(&mut self, client: ConnId, now: Instant) {
        let running = &mut self.running[client.index as usize % WATCHED];
        if let Some((_, since)) = running.take_if(|(watched, _)| *watched == client) {
            self.add(now.since(since).as_micros());
        }
    }

    fn add(&mut self, us: u128) {
        self.samples[self.len % SAMPLES] = u32::try_from(us).unwrap_or(u32::MAX);
        self.len += 1;
    }

    /// Median of the samples since the last call, in microseconds; None if there are too few.
    pub(crate) fn take(&mut self) -> Option<u32> {
        self.running = [None; WATCHED];
        let len = std::mem::take(&mut self.len).min(SAMPLES);
        (len >= SAMPLES_MIN).then(|| *self.samples[..len].select_nth_unstable(len / 2).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(index: u32) -> ConnId {
        ConnId { index, generation: 0 }
    }

    #[test]
    fn a_reply_ends_the_request_of_its_client_only() {
        let mut watch = Stopwatch::default();
        let (then, now) = (Instant(1000), Instant(1100));
        watch.start(client(1), then);
        watch.start(client(1 + WATCHED as u32), then);
        watch.stop(client(1 + WATCHED as u32), now);
        assert_eq!(watch.len, 0, "its place was taken");
        watch.stop(client(1), now);
        watch.stop(client(1), now);
        assert_eq!(watch.samples[0], 100);
        assert_eq!(watch.len, 1);
        assert_eq!(watch.take(), None, "one is no median");
        assert_eq!(watch.len, 0);
    }

    #[test]
    fn a_request_without_a_reply_is_given_up() {
        let mut watch = Stopwatch::default();
        watch.start(client(1), Instant(0));
        watch.start(client(1 + WATCHED as u32), Instant(PATIENCE_US));
        watch.stop(client(1), Instant(PATIENCE_US));
        assert_eq!(watch.len, 0);
        watch.stop(client(1 + WATCHED as u32), Instant(PATIENCE_US));
        assert_eq!(watch.len, 1);
    }

    #[test]
    fn the_median_is_that_of_the_last_samples() {
        let mut watch = Stopwatch::default();
        (0..SAMPLES).for_each(|_| watch.add(1000));
        (0..SAMPLES).for_each(|n| watch.add(n as u128));
        assert_eq!(watch.take(), Some(32));
        (0..SAMPLES_MIN).for_each(|_| watch.add(u128::MAX));
        assert_eq!(watch.take(), Some(u32::MAX));
    }
}
