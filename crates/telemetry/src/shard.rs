//! Counters of a shard as a whole: its connections, its memory, its turns.
//!
//! The product on the shard bumps these; pools have their own (see `pool`). The number of events per round,
//! which has the largest effect on the cost of a request, is `round_events` over `rounds`. nutcracker's
//! `total_connections` and `curr_connections` are not rows: they are summed from the pools' when its document
//! is written.

use crate::table::{merge, stats_table};

stats_table! {
    /// One shard. It is the only writer.
    pub struct ShardStats {
        nutcracker {}
        native {
            turns: Counter, "# turns of the event loop";
            mail: Counter, "# pieces of mail taken from other shards";
            accept_pauses: Counter, "# times accepting paused because no file descriptor was left";
            rounds: Counter, "# rounds of the event loop: turns between two polls that may block, as one";
            round_events: Counter, "# events found by the polls of these rounds; by rounds, how many are gathered in one";
            sleeps: Counter, "# sleeps before a poll, so that it finds more events (coalesce)";
            slept_us: Counter, "microseconds of these sleeps";
            sleeps_saved_us: Counter, "microseconds of CPU time that these sleeps have saved, as estimated";
            memory_bytes: Gauge, "memory held for requests and replies, which counts against memory_budget";
        }
        with {}
    }
}

impl ShardStats {
    /// The values summed over shards, in the order of `ROWS`; zeros if there is no shard.
    pub(crate) fn sum<'a>(shards: impl Iterator<Item = &'a ShardStats>) -> Vec<u64> {
        let mut sum = vec![0; ShardStats::ROWS.len()];
        for shard in shards {
            merge(ShardStats::ROWS, &mut sum, &shard.values());
        }
        sum
    }
}
