//! Counts of plain replies while the input of a connection is read: they are added to the cells of server and
//! pool when it has been.
//!
//! Most replies that are read together answer requests that were accepted together, so that their times are
//! equal and are recorded as one.

use telemetry::{CommandClass, PoolStats, ServerStats};

use crate::server::hits::Hits;
use crate::server::pending::Pending;

/// Counts that have not been added yet.
#[derive(Default)]
pub(crate) struct Tally {
    replies: u64,
    reply_bytes: u64,
    to_clients: u64,
    to_client_bytes: u64,
    hits: Hits,
    times: Times,
}

/// Replies that took equally long.
#[derive(Default)]
struct Times {
    class: CommandClass,
    us: u64,
    queue_us: u32,
    replies: u64,
    to_clients: u64,
}

impl Times {
    #[inline]
    fn add(&self, server: &ServerStats, pool: &PoolStats) {
        server.record_responses(self.class, self.us, self.queue_us, self.replies);
        if self.to_clients > 0 {
            pool.latency.record_many(self.us, self.to_clients);
        }
    }
}

impl Tally {
    /// Counts a reply of so many bytes, `us` microseconds after its request was accepted.
    #[inline(always)]
    pub(crate) fn reply(
        &mut self,
        (server, pool): (&ServerStats, &PoolStats),
        pending: &Pending,
        (len, us): (usize, u64),
        hits: Hits,
    ) {
        self.replies += 1;
        self.reply_bytes += len as u64;
        self.hits.add(hits);
        let (class, queue_us) = (pending.counted.class, pending.queue_us);
        let last = &self.times;
        if (last.class, last.us, last.queue_us) != (class, us, queue_us) {
            if last.replies > 0 {
                last.add(server, pool);
            }
            self.times = Times { class, us, queue_us, replies: 0, to_clients: 0 };
        }
        self.times.replies += 1;
    }

    /// Counts that the client got so many bytes of the last reply.
    #[inline]
    pub(crate) fn handed_over(&mut self, len: usize) {
        self.to_clients += 1;
        self.to_client_bytes += len as u64;
        self.times.to_clients += 1;
    }

    /// Adds all of it.
    #[inline]
    pub(crate) fn add(self, server: &ServerStats, pool: &PoolStats) {
        if self.replies == 0 {
            return;
        }
        server.responses.add(self.replies);
        server.response_bytes.add(self.reply_bytes);
        pool.client_replies.add(self.to_clients);
        pool.client_reply_bytes.add(self.to_client_bytes);
        self.hits.count(server, pool);
        self.times.add(server, pool);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::testing::{World, lines};

    #[test]
    fn replies_read_together_are_counted_with_their_own_times() {
        let mut w = World::new("[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\"]\n");
        let client = w.ask(lines(&["get warm"]));
        let server = w.server(0);
        w.receive(server, b"$-1\r\n");
        // Two reads, two writes, and a read 3 ms later; the reply to the last write is an error.
        w.receive(client, &lines(&["get a", "get b", "set a 1", "set b 1"]));
        w.io.now = w.io.now + Duration::from_millis(3);
        w.receive(client, &lines(&["get c"]));
        w.io.now = w.io.now + Duration::from_millis(5);
        w.receive(server, b"$1\r\n1\r\n$-1\r\n+OK\r\n-ERR no\r\n$1\r\n1\r\n");
        let stats = &w.proxy.servers.values().next().expect("a server").stats;
        let times = |class: telemetry::CommandClass| {
            let times = stats.response_times[class.index()].snapshot();
            (times.count(), times.sum() / 1000)
        };
        assert_eq!(times(telemetry::CommandClass::Read), (4, 8 + 8 + 5));
        assert_eq!(times(telemetry::CommandClass::Write), (2, 8 + 8));
        assert_eq!((stats.responses.get(), stats.response_bytes.get()), (6, 5 + 7 + 5 + 5 + 9 + 7));
        assert_eq!((stats.hits.get(), stats.misses.get(), stats.error_replies.get()), (2, 2, 1));
        let pool = &w.proxy.pools.values().next().expect("a pool").stats;
        let latency = pool.latency.snapshot();
        assert_eq!((latency.count(), latency.sum() / 1000), (6, 4 * 8 + 5));
        assert_eq!((pool.client_replies.get(), pool.client_reply_bytes.get()), (6, 38));
        assert_eq!((pool.hits.get(), pool.misses.get()), (2, 2));
    }
}
