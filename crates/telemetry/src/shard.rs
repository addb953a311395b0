//! What is counted for a shard as a whole: its connections, its memory, its turns.
//!
//! The event loop's owner bumps these; pools have their own (see `pool`). How many requests a turn gathers, the figure on
//! which the cost of a request hangs most, is the pools' requests over `turns`.

use crate::table::{merge, stats_table};

stats_table! {
    /// One shard. It is the only writer. The two nutcracker rows are scalars of its document, there counted with
    /// listeners and server connections included.
    pub struct ShardStats {
        nutcracker {
            total_connections: Counter, "# connections since start, listeners and servers included";
            curr_connections: Gauge, "# connections now, listeners and servers included";
        }
        native {
            turns: Counter, "# turns of the event loop";
            events: Counter, "# readiness events handled";
            reads: Counter, "# reads from sockets";
            writes: Counter, "# writes to sockets";
            mail: Counter, "# pieces of mail taken from other threads";
            accept_pauses: Counter, "# times accepting paused because no file descriptor was left";
            buffered_bytes: Gauge, "bytes in buffers of connections";
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
