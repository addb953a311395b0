//! Global rules: checked after every turn, when all is quiet, and at the very end.

use super::{Client, Duration, End, Mail, Notice, Report, ServerId, Tamper, World};

/// Most connections of a shard to a server: some per protocol version, one for probes, one for subscriptions,
/// and those for one client at a time.
fn lanes(pool: &config::checked::Pool) -> usize {
    (2 * pool.server_connections + 2 + pool.private_connections) as usize
}

/// Longest time that a simulated client's request blocks, which its timeout begins after.
const BLOCKS_MAX: Duration = Duration::from_millis(35);

impl World {
    /// Memory limit with allowances. Memory may exceed the budget, at which clients are closed, by the input
    /// of one turn; by a whole reply for each server connection, since servers are always read; and by 64 KB
    /// for each client, the interval at which the proxy checks its memory.
    fn memory_limit(&self) -> usize {
        let known: usize = self.scenario.pools.iter().map(|p| p.servers.len() * lanes(p)).sum();
        let open: usize = self.shards.iter().map(|shard| shard.looped.count()).sum();
        let servers = if self.changes.is_some() { known.max(open) } else { known };
        let turn = 4 * self.scenario.read_max;
        let (server, client) = (turn + self.scenario.frame_max(), turn + (64 << 10));
        self.scenario.budget + servers * server + self.clients.len() * client
    }

    /// Checks that every request of a pool with a timeout was answered within it.
    fn check_deadlines(&self) -> Result<(), String> {
        let cells = self.cells();
        for (name, timeout) in self.timeouts.longest() {
            let of_pool = cells.iter().filter(|cells| cells.name == name).flat_map(|cells| &cells.shards);
            for (n, stats) in of_pool.enumerate() {
                let index = n % self.shards.len();
                let longest = Duration::from_micros(stats.latency.snapshot().quantile(1.0));
                // Timers are exact to a millisecond, the histogram to a hundredth.
                if longest > timeout + timeout / 50 + BLOCKS_MAX + Duration::from_millis(3) {
                    return Err(format!(
                        "a request to {name} on shard {index} took {longest:?} of {timeout:?}"
                    ));
                }
            }
        }
        Ok(())
    }

    pub(super) fn check_turn(&mut self, index: usize) {
        let mut census = self.shards[index].app.census();
        if self.plan.strikes(Tamper::Hoard) || self.plan.lasts(Tamper::Hoard) {
            census.held_counted += self.memory_limit();
            census.held = census.held_counted;
        }
        if census.held != census.held_counted {
            let (held, counted) = (census.held, census.held_counted);
            self.oracle.fault(format!("shard {index} holds {held} bytes and believes they are {counted}"));
        }
        let memory = self.shards[index].looped.buffered + census.held;
        self.memory_peak = self.memory_peak.max(memory);
        if memory > self.memory_limit() {
            let (budget, limit) = (self.scenario.budget, self.memory_limit());
            self.oracle
                .fault(format!("shard {index} uses {memory} bytes; its budget is {budget}, at most {limit}"));
        }
        let breeding = self.plan.strikes(Tamper::BreedTimers) || self.plan.lasts(Tamper::BreedTimers);
        let timers = self.shards[index].looped.app_timers() + if breeding { self.events as usize } else { 0 };
        // A deadline per server connection and a probe per server; one timer for upkeep, one for the stop,
        // one for draining, one for subscriptions.
        let most: usize = 4 + 2 * self.shards[index].app.lane_count();
        if timers > most {
            self.oracle.fault(format!("shard {index} has {timers} timers; {most} would be enough"));
        }
        self.note_moved(index);
        // The check at the end has to detect it.
        self.plan.strikes(Tamper::LeaveGatherOpen);
        if self.plan.strikes(Tamper::AskEjected) {
            self.ask_ejected(index);
        }
        if self.plan.strikes(Tamper::CutClient) {
            self.cut_client();
        }
    }

    fn note_moved(&mut self, index: usize) {
        let at = self.moved.note_moved(0, &self.shard_stats[index].values());
        for pool in &self.generation.pools {
            let at = self.moved.note_moved(at, &pool.cells.shards[index].values());
            for server in &pool.cells.servers {
                self.moved.note_moved(at, &server.shards[index].values());
            }
        }
    }

    /// Deliberate bug: sends a request to an ejected server.
    fn ask_ejected(&mut self, index: usize) {
        let shard = &mut self.shards[index];
        shard.call(&mut self.net, |app, io| {
            net::App::mail(app, io, Mail::Ejected { server: ServerId(0) });
            io.looped.sent.push((0, b"*2\r\n$3\r\nGET\r\n".to_vec()));
        });
        self.oracle.faults.append(&mut shard.faults);
    }

    /// Deliberate bug: closes a connection to which replies are owed.
    fn cut_client(&mut self) {
        let waits = |c: &Client| !c.line.is_satisfied() && !c.is_done();
        let mut owed = self.clients.iter().filter(|c| waits(c)).filter_map(|c| c.link);
        // No bytes in transit may still satisfy it.
        match owed.find(|link| self.net.under_way(*link, End::Peer) == 0) {
            Some(link) => self.net.reset(link, End::Proxy),
            None => self.plan.done = false,
        }
    }

    pub(super) fn stuck(&self) -> String {
        let stuck: Vec<String> = self.clients.iter().filter(|c| !c.is_done()).map(Client::stuck).collect();
        let censuses: Vec<String> = self.shards.iter().map(|s| format!("{:?}", s.app.census())).collect();
        format!("{} {}", stuck.join("; "), censuses.join(" "))
    }

    /// Checks, when no event is left, that no work is left either.
    pub(super) fn check_quiet(&mut self) -> Result<(), String> {
        if self.clients.iter().any(|c| !c.is_done()) {
            return Err(format!("all is quiet, but {}", self.stuck()));
        }
        for (index, shard) in self.shards.iter().enumerate() {
            let mut census = shard.app.census();
            if self.plan.lasts(Tamper::LeaveGatherOpen) {
                census.gathers += 1;
            }
            if census != proxy::Census::default()
                || shard.looped.buffered != 0
                || shard.looped.app_timers() != 0
            {
                let (buffered, timers) = (shard.looped.buffered, shard.looped.app_timers());
                return Err(format!(
                    "all is quiet, but shard {index} has {buffered} bytes buffered, {timers} timers and {census:?}"
                ));
            }
            let planned = self.generation.pools.iter().flat_map(|plan| &plan.servers);
            let mut serving = planned.filter(|server| server.by_hand.out.is_none());
            if let Some(server) = serving.find(|server| !shard.app.server_is_up(server.id)) {
                return Err(format!("server {server:?} is good, but ejected on shard {index}"));
            }
        }
        if self.steps.load(std::sync::atomic::Ordering::Relaxed) > 0 {
            return Err("all is quiet, but a shard has not taken the step to the last generation".into());
        }
        self.check_deadlines()?;
        self.check_overflows()
    }

    /// Checks that well-behaved clients were closed only for their memory use.
    fn check_overflows(&self) -> Result<(), String> {
        let notices = self.notices.lock().expect("one thread");
        let overflows = notices.iter().filter(|n| matches!(n, Notice::ClientOverflow { .. })).count();
        let cut = notices.iter().filter(|n| matches!(n, Notice::ReplyCut { .. })).count();
        let cut_off = &self.oracle.cut_off;
        if cut_off.len() > overflows + cut {
            return Err(format!(
                "clients were cut off, {overflows} of them for what they cost: {}",
                cut_off.join("; ")
            ));
        }
        let well_read = self.clients.iter().all(|c| c.temper == crate::client::Temper::Polite);
        if overflows > 0 && well_read && !self.scenario.tight {
            return Err(format!("{overflows} clients were closed though all read and there was memory"));
        }
        Ok(())
    }

    /// Checks that every gauge is at zero after the backends have closed all connections.
    pub(super) fn check_empty(&self) -> Result<(), String> {
        for (index, shard) in self.shards.iter().enumerate() {
            shard.check_empty().map_err(|why| format!("shard {index}: {why}"))?;
            for pool in self.cells() {
                let clients = pool.shards[index].client_connections.get();
                let servers = pool.servers.iter().map(|s| s.shards[index].server_connections.get());
                let servers: Vec<u64> = servers.collect();
                if clients > 0 || servers.iter().any(|n| *n > 0) {
                    return Err(format!(
                        "gauges of shard {index}: {clients} clients, server connections {servers:?}"
                    ));
                }
            }
        }
        let pools = self.generations.iter().flat_map(|generation| &generation.pools);
        let clients = pools.map(|pool| &pool.clients);
        let counts: Vec<u32> = clients.map(|c| c.load(std::sync::atomic::Ordering::Relaxed)).collect();
        if counts.iter().any(|c| *c > 0) {
            return Err(format!("clients of the pools, over all shards: {counts:?}"));
        }
        Ok(())
    }

    pub(super) fn report(&self) -> Report {
        let mut report = Report {
            events: self.events,
            time_us: self.net.now.0,
            memory_peak: self.memory_peak,
            moved: self.moved.moved,
            cut_off: self.oracle.cut_off.len() as u64,
            replies: self.clients.iter().map(|c| c.line.answered as u64).sum(),
            generations: self.generations.len() as u64 - 1,
            removals: self.oracle.removals,
            tampered: self.plan.done,
            ..Report::default()
        };
        let cells = self.cells();
        for pool in cells.iter().flat_map(|cells| &cells.shards) {
            report.requests += pool.client_requests.get();
            report.overflows += pool.client_overflows.get();
            report.refused_clients += pool.client_refused.get();
            report.protocol_errors += pool.protocol_errors.get();
            report.timeouts += pool.timeouts.get();
            report.no_server += pool.no_server.get();
            report.fragments += pool.fragments.get();
        }
        for server in cells.iter().flat_map(|cells| &cells.servers).flat_map(|server| &server.shards) {
            report.retries += server.retries.get();
            report.late_replies += server.late_replies.get();
            report.strays += server.stray_replies.get();
            report.ejections += server.ejections.get();
            report.probes_failed += server.probes_failed.get();
            report.overloaded += server.refused.get();
            report.queue_waits += server.queue_waits.get();
        }
        report
    }
}
