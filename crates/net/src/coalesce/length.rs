//! Length of the sleeps: the time in which enough events come, within a limit.

use std::time::Duration;

/// Fewest events that a sleep must gather.
pub(super) const FEW: f64 = 5.0;
/// Events that a sleep is to gather. Twice as many would save a few percent more and cost as much latency.
const MANY: f64 = 32.0;
/// Share of the clients that they are at most. Half is all that can come together, since the other
/// half waits for replies to the last round: the last of them would be waited for with nothing to do.
const SHARE_OF_CLIENTS: f64 = 0.45;
/// Shortest sleep: the kernel's part of a sleep takes as long.
const SHORTEST: f64 = 15.0;
/// Rounds between two adaptations, while the traffic settles and later.
const ROUNDS_SETTLING: u32 = 6;
const ROUNDS: u32 = 24;
/// Share of a growth of the sleep that the events must follow.
const FOLLOW: f64 = 0.3;

/// Distance of the sleeps from what they are to gather.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Near,
    /// Too few events, and a longer sleep finds no more.
    OutOfReach,
}

/// The length, in microseconds, and how it is adapted.
#[derive(Debug)]
pub(super) struct Length {
    sleep: f64,
    max: f64,
    /// Events to gather.
    many: f64,
    /// Longest sleep that does not slow requests, as far as known.
    limit: f64,
    rounds: u32,
    events: u64,
    /// Sleep and events per round before the last adaptation.
    before: Option<(f64, f64)>,
    /// A longer sleep was tried and found no more: all clients wait for us.
    is_blocked: bool,
}

impl Length {
    pub(super) fn new(max: Duration) -> Length {
        let max = max.as_secs_f64() * 1e6;
        Length {
            sleep: 0.0,
            max,
            many: MANY,
            limit: max,
            rounds: 0,
            events: 0,
            before: None,
            is_blocked: false,
        }
    }

    pub(super) fn sleep(&self) -> Duration {
        Duration::from_nanos((self.sleep.min(self.max) * 1000.0) as u64)
    }

    /// A first guess, from the rate of events without sleeps; they come faster with them.
    pub(super) fn begin(&mut self, events_per_us: f64, clients: usize) {
        self.count_clients(clients);
        self.sleep = self.within(self.many / 2.0 / events_per_us);
        self.unblock();
    }

    /// Gathers no more than so many clients can send together.
    pub(super) fn count_clients(&mut self, clients: usize) {
        self.many = MANY.min(SHARE_OF_CLIENTS * clients as f64);
    }

    fn within(&self, sleep: f64) -> f64 {
        sleep.max(SHORTEST).min(self.limit)
    }

    /// Allows growth to be tried again.
    pub(super) fn unblock(&mut self) {
        self.is_blocked = false;
        self.before = None;
    }

    /// Begins to count anew.
    pub(super) fn restart(&mut self) {
        (self.rounds, self.events) = (0, 0);
    }

    /// True if rounds would be full without.
    pub(super) fn is_needless(&self, per_round: f64) -> bool {
        self.sleep <= SHORTEST && per_round >= self.many
    }

    /// Counts the events of a round, and adapts the sleep from time to time.
    pub(super) fn adapt(&mut self, events: usize, settles: bool) -> Target {
        self.rounds += 1;
        self.events += events as u64;
        if self.rounds < if settles { ROUNDS_SETTLING } else { ROUNDS } {
            return Target::Near;
        }
        let found = self.events as f64 / f64::from(self.rounds);
        self.restart();
        if let Some((sleep, events)) = self.before.replace((self.sleep, found))
            && self.sleep > sleep * 1.1
            && found < events * (1.0 + FOLLOW * (self.sleep / sleep - 1.0))
        {
            self.sleep = sleep;
            self.is_blocked = true;
        }
        let factor = self.many / found.max(1.0);
        if factor < 0.8 || (factor > 1.2 && !self.is_blocked) {
            self.sleep = self.within(self.sleep * factor.clamp(0.75, 1.4));
        }
        let grows = !self.is_blocked && self.sleep < self.limit;
        if found < FEW && !settles && !grows { Target::OutOfReach } else { Target::Near }
    }

    /// Shortens the sleep, which slows requests, to `share` of it; false if there is nothing left.
    pub(super) fn shorten(&mut self, share: f64) -> bool {
        self.limit = self.sleep * share;
        self.sleep = self.limit;
        self.unblock();
        let is_left = self.limit >= SHORTEST;
        if !is_left {
            self.limit = self.max.min(SHORTEST * 3.0);
        }
        is_left
    }

    /// The traffic is another: all lengths may be tried.
    pub(super) fn forget_limit(&mut self) {
        self.limit = self.max;
    }

    /// The sleep does not slow requests: a longer one may be tried if it is at its limit.
    pub(super) fn lengthen_limit(&mut self) {
        if self.sleep > self.limit * 0.9 {
            self.limit = (self.limit * 1.3).min(self.max);
        }
    }
}
