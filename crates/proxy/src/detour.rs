//! Requests of a cluster pool that cannot simply be sent to the owner of their slot.
//!
//! ```text
//! a node answers MOVED, ASK, TRYAGAIN, CLUSTERDOWN ─┐                          ┌─ another such answer: follow
//! its connection is lost, or cannot be opened ──────┼▶ detour ▸ sent ▸ answer ─┼─ any other: the client's reply
//! its slot is unsettled, or has no owner ───────────┘    └─ waits, then again ◀┘
//!                                                        └─ its deadline passes: the last error is the reply
//! ```
//! Requests of one client to one slot keep their order: they form a *line*, of which only the first is under
//! way. Later requests of the client to an unsettled slot are admitted only when it has no other under way
//! ([`crate::request`]). What waits is bounded by what clients may have under way, by [`DETOURS_MAX`], and in
//! time by the request's deadline.

mod follow;
mod missing;
mod piece;
mod turned_away;

use std::time::Duration;

use net::{Instant, Io};
use wire::redis::Redirect;

use crate::alarm::Alarm;
use crate::detours::{DETOURS_MAX, Detour, Next};
use crate::fail::Failure;
use crate::keys::{DetourId, LaneKey, PoolKey, ServerKey};
use crate::proxy::Proxy;
use crate::server::pending::Owner;
use crate::tally::Change;

/// Deadline of requests in a pool without a timeout.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);

impl Proxy {
    /// Opens a record at the end of its line. None if there are too many.
    fn open_detour(&mut self, detour: Detour) -> Option<DetourId> {
        self.insert_detour(detour, usize::MAX)
    }

    /// Opens a record at a place of its line. None if there are too many.
    fn insert_detour(&mut self, detour: Detour, place: usize) -> Option<DetourId> {
        let detours = &mut self.detours;
        if detours.records.len() >= DETOURS_MAX {
            return None;
        }
        let id = detours.next_id;
        detours.next_id = id.wrapping_add(1);
        let line = detours.lines.entry(detour.line()).or_default();
        line.insert(place.min(line.len()), id);
        if let Some(pool) = self.pools.get(detour.pool) {
            pool.stats.detours.inc();
        }
        detours.records.insert(id, detour);
        self.recount_detour(id);
        Some(id)
    }

    /// Takes a record out. Returns it, and the next of its line.
    fn close_detour(&mut self, id: DetourId) -> Option<(Detour, Option<DetourId>)> {
        self.detours.stop_waiting(id);
        let detour = self.detours.records.remove(&id)?;
        self.held.apply(Change::gone(detour.counted));
        let key = detour.line();
        let line = self.detours.lines.get_mut(&key)?;
        line.retain(|other| *other != id);
        let next = line.front().copied();
        if next.is_none() {
            self.detours.lines.remove(&key);
        }
        Some((detour, next))
    }

    fn recount_detour(&mut self, id: DetourId) {
        if let Some(detour) = self.detours.records.get_mut(&id) {
            let now = detour.memory();
            self.held.apply(Change::note(&mut detour.counted, now));
        }
    }

    /// Deadline of a detour.
    fn deadline_of(&self, detour: &Detour) -> Instant {
        let timeout = self.pools.get(detour.pool).and_then(|pool| pool.config.timeout);
        detour.at + timeout.unwrap_or(DEADLINE)
    }

    /// Makes a detour wait for this long, at most until its deadline.
    fn delay_detour<I: Io>(&mut self, io: &mut I, id: DetourId, delay: Duration) {
        let Some(detour) = self.detours.records.get_mut(&id) else { return };
        detour.waits += 1;
        let (pool, slot, now) = (detour.pool, detour.slot, io.now());
        if let Some(slots) = self.pools.get_mut(pool).and_then(|pool| pool.placement.slots_mut()) {
            // Requests behind it must not overtake it.
            slots.unsettle(slot, now);
        }
        let Some(detour) = self.detours.records.get(&id) else { return };
        let at = (now + delay).min(self.deadline_of(detour).max(now));
        self.detours.wait_until(id, at);
        self.recount_detour(id);
        self.alarm_detours(io);
    }

    fn alarm_detours<I: Io>(&mut self, io: &mut I) {
        let Some((first, _)) = self.detours.due.first().copied() else { return };
        match self.detours.timer {
            Some((_, at)) if at <= first => return,
            Some((timer, _)) => io.cancel_timer(timer),
            None => {}
        }
        self.detours.timer = Some((io.set_timer(first, Alarm::Detours.token()), first));
    }

    /// Tries again the detours whose time has come.
    pub(crate) fn continue_detours<I: Io>(&mut self, io: &mut I) {
        self.maintain_later(io);
        self.detours.timer = None;
        let now = io.now();
        // What is tried now waits until later at least.
        let due: Vec<DetourId> =
            self.detours.due.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id).collect();
        for id in due {
            self.detours.stop_waiting(id);
            self.try_detour(io, id);
        }
        self.alarm_detours(io);
    }

    /// Lets all waiting detours of a pool try again at once: its map has changed.
    pub(crate) fn wake_detours<I: Io>(&mut self, io: &mut I, pool: PoolKey) {
        self.wake(io, |detour| detour.pool == pool);
    }

    /// Lets the waiting detours that a server has failed try it again at once: it has shown that it lives.
    pub(crate) fn wake_detours_to<I: Io>(&mut self, io: &mut I, server: ServerKey) {
        self.wake(io, |detour| detour.next == Next::Other(server));
    }

    fn wake<I: Io>(&mut self, io: &mut I, is_woken: impl Fn(&Detour) -> bool) {
        if self.detours.due.is_empty() {
            return;
        }
        let now = io.now();
        let waiting =
            self.detours.records.iter().filter(|(_, detour)| detour.due.is_some() && is_woken(detour));
        for id in waiting.map(|(id, _)| *id).collect::<Vec<_>>() {
            if let Some(detour) = self.detours.records.get_mut(&id) {
                detour.next = Next::Owner;
            }
            self.detours.wait_until(id, now);
        }
        self.alarm_detours(io);
    }

    /// Sends a detour, or gives it up if its deadline has passed.
    fn try_detour<I: Io>(&mut self, io: &mut I, id: DetourId) {
        let Some(detour) = self.detours.records.get(&id) else { return };
        let is_over = self.deadline_of(detour) <= io.now();
        let is_wanted = match detour.owner {
            Owner::Client(client, _) => self.client_mut(client).is_some(),
            _ => true,
        };
        if is_over || !is_wanted {
            self.give_up(io, id);
        } else if self.detours.is_first(id) {
            self.send_detour(io, id);
        }
    }

    /// Answers a detour with the last error that it met.
    fn give_up<I: Io>(&mut self, io: &mut I, id: DetourId) {
        let Some((mut detour, next)) = self.close_detour(id) else { return };
        // A redirect is not for clients: one in cluster mode would follow it, past the proxy.
        let unserved = match Redirect::of(&detour.error) {
            Some(Redirect::Moved(..) | Redirect::Ask(..)) => Some(Failure::Redirected),
            _ => detour.error.is_empty().then_some(Failure::Unserved),
        };
        if let Some(failure) = unserved {
            detour.error = failure.reply(config::checked::Protocol::Redis);
        }
        if let Some(pool) = self.pools.get(detour.pool) {
            pool.stats.forward_error.inc();
        }
        self.answer_detour(io, &detour);
        self.start_next(io, next);
    }

    /// Gives a closed detour's owner its error.
    fn answer_detour<I: Io>(&mut self, io: &mut I, detour: &Detour) {
        match detour.owner {
            Owner::Client(client, seq) => self.fail(io, client, seq, &detour.error, detour.at),
            Owner::Part(gather, _) if self.is_piece(detour).is_some() => {
                self.give_up_piece(io, None, gather, &detour.error);
            }
            Owner::Part(gather, part) => {
                let finished = match self.refuser(detour) {
                    Some(server) => {
                        let lane = LaneKey { server, number: detour.lane };
                        self.fail_part((gather, part), lane, &detour.error)
                    }
                    None => self.gathers.fail(gather, &detour.error),
                };
                if finished {
                    self.finish_gather(io, None, gather);
                }
            }
            Owner::Private(..)
            | Owner::Handshake(_)
            | Owner::Unwanted
            | Owner::Sounding(_)
            | Owner::Subscription
            | Owner::Detour(_) => {}
        }
    }

    /// The server that a detour was for: the one that failed, or else the owner of its slot.
    fn refuser(&self, detour: &Detour) -> Option<ServerKey> {
        let server = match detour.next {
            Next::Other(server) | Next::Asking(server) => Some(server),
            Next::Owner => self.pools.get(detour.pool)?.placement.slots()?.owner(detour.slot),
        };
        server.filter(|server| self.servers.get(*server).is_some())
    }

    fn start_next<I: Io>(&mut self, io: &mut I, next: Option<DetourId>) {
        if let Some(next) = next {
            // In a turn of its own: the line may be long.
            self.detours.wait_until(next, io.now());
            self.alarm_detours(io);
        }
    }
}

#[cfg(test)]
pub(crate) mod scripted;
#[cfg(test)]
mod tests;
