//! The checks at the end of a run, and its counts.

use std::time::Duration;

use super::super::client::Client;
use super::super::report::Report;
use super::World;

impl World {
    pub(super) fn stuck(&self) -> String {
        let stuck: Vec<String> = self.clients.iter().filter(|c| !c.is_done).map(Client::stuck).collect();
        let censuses: Vec<String> = self.shards.iter().map(|s| format!("{:?}", s.app.census())).collect();
        format!("{} {}", stuck.join("; "), censuses.join(" "))
    }

    /// Checks, when no event is left, that no work is left either.
    pub(super) fn check_quiet(&self) -> Result<(), String> {
        if self.clients.iter().any(|client| !client.is_done) {
            return Err(format!("all is quiet, but {}", self.stuck()));
        }
        for (index, shard) in self.shards.iter().enumerate() {
            let census = shard.app.census();
            let (buffered, timers) = (shard.looped.buffered, shard.looped.app_timers());
            if census != proxy::Census::default() || buffered + timers > 0 {
                return Err(format!(
                    "all is quiet, but shard {index} has {buffered} bytes buffered, {timers} timers and {census:?}"
                ));
            }
        }
        if self.control.is_busy() {
            return Err("all is quiet, but a shard has not taken the last map".into());
        }
        self.check_deadlines()
    }

    fn check_deadlines(&self) -> Result<(), String> {
        let timeout = self.pool.timeout.unwrap_or_default();
        for stats in self.control.generation.cells().iter().flat_map(|cells| &cells.shards) {
            let longest = Duration::from_micros(stats.latency.snapshot().quantile(1.0));
            let longest_block =
                if self.scenario.sessions { Duration::from_millis(400) } else { Duration::ZERO };
            let most = timeout + longest_block;
            // Timers are exact to a millisecond, the histogram to a hundredth.
            if longest > most + most / 50 + Duration::from_millis(3) {
                return Err(format!("a request took {longest:?} of {timeout:?}"));
            }
        }
        Ok(())
    }

    /// Checks that nothing is left after the nodes have closed all connections.
    pub(super) fn check_empty(&self) -> Result<(), String> {
        for (index, shard) in self.shards.iter().enumerate() {
            shard.check_empty().map_err(|why| format!("shard {index}: {why}"))?;
        }
        Ok(())
    }

    pub(super) fn report(&self) -> Report {
        let mut report = Report {
            events: self.events,
            replies: self.clients.iter().map(|client| client.replies).sum(),
            errors: self.clients.iter().map(|client| client.errors).sum(),
            declined: self.store.counts,
            tampered: self.store.plan.done,
            ..self.report
        };
        for stats in self.control.generation.cells().iter().flat_map(|cells| &cells.shards) {
            report.redirects += stats.redirects.get();
            report.detours += stats.detours.get();
            report.replica_reads += stats.replica_reads.get();
            report.hedged_reads += stats.hedged_reads.get();
            report.hedges_won += stats.hedges_won.get();
        }
        for client in &self.clients {
            report.swaps += client.swaps.values().map(Vec::len).sum::<usize>() as u64;
            report.broken_watches += client.broken_watches;
            report.popped += client.queues.got.values().map(Vec::len).sum::<usize>() as u64;
        }
        report
    }
}
