//! Clients that wait for an element of the embedded cache: `BLPOP` and its kin.
//!
//! ```text
//! BLPOP k 5 ▸ the store has nothing ▸ the client waits, its slot reserved; it is not read
//! RPUSH k x, of another client ▸ k is ready ▸ the oldest request that waits for k is executed again ▸ its reply
//! ```
//! A request is executed as if it had come just now; the client is read again after its reply. When its time
//! is over it gets a null array. A client that goes is forgotten, and nothing was taken for it. Each client
//! waits with one request at most, of [`BYTES_MAX`].

use std::time::Duration;

use local::redis::Block;
use net::{ConnId, Io};
use telemetry::CommandClass;
use wire::redis::{Args, encode};

use crate::alarm::Alarm;
use crate::blocked::{Blocked, Waiting};
use crate::client::{Client, Reply, Seq, Wait};
use crate::keys::ServerKey;
use crate::proxy::Proxy;
use crate::request::embedded::wall_ms;

/// Most bytes of a request that waits.
const BYTES_MAX: usize = 64 * 1024;
const TOO_LONG: &[u8] = b"-ERR a request that waits may have 64 KB at most\r\n";
/// The longest wait that a timer is set for; longer ones are set again.
const TIMER_MAX: Duration = Duration::from_hours(24);

impl Proxy {
    /// Makes a client wait for the reply to the request that it has just sent.
    pub(super) fn block_client<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        server: ServerKey,
        frame: &[u8],
        block: Block,
    ) {
        if frame.len() > BYTES_MAX {
            return self.give(io, client, TOO_LONG);
        }
        let deadline = block.timeout_ms.map(|ms| io.now() + Duration::from_millis(ms.min(u64::MAX >> 20)));
        let Blocked { requests, by_key, by_client, deadlines, last } = &mut self.blocked;
        *last += 1;
        for key in &block.keys {
            if by_key.entry(key.clone()).or_default().insert(*last) {
                self.store.wait_for(key);
            }
        }
        by_client.insert(client.id, *last);
        deadlines.extend(deadline.map(|deadline| (deadline, *last)));
        let waiting = Waiting {
            client: client.id,
            seq: client.next_seq(),
            server,
            frame: block.request.unwrap_or_else(|| frame.into()),
            keys: block.keys,
            deadline,
        };
        requests.insert(*last, waiting);
        client.add_slot();
        client.session.paused = Some(Wait::Block);
        self.set_block_timer(io);
    }

    fn set_block_timer<I: Io>(&self, io: &mut I) {
        if let Some((deadline, _)) = self.blocked.deadlines.first() {
            let at = (*deadline).min(io.now() + TIMER_MAX);
            io.set_timer(at, Alarm::Blocked.token());
        }
    }

    /// Serves those who wait for keys that have changed.
    #[cold]
    pub(super) fn serve_blocked<I: Io>(&mut self, io: &mut I) {
        while self.store.has_ready() {
            for key in self.store.take_ready() {
                let ids: Vec<u64> = self.blocked.by_key.get(&key).into_iter().flatten().copied().collect();
                for id in ids {
                    if !self.retry(io, id, &key) {
                        break;
                    }
                }
            }
        }
    }

    /// Executes a waiting request again. False if it goes on waiting for want of an element.
    fn retry<I: Io>(&mut self, io: &mut I, id: u64, ready: &[u8]) -> bool {
        let Some(waiting) = self.blocked.requests.get(&id) else { return true };
        let (conn, seq, server) = (waiting.client, waiting.seq, waiting.server);
        let frame = waiting.frame.clone();
        let Some(client) = self.take_client(conn) else { return true };
        let block = self.execute_local(io, &client, (server, CommandClass::Other), &frame, Some(ready));
        self.put_client(client);
        if block.is_some() {
            return false;
        }
        // A key of another type, which this one goes on waiting to see removed, as in Redis; but a
        // destination of another type is an error.
        let is_wrong_type = self.scratch.local.starts_with(b"-WRONGTYPE");
        if is_wrong_type && !(moves_elements(&frame) && self.store.holds_list(ready, wall_ms(io))) {
            return true;
        }
        let reply = std::mem::take(&mut self.scratch.local);
        self.end_block(io, id, conn, seq, &reply);
        self.scratch.local = reply;
        true
    }

    fn end_block<I: Io>(&mut self, io: &mut I, id: u64, conn: ConnId, seq: Seq, reply: &[u8]) {
        self.forget_block(id);
        let Some(mut client) = self.take_client(conn) else { return };
        self.pools[client.pool].count_reply(reply.len());
        client.fulfil(io, seq, Reply::Slice(reply));
        client.session.paused = None;
        self.settle(io, client);
        // What came meanwhile is shown again.
        io.pause(conn);
        io.resume(conn);
    }

    fn forget_block(&mut self, id: u64) {
        let Blocked { requests, by_key, by_client, deadlines, .. } = &mut self.blocked;
        let Some(waiting) = requests.remove(&id) else { return };
        by_client.remove(&waiting.client);
        if let Some(deadline) = waiting.deadline {
            deadlines.remove(&(deadline, id));
        }
        for key in &waiting.keys {
            let Some(ids) = by_key.get_mut(key) else { continue };
            if ids.remove(&id) {
                self.store.stop_waiting(key);
            }
            if ids.is_empty() {
                by_key.remove(key);
            }
        }
    }

    /// Forgets what a client waits for that goes.
    pub(crate) fn forget_blocked_client(&mut self, conn: ConnId) {
        if let Some(id) = self.blocked.by_client.get(&conn) {
            self.forget_block(*id);
        }
    }

    /// Answers those whose time is over.
    pub(crate) fn end_blocks<I: Io>(&mut self, io: &mut I) {
        let now = io.now();
        while let Some(&(deadline, id)) = self.blocked.deadlines.first()
            && deadline <= now
        {
            let Some(waiting) = self.blocked.requests.get(&id) else { break };
            let (conn, seq) = (waiting.client, waiting.seq);
            let mut reply = Vec::new();
            let version = self.client_mut(conn).map(|client| client.session.version()).unwrap_or_default();
            encode::null_array(&mut reply, version);
            self.end_block(io, id, conn, seq, &reply);
        }
        self.set_block_timer(io);
    }
}

/// True for a request that waits for an element of one list to push it to another.
fn moves_elements(frame: &[u8]) -> bool {
    let name = Args::of(frame).and_then(|mut args| args.next());
    name.is_some_and(|name| name.is("blmove") || name.is("brpoplpush"))
}

#[cfg(test)]
mod tests {
    use net::App;

    use super::*;
    use crate::testing::World;

    const POOL: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"local\"]\n";
    const ONE: &str = "*2\r\n$1\r\nk\r\n$1\r\n1\r\n";

    fn send(w: &mut World, client: ConnId, lines: &[&str]) {
        let mut bytes = Vec::new();
        lines
            .iter()
            .for_each(|line| wire::redis::encode_inline(line.as_bytes(), &mut bytes).map(drop).unwrap());
        w.receive(client, &bytes);
    }

    #[test]
    fn the_oldest_request_gets_the_element_and_later_requests_of_its_client_wait() {
        let mut w = World::new(POOL);
        let clients: Vec<ConnId> = (0..3).map(|_| w.accept(0)).collect();
        send(&mut w, clients[0], &["BLPOP k 0", "PING"]);
        send(&mut w, clients[1], &["BRPOP other k 5"]);
        assert_eq!([w.sent(clients[0]), w.sent(clients[1])], ["", ""]);
        send(&mut w, clients[2], &["RPUSH k 1", "LLEN k"]);
        assert_eq!([w.sent(clients[0]), w.sent(clients[1])], [ONE, ""]);
        assert_eq!(w.sent(clients[2]), ":1\r\n:0\r\n");
        assert_eq!(w.proxy.client_mut(clients[0]).map(|client| client.session.paused), Some(None));
        let other = w.accept(0);
        send(&mut w, other, &["SET k x", "DEL k", "LPUSH k 1"]);
        assert_eq!(w.sent(clients[1]), ONE, "a string was nothing for it");
        assert_eq!(w.proxy.blocked.by_key.len(), 0);
        assert!(!w.proxy.store.has_ready());
    }

    #[test]
    fn readers_of_a_stream_wait_from_its_end_on() {
        let mut w = World::new(POOL);
        let (first, second, third) = (w.accept(0), w.accept(0), w.accept(0));
        send(&mut w, third, &["XADD k 1-1 f v", "XGROUP CREATE k g $"]);
        send(&mut w, first, &["XREAD BLOCK 0 STREAMS other k 0 $", "PING"]);
        send(&mut w, second, &["XREADGROUP GROUP g anna BLOCK 0 STREAMS k >"]);
        assert_eq!([w.sent(first), w.sent(second)], ["", ""]);
        send(&mut w, third, &["SET other x", "XADD k 1-2 f w"]);
        let entry = "*1\r\n*2\r\n$1\r\nk\r\n*1\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\nf\r\n$1\r\nw\r\n";
        assert_eq!([w.sent(first), w.sent(second)], [entry, entry]);
        send(&mut w, second, &["XREADGROUP GROUP g anna BLOCK 0 STREAMS k >"]);
        send(&mut w, third, &["DEL k"]);
        assert!(w.sent(second).ends_with("-UNBLOCKED the stream key no longer exists\r\n"));
        assert!(w.proxy.blocked.requests.is_empty() && w.proxy.blocked.by_client.is_empty());
    }

    #[test]
    fn time_is_over_and_clients_go() {
        let mut w = World::new(POOL);
        let (first, second, third) = (w.accept(0), w.accept(0), w.accept(0));
        send(&mut w, first, &["BLPOP k 0.5"]);
        send(&mut w, second, &["BZPOPMIN k z 0"]);
        send(&mut w, third, &["BLMOVE k l LEFT RIGHT 0"]);
        w.io.now = w.io.now + Duration::from_millis(500);
        w.proxy.timer(&mut w.io, Alarm::Blocked.token());
        assert_eq!(w.sent(first), "*-1\r\n");
        w.proxy.ended(&mut w.io, third);
        send(&mut w, first, &["RPUSH k 1", "ZADD z 1 m"]);
        assert_eq!(w.sent(first), "*-1\r\n:1\r\n:1\r\n", "nothing was taken for the one that went");
        assert_eq!(w.sent(second), "*3\r\n$1\r\nz\r\n$1\r\nm\r\n$1\r\n1\r\n");
        assert!(w.proxy.blocked.requests.is_empty() && w.proxy.blocked.by_client.is_empty());
    }

    #[test]
    fn a_destination_of_another_type_is_an_error_and_the_next_one_is_served() {
        let mut w = World::new(POOL);
        let (first, second, third) = (w.accept(0), w.accept(0), w.accept(0));
        send(&mut w, third, &["SET text x"]);
        send(&mut w, first, &["BRPOPLPUSH a text 0"]);
        send(&mut w, second, &["BLMOVE a b LEFT LEFT 0"]);
        send(&mut w, third, &["SET a x"]);
        assert_eq!([w.sent(first), w.sent(second)], ["", ""], "a string is nothing to wait for");
        send(&mut w, third, &["DEL a", "RPUSH a 1"]);
        let error = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
        assert_eq!([w.sent(first), w.sent(second)], [error, "$1\r\n1\r\n"]);
    }

    #[test]
    fn an_element_is_handed_on_from_list_to_list() {
        let mut w = World::new(POOL);
        let (first, second, third) = (w.accept(0), w.accept(0), w.accept(0));
        send(&mut w, first, &["BLPOP c 0"]);
        send(&mut w, second, &["BLMOVE b c LEFT LEFT 0"]);
        send(&mut w, third, &["RPUSH b 1"]);
        assert_eq!(w.sent(first), "*2\r\n$1\r\nc\r\n$1\r\n1\r\n");
        assert_eq!(w.sent(second), "$1\r\n1\r\n");
    }
}
