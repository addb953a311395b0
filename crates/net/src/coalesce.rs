//! Interrupt moderation for a shard, calibrated as it runs: sleeping a little before it polls, as network
//! cards do before they interrupt.
//!
//! A *round* is everything between two polls that may block. It has a price of its own, whatever it brings:
//! the poll, being put to sleep and woken, a write to each server, waking the peers. With `n` events in a
//! round, an event costs
//!
//! ```text
//! cost = event + round / n              so gathering m instead of n events saves round * (1/n - 1/m)
//! ```
//! A shard that is quicker than its peers finds one or two events in each poll; sleeping first, it finds as
//! many as come meanwhile, and the peers are woken less often as well. Neither price is assumed, because they
//! differ tenfold between machines: the CPU clock of the thread is read at the ends of *spells* of 10 ms with
//! and without sleeps, next to each other, and the cost of a request is compared ([`Comparison`]). A round
//! costs about eight times what an event does, so beyond some thirty events there is little left to save, and
//! the sleep lasts for as long as that many take to come, or as half of the clients take if they are fewer
//! ([`Length`]).
//!
//! ```text
//!          few events in a round, enough of them in `coalesce`, enough clients
//!          ┌─────────────────────────────────────────────────────────────────▸ sleep ┐ the first spells,
//!        watch                                                                 ▴     │ other traffic,
//!          ▴ saves nothing, or slows requests: not again for 100 ms, later 4 s │     │ a second
//!          └──────────────────────────────────────────────────────────────── compare ◂─┘
//! ```
//! **Bounds.** No sleep is longer than `coalesce`, or than the time to the next timer; a request waits for
//! two of them at most. The median latency may grow by 15 %. Where clients wait for their replies, more
//! requests per second prove that it fell; otherwise the time from a request to its reply, and half a round
//! in which it was not yet read, are compared between spells, and the sleep is shortened until they fit, or
//! given up.
//!
//! **Off.** Rounds that fill by themselves are not waited for. At most half of the clients that take turns
//! with their servers can be in one round, so fewer than ten are not either. A round that had to wait for its
//! one or two events ends all sleeping at once: an idle shard blocks in its poll until the next event.
//!
//! **Hysteresis.** A try must save a tenth to be kept, and a twentieth from then on; ratios are averaged over
//! pairs of spells, and a rate is believed as far as a random number of requests allows.

mod compare;
mod length;
#[cfg(test)]
mod model;
mod round;
mod spell;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::Instant;
use compare::Comparison;
use length::{FEW, Length, Target};
pub(crate) use round::Round;
pub(crate) use spell::Clocks;
use spell::{Reading, Spell};

/// Rounds with at least this many events fill by themselves; while sleeping pays, with half as many more.
const FULL: f64 = 8.0;
/// Fewest clients: half of them can be in one round.
const CLIENTS_MIN: usize = 2 * FEW as usize;
/// Bytes per event above which copying dominates, not rounds.
const SMALL: f64 = 4096.0;
/// A round that took longer than this plus two sleeps, for one or two events, means the shard is idle.
const IDLE: Duration = Duration::from_millis(1);
/// Pause after a failed try, doubled after each further failure up to a maximum.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(4);
/// Traffic whose requests per second or clients differ by this factor from what they were is other traffic.
const OTHER: f64 = 2.0;
/// Interval between comparisons, while there are few and later.
const REVIEW_SOON: Duration = Duration::from_millis(60);
const REVIEW: Duration = Duration::from_secs(1);
/// Comparisons that count as few.
const SOON: u32 = 4;

/// Counts of a shard's rounds and sleeps since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gathering {
    /// Rounds of the loop: polls that could block, or followed a sleep.
    pub rounds: u64,
    /// Events found in them.
    pub events: u64,
    /// Sleeps before a poll.
    pub sleeps: u64,
    /// Microseconds of these sleeps.
    pub slept_us: u64,
    /// Microseconds of CPU time saved by them, as estimated.
    pub saved_us: u64,
}

/// Decides after each round how long to sleep before the next.
#[derive(Debug)]
pub(crate) struct Coalesce {
    max: Duration,
    is_sleeping: bool,
    /// Length of the sleeps.
    length: Length,
    spell: Spell,
    /// The last spell without sleeps.
    without: Reading,
    /// The spell with sleeps that was last compared; None until the first spell since sleeping began ends.
    compared: Option<Reading>,
    comparison: Comparison,
    /// Sleeping goes on after this spell without: it is only there to be compared.
    is_review: bool,
    /// Clients at the end of the last spell without sleeps.
    clients: usize,
    /// Time of the next try, or of the next review.
    due: Instant,
    pause: Duration,
    /// Traffic for which sleeping did not pay: requests per second without sleeps, and clients.
    in_vain: Option<(f64, usize)>,
    last_round: Instant,
    gathering: Gathering,
}

impl Coalesce {
    /// Sleeps for at most `max` where it pays; zero means never.
    pub(crate) fn new(max: Duration) -> Coalesce {
        Coalesce {
            max,
            is_sleeping: false,
            length: Length::new(max),
            spell: Spell::default(),
            without: Reading::default(),
            compared: None,
            comparison: Comparison::default(),
            is_review: false,
            clients: 0,
            due: Instant(0),
            pause: PAUSE,
            in_vain: None,
            last_round: Instant(0),
            gathering: Gathering::default(),
        }
    }

    /// Changes the longest sleep; what was learned is forgotten, counts are kept.
    pub(crate) fn set_max(&mut self, max: Duration) {
        *self = Coalesce { gathering: self.gathering, ..Coalesce::new(max) };
    }

    pub(crate) fn gathering(&self) -> Gathering {
        self.gathering
    }

    /// Time to sleep after `round`, before the next poll. `clocks` is read at the ends of spells.
    #[inline]
    pub(crate) fn sleep_after(&mut self, round: &Round, clocks: impl FnOnce() -> Clocks) -> Duration {
        self.gathering.rounds += 1;
        self.gathering.events += round.events as u64;
        if self.max.is_zero() {
            return Duration::ZERO;
        }
        let sleep = self.decide(round, clocks);
        if !sleep.is_zero() {
            self.gathering.sleeps += 1;
            self.gathering.slept_us += u64::try_from(sleep.as_micros()).unwrap_or(u64::MAX);
        }
        sleep
    }

    fn decide(&mut self, round: &Round, clocks: impl FnOnce() -> Clocks) -> Duration {
        let now = round.now;
        let gone = now.since(std::mem::replace(&mut self.last_round, now));
        let sleep = if self.is_sleeping { self.length.sleep() } else { Duration::ZERO };
        if gone > IDLE + sleep * 2 && round.events <= 2 {
            self.rest(now);
            return Duration::ZERO;
        }
        self.spell.add(round);
        if let Some(reading) = self.spell.end(now, self.is_sleeping, clocks) {
            if self.is_sleeping {
                self.end_with(now, reading);
            } else {
                self.end_without(now, reading, round.clients);
            }
        }
        if !self.is_sleeping {
            return Duration::ZERO;
        }
        match self.length.adapt(round.events, self.spell.settles()) {
            Target::OutOfReach => {
                self.give_up(now);
                Duration::ZERO
            }
            Target::Near => {
                let timer = round.timer.map_or(Duration::MAX, |at| at.since(now));
                self.length.sleep().min(timer)
            }
        }
    }

    /// The traffic has stopped, or is a trickle. What was learned still holds when it returns.
    fn rest(&mut self, now: Instant) {
        if self.is_sleeping {
            self.is_review = true;
        }
        self.set_sleeping(false, now);
    }

    /// A spell without sleeps is over.
    fn end_without(&mut self, now: Instant, reading: Reading, clients: usize) {
        self.without = reading;
        let is_review = std::mem::take(&mut self.is_review);
        if let Some((rate, clients_then)) = self.in_vain
            && (is_other(rate, reading.rate) || is_other(clients_then as f64, clients as f64))
        {
            (self.in_vain, self.due, self.pause) = (None, now, PAUSE);
            self.length.forget_limit();
        }
        self.clients = clients;
        let full = if is_review { 1.5 * FULL } else { FULL };
        if !self.is_worth_a_try(&reading, clients, full) {
            if is_review {
                self.give_up(now);
            }
        } else if is_review {
            self.length.count_clients(clients);
            self.length.unblock();
            self.set_sleeping(true, now);
        } else if now >= self.due {
            self.comparison = Comparison::default();
            self.length.begin(reading.events_per_us, clients);
            self.set_sleeping(true, now);
        }
    }

    fn is_worth_a_try(&self, without: &Reading, clients: usize, full: f64) -> bool {
        let max_us = self.max.as_secs_f64() * 1e6;
        without.is_usable
            && clients >= CLIENTS_MIN
            && without.per_round < full
            && without.per_round + without.events_per_us * max_us >= FEW
            && without.bytes_per_event < SMALL
    }

    /// A spell with sleeps is over.
    fn end_with(&mut self, now: Instant, reading: Reading) {
        if !reading.is_usable || reading.bytes_per_event >= SMALL {
            return self.give_up(now);
        }
        self.gathering.saved_us += self.comparison.saved_us(&reading);
        let Some(compared) = self.compared else { return self.compare(now, reading) };
        let has_changed = is_other(compared.rate, reading.rate);
        if has_changed {
            self.comparison.doubt_it();
            self.length.forget_limit();
        }
        if has_changed || now >= self.due || self.length.is_needless(reading.per_round) {
            self.is_review = true;
            self.set_sleeping(false, now);
        }
    }

    /// Judges sleeping by two neighbouring spells.
    fn compare(&mut self, now: Instant, with: Reading) {
        self.compared = Some(with);
        self.comparison.add(&with, &self.without);
        if !self.comparison.saves() {
            return self.give_up(now);
        }
        if self.comparison.slows() {
            if !self.length.shorten(self.comparison.bearable()) {
                return self.give_up(now);
            }
            self.comparison = Comparison::default();
            self.due = now;
            return;
        }
        let is_soon = self.comparison.count() < SOON;
        if !is_soon {
            self.length.lengthen_limit();
            self.pause = PAUSE;
        }
        self.due = now + if is_soon { REVIEW_SOON } else { REVIEW };
    }

    fn give_up(&mut self, now: Instant) {
        self.in_vain = Some((self.without.rate, self.clients));
        self.length.lengthen_limit();
        self.due = now + self.pause;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        self.is_review = false;
        self.set_sleeping(false, now);
    }

    fn set_sleeping(&mut self, is_sleeping: bool, now: Instant) {
        self.is_sleeping = is_sleeping;
        self.compared = None;
        self.length.restart();
        self.spell.begin(now);
    }
}

/// True if two counts of traffic are far apart.
fn is_other(before: f64, now: f64) -> bool {
    now > before * OTHER || now * OTHER < before
}
