//! Requests for every server of a pool: each server gets the request unchanged, and the replies are merged
//! into one.
//!
//! memcached requests go to ejected servers too: `flush_all` must not miss one, unless the operator has
//! drained it. Redis requests do not: an ejected server gets no traffic that could need a script, and if it
//! comes back without one it answers `NOSCRIPT`, whereupon clients load it again.

use net::Io;
use wire::redis::{Command, Permit};

use crate::client::Client;
use crate::gather::GatherId;
use crate::keys::{LaneKey, PoolKey, ServerKey};
use crate::proxy::{Part, Proxy};
use crate::request::Frame;
use crate::request::forward::Traits;
use crate::request::split::merge_of;
use crate::server::Server;

impl Proxy {
    /// Sends the request to each server in `scratch.parts`. An error names its server.
    pub(super) fn broadcast_redis<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        merge: wire::redis::Merge,
        frame: Frame<'_>,
        traits: Traits,
    ) {
        let gather = self.open_gather(io, client, merge_of(merge));
        self.gathers.get_mut(gather).names_servers = true;
        self.forward_parts(io, client, gather, frame, traits);
    }

    /// True if a pool serves commands that need this permission. The embedded cache may always be emptied.
    pub(super) fn permits(&self, pool: PoolKey, permit: Permit) -> bool {
        let pool = &self.pools[pool];
        let is_local = || pool.servers.iter().all(|server| self.servers[*server].is_local());
        permit == Permit::Always
            || pool.config.allow.contains(&permit)
            || (permit == Permit::Flush && is_local())
    }

    /// The client's connection to the first server in the ring, or to the first master of a cluster; None if
    /// no server is left.
    pub(super) fn any_lane(&self, client: &Client) -> Option<LaneKey> {
        let pool = &self.pools[client.pool];
        let slots = pool.placement.slots();
        let may = |server: &&ServerKey| {
            self.servers[**server].is_in_ring() && slots.is_none_or(|slots| slots.is_owner(**server))
        };
        pool.servers.iter().find(may).map(|server| self.servers[*server].lane_of(client))
    }

    /// Fills `scratch.parts` with the servers of a client's pool that may be asked.
    pub(super) fn list_servers(&mut self, client: &Client, may: impl Fn(&Server) -> bool) {
        let servers = self.pools[client.pool].servers.iter().map(|server| &self.servers[*server]);
        let chosen = servers.filter(|server| may(server));
        let parts = chosen.map(|server| Part {
            lane: Some(server.lane_of(client)),
            group: None,
            keys: 1,
            refused: false,
        });
        self.scratch.parts.clear();
        self.scratch.parts.extend(parts);
        self.scratch.order.clear();
    }

    /// Takes replicas, and masters without slots, out of `scratch.parts`: they refuse what changes anything,
    /// and what they have is counted at their masters.
    pub(super) fn leave_out_replicas(&mut self, pool: PoolKey) {
        if let Some(slots) = self.pools[pool].placement.slots() {
            self.scratch.parts.retain(|part| part.lane.is_some_and(|lane| slots.is_owner(lane.server)));
        }
    }

    /// Has the parts in `scratch.parts` sent over the subscription connections. What ends a script that
    /// runs would wait for it behind the script; a server takes a new connection meanwhile.
    #[cold]
    pub(super) fn pass_by_scripts(&mut self) {
        for lane in self.scratch.parts.iter_mut().filter_map(|part| part.lane.as_mut()) {
            lane.number = self.servers[lane.server].subscription_lane();
        }
    }

    /// Forwards the request to each server in `scratch.parts`.
    pub(super) fn forward_parts<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        gather: GatherId,
        frame: Frame<'_>,
        traits: Traits,
    ) {
        for part in 0..self.scratch.parts.len() {
            self.forward_part(io, client, (gather, part as u16), frame, traits);
        }
    }
}

/// True for a command that ends a script that runs.
pub(super) fn ends_scripts(command: &Command) -> bool {
    matches!(command.name, "script|kill" | "function|kill")
}

#[cfg(test)]
mod tests {
    use net::{App, ConnId, Fault, Input, Peer};

    use crate::proxy::Proxy;
    use crate::testing::{FakeIo, proxy};

    const POOL: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nauto_eject_hosts = true\nserver_failure_limit = 1\n\
                        servers = [\"127.0.0.1:11:1 a\", \"127.0.0.1:12:1 b\", \"127.0.0.1:13:1 c\"]\n";
    const EXISTS: &[u8] = b"*4\r\n$6\r\nSCRIPT\r\n$6\r\nEXISTS\r\n$1\r\nx\r\n$1\r\ny\r\n";
    const LOAD: &[u8] = b"*3\r\n$6\r\nscript\r\n$4\r\nload\r\n$8\r\nreturn 1\r\n";
    const FLUSH: &[u8] = b"*2\r\n$6\r\nSCRIPT\r\n$5\r\nFLUSH\r\n";
    const DBSIZE: &[u8] = b"*1\r\n$6\r\nDBSIZE\r\n";

    /// A server's answer to its part.
    enum Server {
        Says(&'static [u8]),
        Refuses,
    }
    use Server::{Refuses, Says};

    fn ask(io: &mut FakeIo, proxy: &mut Proxy, request: &[u8]) -> ConnId {
        let client = io.open();
        proxy.accepted(io, 0, client, Peer::Unix);
        proxy.received(io, client, &mut Input::scratch(request));
        client
    }

    fn check(request: &'static [u8], servers: [Server; 3], wanted: &[u8]) {
        let mut io = FakeIo::default();
        let mut proxy = proxy(&mut io, POOL);
        let client = ask(&mut io, &mut proxy, request);
        let conns: Vec<ConnId> = io.connects.iter().map(|(id, _)| *id).collect();
        assert_eq!(conns.len(), 3, "each server is asked");
        for (conn, server) in conns.into_iter().zip(servers).rev() {
            assert_eq!(io.sent(client), b"", "not before all have answered");
            assert_eq!(io.sent(conn), request);
            match server {
                Says(reply) => {
                    proxy.connected(&mut io, conn);
                    proxy.received(&mut io, conn, &mut Input::scratch(reply));
                }
                Refuses => proxy.failed(&mut io, conn, Fault::Refused),
            }
        }
        assert_eq!(io.sent(client).escape_ascii().to_string(), wanted.escape_ascii().to_string());
        assert_eq!(proxy.gathers.open_count(), 0);
    }

    #[test]
    fn replies_become_one() {
        let sha = b"$3\r\nabc\r\n";
        check(LOAD, [Says(sha), Says(sha), Says(sha)], sha);
        check(LOAD, [Says(sha), Says(b"$3\r\nabd\r\n"), Says(sha)], b"-ERR Invalid argument\r\n");
        let (both, none) = (b"*2\r\n:1\r\n:1\r\n", b"*2\r\n:0\r\n:0\r\n");
        check(EXISTS, [Says(both), Says(both), Says(both)], both);
        check(EXISTS, [Says(both), Says(b"*2\r\n:0\r\n:1\r\n"), Says(both)], b"*2\r\n:0\r\n:1\r\n");
        check(EXISTS, [Says(b"*2\r\n:1\r\n:0\r\n"), Says(b"*2\r\n:0\r\n:1\r\n"), Says(both)], none);
        check(EXISTS, [Says(both), Says(b"*1\r\n:1\r\n"), Says(both)], b"-ERR Invalid argument\r\n");
        check(EXISTS, [Says(both), Says(b"*2\r\n:1\r\n+x\r\n"), Says(both)], b"-ERR Invalid argument\r\n");
        check(FLUSH, [Says(b"+OK\r\n"), Says(b"+OK\r\n"), Says(b"+OK\r\n")], b"+OK\r\n");
        check(
            FLUSH,
            [Says(b"+OK\r\n"), Says(b":1\r\n"), Says(b"+OK\r\n")],
            b"-ERR Invalid argument (server b)\r\n",
        );
        check(DBSIZE, [Says(b":3\r\n"), Says(b":0\r\n"), Says(b":40\r\n")], b":43\r\n");
    }

    #[test]
    fn of_all_servers_together() {
        let keys =
            |keys: &[u8]| [b"*2\r\n$4\r\nKEYS\r\n$1\r\n", keys, b"\r\n"].concat().leak() as &'static [u8];
        check(
            keys(b"*"),
            [Says(b"*1\r\n$1\r\na\r\n"), Says(b"*0\r\n"), Says(b"*2\r\n$1\r\nb\r\n$1\r\nc\r\n")],
            b"*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n",
        );
        let any = b"*1\r\n$9\r\nRANDOMKEY\r\n";
        check(any, [Says(b"$-1\r\n"), Says(b"$1\r\nb\r\n"), Says(b"$-1\r\n")], b"$1\r\nb\r\n");
        check(any, [Says(b"$-1\r\n"), Says(b"$-1\r\n"), Says(b"$-1\r\n")], b"$-1\r\n");
    }

    /// It would end only after the script that it is to end.
    #[test]
    fn what_ends_a_script_does_not_wait_behind_it() {
        const HELLO: &str = "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n";
        let idle = "-NOTBUSY No scripts in execution right now.\r\n";
        let none = "-NOTBUSY No scripts in execution right now. (server a)\r\n";
        for (kill, replies, wanted) in
            [("SCRIPT KILL", [idle, "+OK\r\n", idle], "+OK\r\n"), ("function kill", [idle; 3], none)]
        {
            let mut w = crate::testing::World::new(POOL);
            let inline = |line: &str| {
                let mut request = Vec::new();
                wire::redis::encode_inline(line.as_bytes(), &mut request).unwrap();
                String::from_utf8(request).unwrap()
            };
            w.ask(inline("EVAL script 1 k"));
            let busy = w.io.connects[0].0;
            w.proxy.connected(&mut w.io, busy);
            let at_busy = w.sent(busy).len();
            let client = w.ask(inline(kill));
            let conns: Vec<ConnId> = w.io.connects[1..].iter().map(|(id, _)| *id).collect();
            assert_eq!(conns.len(), 3);
            for (conn, reply) in conns.into_iter().zip(replies) {
                w.proxy.connected(&mut w.io, conn);
                assert_eq!(w.sent(conn), HELLO);
                w.proxy.received(&mut w.io, conn, &mut Input::scratch(b"%0\r\n"));
                assert_eq!(w.sent(conn), HELLO.to_owned() + &inline(kill));
                assert_eq!(w.sent(client), "", "not before all have answered");
                w.proxy.received(&mut w.io, conn, &mut Input::scratch(reply.as_bytes()));
            }
            assert_eq!((w.sent(client), w.sent(busy).len()), (wanted.to_owned(), at_busy), "{kill}");
        }
    }

    /// A pool of one or two servers, or the embedded cache; its `allow`; a request; whether a server gets it.
    #[test]
    fn what_is_permitted_and_what_needs_a_pool_with_one_server() {
        let (one, two, local) =
            ("\"127.0.0.1:11:1 a\"", "\"127.0.0.1:11:1 a\", \"127.0.0.1:12:1 b\"", "\"local\"");
        let cases = [
            (
                two,
                "",
                "FLUSHALL",
                "-ERR 'flushall' is not allowed in this pool: it empties all servers; if it is meant, set allow = [\"flush\"] of the pool\r\n",
            ),
            (two, "flush", "FLUSHALL", ""),
            (one, "flush", "flushdb ASYNC", ""),
            (local, "", "FLUSHALL", "+OK\r\n"),
            (
                one,
                "flush",
                "CONFIG SET a b",
                "-ERR 'config|set' is not allowed in this pool: it changes the servers themselves; if it is meant, set allow = [\"admin\"] of the pool\r\n",
            ),
            (one, "admin", "CONFIG SET a b", ""),
            (one, "", "EVAL x 0", ""),
            (
                two,
                "",
                "EVAL x 0",
                "-ERR 'eval' needs at least one key here, to find its server by; give it one, used or not\r\n",
            ),
            (one, "", "ROLE", ""),
            (
                two,
                "",
                "ROLE",
                "-ERR unknown command 'role', unsupported by this proxy: it tells about one server; ask that server itself\r\n",
            ),
            (two, "", "FUNCTION LIST", ""),
        ];
        for (servers, allow, line, answer) in cases {
            let allow = if allow.is_empty() { String::new() } else { format!("allow = [\"{allow}\"]\n") };
            let text = format!("[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [{servers}]\n{allow}");
            let mut w = crate::testing::World::new(&text);
            let mut request = Vec::new();
            wire::redis::encode_inline(line.as_bytes(), &mut request).unwrap();
            let client = w.ask(&request);
            assert_eq!(w.sent(client), answer, "{line}");
            assert_eq!(w.io.connects.is_empty(), !answer.is_empty(), "{line}");
        }
    }

    #[test]
    fn an_error_of_any_server_is_the_reply_and_names_it() {
        let ok = || Says(b"+OK\r\n");
        let denied = b"-NOPERM this user has no permissions\r\n";
        check(FLUSH, [ok(), ok(), Says(denied)], b"-NOPERM this user has no permissions (server c)\r\n");
        check(FLUSH, [ok(), Refuses, ok()], b"-ERR Connection refused (server b)\r\n");
    }

    #[test]
    fn an_ejected_server_is_left_out() {
        let mut io = FakeIo::default();
        let mut proxy = proxy(&mut io, POOL);
        let first = ask(&mut io, &mut proxy, FLUSH);
        for (conn, _) in io.connects.clone() {
            proxy.failed(&mut io, conn, Fault::Refused);
        }
        assert_eq!(io.sent(first), b"-ERR Connection refused (server a)\r\n");
        let second = ask(&mut io, &mut proxy, FLUSH);
        assert_eq!(io.sent(second), b"-ERR Connection refused\r\n", "nobody is left to ask");
        assert_eq!(io.connects.len(), 3);
    }
}
