//! The moment when requests are written to their server. It divides a request's latency into the time that
//! it waited here (for a connection, for the handshake, behind others, for the end of the turn) and the time
//! that the server took.
//!
//! ```text
//! accepted ── queue time ──▶ written ── response time ──▶ reply
//!    at                    at + queue_us
//! ```
//! The clock is read once after the writes of a turn, for all requests that have left in it. A connection
//! with unwritten requests is listed in [`Proxy::unwritten`], once.

use net::{Instant, Io};

use crate::proxy::Proxy;
use crate::server::Server;
use crate::server::unwritten::Unwritten;

impl Proxy {
    /// Records the queue time of every request that was written since the last call.
    pub(crate) fn record_written<I: Io>(&mut self, io: &I) {
        if self.unwritten.is_empty() {
            return;
        }
        let now = io.clock();
        let servers = &mut self.servers;
        self.unwritten.retain(|lane| {
            servers.get_mut(lane.server).is_some_and(|server| server.record_written(io, lane.number, now))
        });
    }
}

impl Server {
    /// Records the requests of a connection that are written. True if others are not.
    fn record_written<I: Io>(&mut self, io: &I, lane: u16, now: Instant) -> bool {
        let Some(conn) = self.conns.get_mut(lane as usize) else { return false };
        let state = &mut conn.unwritten;
        let left = match conn.conn {
            Some(id) if conn.connected && conn.handshakes == 0 => io.unsent(id),
            Some(_) => state.bytes,
            None => 0,
        };
        let mut written = state.bytes.saturating_sub(left);
        let first = conn.line.len().saturating_sub(state.count as usize);
        // Requests of one turn have waited equally long.
        let mut run = (0, 0);
        for pending in conn.line.range_mut(first..) {
            let len = pending.len as usize;
            if left > 0 && len > written {
                break;
            }
            written = written.saturating_sub(len);
            state.count -= 1;
            state.bytes = state.bytes.saturating_sub(len);
            if pending.owner.is_ours() {
                continue;
            }
            let us = now.micros_since(pending.at);
            pending.queue_us = u32::try_from(us).unwrap_or(u32::MAX);
            if us != run.0 && run.1 > 0 {
                self.stats.queue_time.record_many(run.0, std::mem::take(&mut run.1));
            }
            run = (us, run.1 + 1);
        }
        if run.1 > 0 {
            self.stats.queue_time.record_many(run.0, run.1);
        }
        if left == 0 {
            *state = Unwritten::default();
        }
        state.listed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use net::App;
    use telemetry::CommandClass;

    use crate::testing::{World, lines};

    const POOL: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\"]\n";

    /// Queue times and response times of reads, in milliseconds, each with its number.
    fn times(w: &World) -> [(u64, u64); 2] {
        let stats = &w.proxy.servers.values().next().expect("a server").stats;
        let reads = stats.response_times[CommandClass::Read.index()].snapshot();
        [stats.queue_time.snapshot(), reads].map(|times| (times.count(), times.sum() / 1000))
    }

    fn wait(w: &mut World, ms: u64) {
        w.io.now = w.io.now + Duration::from_millis(ms);
    }

    #[test]
    fn a_request_is_written_once_nothing_before_it_is_unsent() {
        let mut w = World::new(POOL);
        let get = lines(&["get k"]);
        w.ask(&get);
        wait(&mut w, 3);
        w.proxy.written(&mut w.io);
        assert_eq!(times(&w), [(0, 0), (0, 0)], "not before it is connected");
        let server = w.server(0);
        w.ask(&get);
        // The first is written whole, the second in part.
        w.io.unsent.insert(server, 1);
        w.proxy.written(&mut w.io);
        assert_eq!(times(&w), [(1, 3), (0, 0)]);
        wait(&mut w, 4);
        w.io.unsent.clear();
        w.proxy.written(&mut w.io);
        w.proxy.written(&mut w.io);
        assert_eq!(times(&w), [(2, 7), (0, 0)]);
        wait(&mut w, 10);
        w.receive(server, b"$1\r\nv\r\n$1\r\nv\r\n");
        assert_eq!(times(&w), [(2, 7), (2, 24)]);
        assert!(w.proxy.unwritten.is_empty());
    }

    #[test]
    fn a_connection_is_listed_once_however_often_it_is_lost() {
        let mut w = World::new(POOL);
        for n in 0..5 {
            w.ask(lines(&["get k"]));
            let (server, _) = w.io.connects[n];
            w.proxy.failed(&mut w.io, server, net::Fault::Refused);
            w.pass_time(Duration::from_mins(1));
        }
        assert_eq!(w.proxy.unwritten.len(), 1);
        w.proxy.written(&mut w.io);
        assert!(w.proxy.unwritten.is_empty());
    }
}
