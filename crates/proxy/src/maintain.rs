//! Maintenance while there is traffic: frees memory, balances load, updates gauges.

use std::sync::Arc;
use std::time::Duration;

use net::Io;

use crate::alarm::Alarm;
use crate::keys::LaneKey;
use crate::proxy::{Proxy, Role};
use crate::server::Server;

/// Interval of maintenance.
const MAINTENANCE: Duration = Duration::from_millis(100);

impl Proxy {
    pub(crate) fn maintain_later<I: Io>(&mut self, io: &mut I) {
        self.busy = true;
        if !self.maintaining {
            self.maintaining = true;
            io.set_timer(io.now() + MAINTENANCE, Alarm::Maintenance.token());
        }
    }

    pub(crate) fn maintain<I: Io>(&mut self, io: &mut I) {
        self.maintaining = false;
        self.busy |= self.serve_waiting(io) | self.end_private_waits(io);
        let quiet = !std::mem::take(&mut self.busy);
        if !quiet {
            self.maintain_later(io);
            self.busy = false;
        }
        if quiet || !self.starving.is_empty() {
            self.rest();
        }
        self.end_former_masters(io);
        let now = io.now();
        for slots in self.pools.values_mut().filter_map(|pool| pool.placement.slots_mut()) {
            // Otherwise they stay unsettled until there is traffic again.
            self.busy |= slots.settle(now);
        }
        self.balance(io);
        self.busy |= self.sweep_embedded(io);
        self.maintain_key_watches(io);
        if self.hand_over.is_some() {
            self.invite_to_leave(io);
        }
        self.update_gauges(io);
        self.count_gathering(io.gathering());
    }

    /// Resumes clients that wait for room for long replies: those resumed before may have left without using
    /// it. True if any were waiting.
    fn serve_waiting<I: Io>(&mut self, io: &mut I) -> bool {
        let waited_for = self.lanes().filter(|(_, conn)| !conn.bulky_waiting.is_empty());
        let lanes: Vec<LaneKey> = waited_for.map(|(lane, _)| lane).collect();
        for lane in &lanes {
            self.make_bulky_room(io, *lane);
        }
        !lanes.is_empty()
    }

    /// Frees buffers of idle clients and servers.
    fn rest(&mut self) {
        self.gathers.rest();
        for conn in self.servers.values_mut().flat_map(|server| &mut server.conns) {
            conn.rest();
            self.held.apply(conn.recount());
        }
        for (_, role) in &mut self.roles {
            if let Role::Client(client) = role {
                client.rest();
                self.held.apply(client.recount());
            }
        }
    }

    fn count_gathering(&self, gathering: net::Gathering) {
        let net::Gathering { rounds, events, sleeps, slept_us, saved_us } = gathering;
        self.stats.rounds.follow(rounds);
        self.stats.round_events.follow(events);
        self.stats.sleeps.follow(sleeps);
        self.stats.slept_us.follow(slept_us);
        self.stats.sleeps_saved_us.follow(saved_us);
    }

    fn update_gauges<I: Io>(&mut self, io: &I) {
        self.stats.memory_bytes.set(self.memory(io) as u64);
        for (pool, memory) in self.memory_by_pool(io) {
            let pool = &self.pools[pool];
            pool.stats.memory_bytes.set(memory as u64);
            let mut in_flight = 0;
            for server in pool.planned() {
                let Server { stats, .. } = &self.servers[server];
                // A draining server is counted together with its replacement.
                let before = pool.leaving.iter().filter(|old| Arc::ptr_eq(&self.servers[**old].stats, stats));
                let mut queues = self.servers[server].queues();
                before.for_each(|old| queues.add(self.servers[*old].queues()));
                in_flight += queues.waiting.0 + queues.sent.0;
                stats.in_queue.set(queues.waiting.0);
                stats.in_queue_bytes.set(queues.waiting.1);
                stats.out_queue.set(queues.sent.0);
                stats.out_queue_bytes.set(queues.sent.1);
            }
            pool.stats.requests_in_flight.set(in_flight);
        }
    }
}

/// Requests on a server's connections, and their bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Queues {
    /// Requests not yet sent,
    waiting: (u64, u64),
    /// and requests sent.
    sent: (u64, u64),
}

impl Queues {
    fn add(&mut self, other: Queues) {
        for (sum, lot) in [(&mut self.waiting, other.waiting), (&mut self.sent, other.sent)] {
            *sum = (sum.0 + lot.0, sum.1 + lot.1);
        }
    }
}

impl Server {
    fn queues(&self) -> Queues {
        let mut queues = Queues::default();
        for conn in &self.conns {
            let lot = if conn.connected && conn.ready() { &mut queues.sent } else { &mut queues.waiting };
            lot.0 += conn.line.len() as u64;
            lot.1 += conn.line.iter().map(|p| u64::from(p.len)).sum::<u64>();
        }
        queues
    }
}
