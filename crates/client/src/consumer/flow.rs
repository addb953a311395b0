//! Distribution of `max_in_flight` among connections, as RDY counts. A pure state machine: events and `now`
//! in, RDY out.
//!
//! ```text
//! joined, left, received, answered, tick ─▶ Flow ─▶ (connection, RDY) …
//! ```
//! With at least as many messages allowed as connections, each gets an equal share, at most its server's
//! limit. With fewer, as many connections as allowed have RDY 1, in turns: a connection loses its turn after
//! being idle for `low_rdy_idle_timeout`, or after `low_rdy_timeout`. So does a test's single message.
//!
//! A connection counts with its RDY or its messages in flight, whichever is more, so that their sum stays
//! within `max_in_flight` while RDY moves between connections. The sum exceeds the limit only temporarily,
//! when `max_in_flight` is lowered or a pause begins, because of messages already in flight.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use super::backoff::{Backoff, Pace};
use crate::config::Config;

/// Names a connection; not reused.
pub(super) type LinkId = u64;

/// RDY counts to send.
pub(super) type Orders = Vec<(LinkId, u32)>;

#[derive(Debug)]
struct Share {
    id: LinkId,
    /// The server's limit.
    ready_max: u32,
    /// The intended RDY.
    ready: u32,
    /// RDY as last sent to the server.
    ordered: u32,
    in_flight: u32,
    /// Time RDY was last raised from 0, or a message arrived.
    active: Instant,
    /// Start of its current turn, or else of its previous one.
    turn: Option<Instant>,
}

impl Share {
    fn counts(&self) -> u32 {
        self.ready.max(self.in_flight)
    }
}

/// Outcome of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Success,
    Failure,
    /// No effect on backoff.
    Neutral,
}

/// The state machine.
#[derive(Debug)]
pub(super) struct Flow {
    max_in_flight: u32,
    idle_timeout: Duration,
    turn_timeout: Duration,
    interval: Duration,
    backoff: Backoff,
    shares: Vec<Share>,
    /// Deliveries have been stopped.
    stopped: bool,
    /// Some connection has less than its share, for lack of room.
    wanting: bool,
    /// Time of the next check of turns.
    look: Option<Instant>,
}

impl Flow {
    pub(super) fn new(config: &Config) -> Flow {
        Flow {
            max_in_flight: config.max_in_flight,
            idle_timeout: config.low_rdy_idle_timeout,
            turn_timeout: config.low_rdy_timeout,
            interval: config.rdy_redistribute_interval,
            backoff: Backoff::new(config),
            shares: Vec::new(),
            stopped: false,
            wanting: false,
            look: None,
        }
    }

    /// Adds a subscribed connection; its RDY is 0.
    pub(super) fn joined(&mut self, id: LinkId, ready_max: u32, now: Instant) -> Orders {
        self.shares.push(Share {
            id,
            ready_max,
            ready: 0,
            ordered: 0,
            in_flight: 0,
            active: now,
            turn: None,
        });
        self.share_out(now)
    }

    /// Removes a closed connection with its messages in flight.
    pub(super) fn left(&mut self, id: LinkId, now: Instant) -> Orders {
        self.shares.retain(|share| share.id != id);
        self.share_out(now)
    }

    /// Records received messages.
    pub(super) fn received(&mut self, id: LinkId, count: u32, now: Instant) {
        if let Some(share) = self.share(id) {
            share.in_flight = share.in_flight.saturating_add(count);
            share.active = now;
        }
    }

    /// Records the answer to a message. `random` is from 0 to 1.
    pub(super) fn answered(&mut self, id: LinkId, outcome: Outcome, now: Instant, random: f64) -> Orders {
        if let Some(share) = self.share(id) {
            share.in_flight = share.in_flight.saturating_sub(1);
        }
        let changed = match outcome {
            Outcome::Neutral => false,
            outcome => self.backoff.outcome(outcome == Outcome::Success, now, random),
        };
        if changed || self.wanting { self.share_out(now) } else { Orders::new() }
    }

    /// Handles elapsed time: see [`Flow::deadline`].
    pub(super) fn tick(&mut self, now: Instant) -> Orders {
        let changed = self.backoff.tick(now);
        let look = self.look.is_some_and(|look| look <= now);
        if look {
            self.look = None;
            self.take_turns_away(now);
        }
        if changed || look { self.share_out(now) } else { Orders::new() }
    }

    /// Time of the next call of [`Flow::tick`].
    pub(super) fn deadline(&self) -> Option<Instant> {
        let pause = match self.backoff.pace() {
            Pace::Paused(until) => Some(until),
            _ => None,
        };
        [pause, self.look].into_iter().flatten().min()
    }

    /// Changes `max_in_flight`.
    pub(super) fn limit(&mut self, max_in_flight: u32, now: Instant) -> Orders {
        self.max_in_flight = max_in_flight;
        self.share_out(now)
    }

    /// Ends deliveries: CLS has stopped the servers, and RDY is not sent any more.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    /// Messages in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.shares.iter().map(|share| share.in_flight as usize).sum()
    }

    /// Messages in flight on one connection.
    pub(super) fn in_flight_on(&self, id: LinkId) -> u32 {
        self.shares.iter().find(|share| share.id == id).map_or(0, |share| share.in_flight)
    }

    /// Connections.
    pub(super) fn connections(&self) -> usize {
        self.shares.len()
    }

    /// True if some connection has all allowed messages in flight: answers would bring more.
    pub(super) fn starved(&self) -> bool {
        self.shares.iter().any(|share| share.ready > 0 && share.in_flight >= share.ready)
    }

    /// See [`Backoff::level`].
    pub(super) fn backoff_level(&self) -> u32 {
        self.backoff.level()
    }

    fn share(&mut self, id: LinkId) -> Option<&mut Share> {
        self.shares.iter_mut().find(|share| share.id == id)
    }

    /// Messages allowed in flight at this pace.
    fn allowed(&self) -> u32 {
        match self.backoff.pace() {
            Pace::Running => self.max_in_flight,
            Pace::Paused(_) => 0,
            Pace::Testing => self.max_in_flight.min(1),
        }
    }

    fn share_out(&mut self, now: Instant) -> Orders {
        if self.stopped {
            return Orders::new();
        }
        let allowed = self.allowed();
        let connections = u32::try_from(self.shares.len()).unwrap_or(u32::MAX);
        self.wanting = false;
        if allowed == 0 || connections == 0 {
            self.shares.iter_mut().for_each(|share| share.ready = 0);
            self.look = None;
        } else if allowed < connections {
            self.give_turns(allowed, now);
            self.look.get_or_insert(now + self.interval);
        } else {
            self.give_shares(allowed, allowed / connections, now);
            self.look = None;
        }
        let changed = self.shares.iter_mut().filter(|share| share.ready != share.ordered);
        changed
            .map(|share| {
                share.ordered = share.ready;
                (share.id, share.ready)
            })
            .collect()
    }

    /// Distributes equal shares: connections above theirs are reduced first.
    fn give_shares(&mut self, allowed: u32, each: u32, now: Instant) {
        for share in &mut self.shares {
            share.ready = share.ready.min(each).min(share.ready_max);
        }
        let mut room = allowed.saturating_sub(self.committed());
        for share in &mut self.shares {
            let wanted = each.min(share.ready_max);
            let ready = wanted.min(share.counts().saturating_add(room));
            if ready > share.ready {
                room -= ready.saturating_sub(share.counts());
                if share.ready == 0 {
                    share.active = now;
                }
                share.ready = ready;
            }
            share.turn = Some(now);
            self.wanting |= share.ready < wanted;
        }
    }

    /// Gives RDY 1 to some: those that have it keep it, then those whose last turn is longest ago.
    fn give_turns(&mut self, allowed: u32, now: Instant) {
        let mut holders = 0;
        for share in &mut self.shares {
            share.ready = u32::from(share.ready > 0 && holders < allowed);
            holders += share.ready;
        }
        let mut room = allowed.saturating_sub(self.committed());
        self.shares.sort_by_key(|share| share.turn);
        for share in &mut self.shares {
            if share.ready > 0 || share.ready_max == 0 {
                continue;
            }
            // a connection still busy takes no more room than it has
            let takes = u32::from(share.in_flight == 0);
            if holders >= allowed || takes > room {
                break;
            }
            share.ready = 1;
            (share.turn, share.active) = (Some(now), now);
            room -= takes;
            holders += 1;
        }
        self.wanting = holders < allowed;
        self.shares.sort_by_key(|share| share.id);
    }

    fn committed(&self) -> u32 {
        self.shares.iter().fold(0, |sum, share| sum.saturating_add(share.counts()))
    }

    /// Takes RDY from connections whose turn is over, if others wait for one.
    fn take_turns_away(&mut self, now: Instant) {
        let mut waiting = self.shares.iter().filter(|share| share.ready == 0 && share.ready_max > 0).count();
        for share in &mut self.shares {
            let idle = now.saturating_duration_since(share.active) >= self.idle_timeout;
            let long = share.turn.is_none_or(|turn| now.saturating_duration_since(turn) >= self.turn_timeout);
            if waiting > 0 && share.ready > 0 && (idle || long) {
                share.ready = 0;
                share.turn = Some(now);
                waiting -= 1;
            }
        }
    }
}
