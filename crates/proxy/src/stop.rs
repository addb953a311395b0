//! The graceful stop: every client that is still connected gets its replies.
//!
//! A client that has sent FIN may have left or may still read; only a send would show which. The stop waits
//! for such clients, and for requests without a reply, only while their servers make progress: once no server
//! has sent or taken anything for [`SILENCE_MAX`], their requests fail. It waits for a client that has not
//! sent FIN until the stop times out, which the loop enforces.

use std::time::Duration;

use net::{ConnId, Instant, Io};

use crate::alarm::Alarm;
use crate::fail::Failure;
use crate::keys::LaneKey;
use crate::proxy::{Proxy, Role, Stop};

/// Time servers may be silent once every client has sent FIN.
const SILENCE_MAX: Duration = Duration::from_secs(1);

impl Proxy {
    /// Stops accepting clients and closes those that are owed nothing.
    pub(crate) fn begin_stop<I: Io>(&mut self, io: &mut I) {
        let now = io.now();
        let unsent = unsent(io, &self.busy_servers(io));
        self.stop = Some(Stop { progress: now, unsent });
        let clients: Vec<ConnId> = self
            .roles
            .iter()
            .filter_map(|(_, role)| if let Role::Client(c) = role { Some(c.id) } else { None })
            .collect();
        for id in clients {
            if let Some(mut client) = self.take_client(id) {
                if self.end_blocked(io, &mut client) {
                    continue;
                }
                client.session.leaving = true;
                self.settle(io, client);
            }
        }
        io.set_timer(now + SILENCE_MAX, Alarm::Stop.token());
    }

    /// Fails the remaining requests once every client has sent FIN and no server makes progress.
    pub(crate) fn continue_stop<I: Io>(&mut self, io: &mut I) {
        let busy = self.busy_servers(io);
        let now = io.now();
        let Some(stop) = &mut self.stop else { return };
        if busy.is_empty() && self.clients == 0 {
            return;
        }
        let unsent = unsent(io, &busy);
        if unsent < std::mem::replace(&mut stop.unsent, unsent) {
            stop.progress = now;
        }
        let heard = busy.iter().map(|(.., progress)| *progress).max();
        let silent_at = heard.unwrap_or_default().max(stop.progress) + SILENCE_MAX;
        let waited_for = self.clients().any(|client| !client.session.ended);
        if silent_at <= now && !waited_for {
            for (lane, id, _) in busy {
                io.abort(id);
                // Nothing is resent after a timeout.
                self.server_lost(io, lane, Failure::TimedOut);
            }
            return;
        }
        let next = if silent_at <= now { now + SILENCE_MAX } else { silent_at };
        io.set_timer(next, Alarm::Stop.token());
    }

    /// Server connections that owe a reply or have unsent bytes, with the time each last sent something.
    fn busy_servers<I: Io>(&self, io: &I) -> Vec<(LaneKey, ConnId, Instant)> {
        let busy = self.lanes().filter_map(|(lane, conn)| {
            let id = conn.conn.filter(|id| !conn.line.is_empty() || io.unsent(*id) > 0)?;
            Some((lane, id, conn.progress))
        });
        busy.collect()
    }
}

/// Bytes that these connections have not taken yet.
fn unsent<I: Io>(io: &I, busy: &[(LaneKey, ConnId, Instant)]) -> usize {
    busy.iter().map(|(_, id, _)| io.unsent(*id)).sum()
}

#[cfg(test)]
mod tests {
    use net::App;

    use super::*;
    use crate::testing::World;

    const POOL: &str =
        "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\"]\ntimeout = \"off\"\n";
    const GET: &[u8] = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n";
    const TIMED_OUT: &[u8] = b"-ERR Connection timed out\r\n";

    /// A proxy that is stopping.
    struct Stopping {
        world: World,
        server: ConnId,
    }

    impl Stopping {
        /// Begins a stop while two clients wait for the server, which has yet to take `unsent` bytes.
        fn new(unsent: usize) -> (Stopping, [ConnId; 2]) {
            let mut world = World::new(POOL);
            let clients = [(); 2].map(|()| world.ask(GET));
            let server = world.server(0);
            world.io.unsent.insert(server, unsent);
            world.proxy.stopping(&mut world.io);
            (Stopping { world, server }, clients)
        }

        fn pass(&mut self, millis: u64) {
            self.world.pass_time(Duration::from_millis(millis));
        }

        fn is_over(&self) -> bool {
            <Proxy as App<crate::testing::FakeIo>>::idle(&self.world.proxy)
        }
    }

    #[test]
    fn nobody_waits_for_a_silent_server_for_clients_that_have_left() {
        let (mut w, clients) = Stopping::new(0);
        w.world.proxy.ended(&mut w.world.io, clients[0]);
        for _ in 0..8 {
            w.pass(1000);
        }
        assert!(!w.is_over(), "one is still there");
        w.world.proxy.ended(&mut w.world.io, clients[1]);
        w.pass(1000);
        assert!(w.is_over() && w.world.io.closed.contains(&w.server));
        // The clients may still read.
        assert_eq!(clients.map(|c| w.world.io.sent(c)), [TIMED_OUT; 2]);
        w.pass(5000);
        assert_eq!(w.world.io.timers.len(), 0);
    }

    #[test]
    fn a_server_that_makes_progress_is_waited_for() {
        let (mut w, clients) = Stopping::new(100);
        for client in &clients {
            w.world.proxy.ended(&mut w.world.io, *client);
        }
        for left in [90, 50, 10] {
            w.pass(900);
            w.world.io.unsent.insert(w.server, left);
            assert!(!w.is_over(), "it reads");
        }
        w.world.io.unsent.clear();
        w.pass(900);
        w.world.receive(w.server, b"$1\r\nx\r\n");
        w.pass(900);
        assert_eq!((w.world.io.sent(clients[0]), w.is_over()), (&b"$1\r\nx\r\n"[..], false));
        w.world.receive(w.server, b"$1\r\ny\r\n");
        assert_eq!((w.world.io.sent(clients[1]), w.is_over()), (&b"$1\r\ny\r\n"[..], true));
    }
}
