//! `SCAN` over all servers of a pool, one after another.
//!
//! ```text
//! 0 ▸ first server … its cursor is 0 again ▸ second server (cursor 1) … last server's cursor is 0 ▸ 0: the end
//! ```
//! The cursor ([`cursor`]) is all the state there is, so that a client may continue through another proxy of
//! the same configuration. It is a decimal number below 2^64, as in Redis, whose own cursors are far below
//! that. In a pool with one server it is the server's own. A server that is ejected is left out, as it is by
//! other commands.

use net::Io;
use wire::redis::{Args, encode};

use crate::client::Client;
use crate::cursor;
use crate::gather::Merge;
use crate::proxy::{Part, Proxy};
use crate::request::Frame;
use crate::request::forward::Traits;

const INVALID: &[u8] = b"-ERR invalid cursor\r\n";
const END: &[u8] = b"*2\r\n$1\r\n0\r\n*0\r\n";

/// The plan for one request of a `SCAN`.
pub(super) enum Scan {
    /// The pool has one server, which gets it unchanged.
    Only,
    /// One of the servers gets it.
    Step(ScanStep),
    /// No server: the reply.
    Reply(&'static [u8]),
}

/// One request of a `SCAN`: its server, which is in `scratch.parts`, and that server's cursor.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScanStep {
    at: u16,
    count: u16,
    cursor: u64,
}

impl Proxy {
    /// Plans a `SCAN` with these arguments, the name first.
    pub(super) fn plan_scan(&mut self, client: &Client, mut args: Args<'_>) -> Scan {
        let servers = &self.pools[client.pool].servers;
        let count = servers.len() as u64;
        if count <= 1 {
            return Scan::Only;
        }
        let Some(cursor) = args.nth(1).and_then(|cursor| cursor::parse(cursor.bytes())) else {
            return Scan::Reply(INVALID);
        };
        let (first, cursor) = cursor::split(cursor, count);
        let slots = self.pools[client.pool].placement.slots();
        let reachable = |at: &u64| {
            let server = servers[*at as usize];
            self.servers[server].is_in_ring() && slots.is_none_or(|slots| slots.is_owner(server))
        };
        let Some(at) = (first..count).find(reachable) else { return Scan::Reply(END) };
        let lane = Some(self.servers[servers[at as usize]].lane_of(client));
        self.scratch.parts.clear();
        self.scratch.parts.push(Part { lane, group: None, keys: 1, refused: false });
        self.scratch.order.clear();
        // The cursor of a server that is left out means nothing to the next one.
        let cursor = if at == first { cursor } else { 0 };
        Scan::Step(ScanStep { at: at as u16, count: count as u16, cursor })
    }

    /// Sends the server its part, with its own cursor.
    pub(super) fn send_scan<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        step: ScanStep,
        args: Args<'_>,
    ) {
        let ScanStep { at, count, cursor } = step;
        let mut request = Vec::new();
        encode::array(&mut request, args.count_left());
        encode::bulk(&mut request, b"SCAN");
        encode::bulk(&mut request, cursor.to_string().as_bytes());
        args.skip(2).for_each(|argument| request.extend_from_slice(argument.encoded()));
        let gather = self.open_gather(io, client, Merge::Scan { at, count });
        self.forward_parts(io, client, gather, Frame::Slice(&request), Traits::redis(true));
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::World;

    const THREE: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nauto_eject_hosts = true\nserver_failure_limit = 1\n\
                         servers = [\"127.0.0.1:11:1 a\", \"127.0.0.1:12:1 b\", \"127.0.0.1:13:1 c\"]\n";

    fn scan(cursor: u64, rest: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        wire::redis::encode_inline(format!("SCAN {cursor} {rest}").as_bytes(), &mut bytes).unwrap();
        bytes
    }

    fn reply(cursor: u64, key: &str) -> String {
        let cursor = cursor.to_string();
        format!("*2\r\n${}\r\n{cursor}\r\n*1\r\n${}\r\n{key}\r\n", cursor.len(), key.len())
    }

    #[test]
    fn every_server_is_scanned_to_its_end_and_then_the_next() {
        let mut w = World::new(THREE);
        let client = w.accept(0);
        // Cursor, its server, that server's cursor and answer, the next cursor.
        let steps = [
            (0, 0, 0, 17, 51),
            (51, 0, 17, 0, 1),
            (1, 1, 0, u64::MAX >> 16, (u64::MAX >> 16) * 3 + 1),
            ((u64::MAX >> 16) * 3 + 1, 1, u64::MAX >> 16, 0, 2),
            (2, 2, 0, 0, 0),
        ];
        for (cursor, server, asked, answers, next) in steps {
            let before = w.sent(client).len();
            w.receive(client, &scan(cursor, "MATCH k* COUNT 5"));
            let conn = w.server(server);
            assert!(w.io.sent(conn).ends_with(&scan(asked, "MATCH k* COUNT 5")), "{}", w.sent(conn));
            w.receive(conn, reply(answers, "k").as_bytes());
            assert_eq!(w.sent(client)[before..], reply(next, "k"));
        }
        assert_eq!(w.proxy.gathers.open_count(), 0);
    }

    #[test]
    fn cursors_that_nobody_gave_and_servers_that_are_out() {
        let mut w = World::new(THREE);
        let client = w.accept(0);
        for cursor in ["x", "-1", "18446744073709551616", "1.5"] {
            let before = w.sent(client).len();
            let mut bytes = Vec::new();
            wire::redis::encode_inline(format!("SCAN {cursor}").as_bytes(), &mut bytes).unwrap();
            w.receive(client, &bytes);
            assert_eq!(&w.sent(client)[before..], "-ERR invalid cursor\r\n");
        }
        let before = w.sent(client).len();
        w.receive(client, &scan(1, ""));
        let conn = w.server(0);
        w.receive(conn, reply(u64::MAX, "k").as_bytes());
        let error = "-ERR the cursor of the server is too large to be passed on\r\n";
        assert_eq!(&w.sent(client)[before..], error);
        w.receive(client, &scan(7 * 3 + 1, ""));
        w.proxy.servers.values_mut().nth(1).unwrap().health.state = crate::server::health::State::Ejected;
        w.receive(client, &scan(7 * 3 + 1, ""));
        let last = w.server(1);
        assert_eq!(w.io.sent(last), scan(0, ""), "the next server begins at its beginning");
    }
}
