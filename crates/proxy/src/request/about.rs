//! `INFO` and `CONFIG GET` of a pool with one server: the client gets that server's answer, corrected where
//! the proxy makes a difference. With several servers, or none that answers, the proxy describes itself.
//!
//! Where `CONFIG SET` is served (`allow = ["admin"]`), `CONFIG GET` shows what it sets: the settings of a
//! server, the first of several, all of which get each `CONFIG SET`.

use net::Io;
use wire::redis::{Local, Permit};

use crate::client::Client;
use crate::gather::{About, Merge};
use crate::keys::{PoolKey, ServerKey};
use crate::proxy::Proxy;
use crate::request::Frame;
use crate::request::forward::Traits;

/// Maps a command to the question about Redis itself that a server answers better than the proxy.
pub(super) fn about(local: Local) -> Option<About> {
    match local {
        Local::Info => Some(About::Info),
        Local::ConfigGet => Some(About::Settings),
        _ => None,
    }
}

impl Proxy {
    /// True if a server is asked: the only one, or for settings any of a pool whose clients may change them.
    pub(super) fn is_asked_of_a_server(&self, pool: PoolKey, about: About) -> bool {
        let servers = &self.pools[pool].servers;
        let is_any = about == About::Settings && self.permits(pool, Permit::Admin);
        let can_be_asked = |server: &ServerKey| {
            let server = &self.servers[*server];
            !server.is_local() && server.is_in_ring()
        };
        (is_any || servers.len() == 1) && servers.iter().any(can_be_asked)
    }

    /// Sends the question to the server in `scratch.parts`.
    pub(super) fn ask_server<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        about: About,
        frame: Frame<'_>,
    ) {
        let gather = self.open_gather(io, client, Merge::About(about, client.session.version()));
        self.gathers.get_mut(gather).keys.0.extend_from_slice(frame.bytes());
        self.gathers.recount(gather);
        self.forward_parts(io, client, gather, frame, Traits::redis(true));
    }
}

#[cfg(test)]
mod tests {
    use net::{App, ConnId, Fault};

    use crate::testing::World;

    const INFO: &[u8] = b"*2\r\n$4\r\ninfo\r\n$6\r\nserver\r\n";
    const SETTINGS: &[u8] = b"*4\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$5\r\nmax*y\r\n$7\r\ntimeout\r\n";
    const GET_ALL: &[u8] = b"*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$1\r\n*\r\n";

    /// A client and the proxy.
    struct Session {
        world: World,
        client: ConnId,
    }

    impl Session {
        fn new(servers: &str, options: &str) -> Session {
            let text = format!("[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = {servers}\n{options}");
            let mut world = World::new(&text);
            let client = world.accept(0);
            Session { world, client }
        }

        fn ask(&mut self, request: &[u8]) {
            self.world.receive(self.client, request);
        }

        /// Checks that the only server was sent `request`, and answers with `reply`.
        fn answer(&mut self, request: &[u8], reply: &[u8]) {
            let conn = self.world.server(0);
            assert_eq!(self.world.io.sent(conn), request);
            self.world.receive(conn, reply);
            assert_eq!(self.world.proxy.gathers.open_count(), 0);
        }

        fn replies(&self) -> String {
            self.world.sent(self.client)
        }
    }

    const ONE: &str = "[\"127.0.0.1:11:1 a\"]";
    const TWO: &str = "[\"127.0.0.1:11:1 a\", \"127.0.0.1:12:1 b\"]";

    fn bulk(text: &str) -> Vec<u8> {
        format!("${}\r\n{text}\r\n", text.len()).into_bytes()
    }

    #[test]
    fn the_only_server_speaks_of_itself() {
        let mut session = Session::new(ONE, "");
        session.ask(INFO);
        let said = bulk("# Server\r\nredis_version:6.2.7\r\nredis_mode:cluster\r\ntcp_port:11\r\n");
        session.answer(INFO, &said);
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            "# Server\r\nredis_version:6.2.7\r\nnuthatch_version:{version}\r\nredis_mode:standalone\r\ntcp_port:11\r\n"
        );
        assert_eq!(session.replies().as_bytes(), bulk(&expected));
    }

    #[test]
    fn settings_of_the_server_but_for_those_of_connections_and_passwords() {
        let mut session = Session::new(ONE, "");
        session.ask(GET_ALL);
        session.answer(
            GET_ALL,
            b"*8\r\n$9\r\nmaxmemory\r\n$3\r\n100\r\n$7\r\ntimeout\r\n$2\r\n77\r\n$11\r\nrequirepass\r\n$6\r\nsecret\r\n\
              $9\r\ndatabases\r\n$2\r\n16\r\n",
        );
        let replies = session.replies();
        assert!(replies.contains("maxmemory\r\n$3\r\n100\r\n"), "{replies}");
        assert!(replies.contains("timeout\r\n$1\r\n0\r\n"), "{replies}");
        assert!(replies.contains("databases\r\n$1\r\n1\r\n"), "{replies}");
        assert!(!replies.contains("secret"), "{replies}");
        assert_eq!(replies.matches("timeout").count(), 1);
    }

    /// The command is refused or renamed at the server, the server is down, or there are two servers.
    #[test]
    fn otherwise_the_proxy_speaks_of_itself() {
        let own = |session: Session| {
            let replies = session.replies();
            assert!(replies.contains("redis_version:7.0.15\r\nnuthatch_version:"), "{replies}");
            assert!(replies.contains("arch_bits:64\r\n"), "{replies}");
            assert!(
                replies.ends_with(
                    "*6\r\n$9\r\nmaxmemory\r\n$1\r\n0\r\n$16\r\nmaxmemory-policy\r\n$10\r\nnoeviction\r\n$7\r\ntimeout\r\n$1\r\n0\r\n"
                ),
                "{replies}"
            );
        };
        let both = [INFO, SETTINGS].concat();
        let mut session = Session::new(ONE, "");
        session.ask(&both);
        session.answer(&both, b"-NOPERM no\r\n-ERR unknown command 'CONFIG'\r\n");
        own(session);
        let mut session = Session::new(ONE, "");
        session.ask(&both);
        let conn = session.world.io.connects[0].0;
        session.world.proxy.failed(&mut session.world.io, conn, Fault::Refused);
        own(session);
        let mut session = Session::new(TWO, "");
        session.ask(&both);
        assert_eq!(session.world.io.connects.len(), 0);
        own(session);
    }

    /// With `allow = ["admin"]` clients set the servers' settings, and are shown those.
    #[test]
    fn settings_are_those_that_clients_may_change() {
        for servers in [ONE, TWO] {
            let mut session = Session::new(servers, "allow = [\"admin\"]\n");
            session.ask(GET_ALL);
            assert_eq!(session.world.io.connects.len(), 1, "one server is asked");
            session.answer(
                GET_ALL,
                b"*8\r\n$7\r\ntimeout\r\n$2\r\n77\r\n$10\r\nmaxclients\r\n$3\r\n500\r\n$11\r\nrequirepass\r\n$6\r\nsecret\r\n\
                  $9\r\ndatabases\r\n$2\r\n16\r\n",
            );
            let replies = session.replies();
            assert!(replies.contains("timeout\r\n$2\r\n77\r\n"), "{replies}");
            assert!(replies.contains("maxclients\r\n$3\r\n500\r\n"), "{replies}");
            assert!(replies.contains("databases\r\n$1\r\n1\r\n"), "no CONFIG SET changes it: {replies}");
            assert!(!replies.contains("secret"), "{replies}");
        }
    }

    #[test]
    fn what_is_no_answer_ends_the_connection_and_the_proxy_speaks_of_itself() {
        let mut session = Session::new(ONE, "");
        session.ask(INFO);
        session.answer(INFO, b":1\r\n");
        assert!(session.replies().contains("arch_bits"), "{}", session.replies());
        assert!(session.world.io.closed.contains(&session.world.io.connects[0].0));
    }

    #[test]
    fn the_embedded_cache_counts_its_keys() {
        let mut session = Session::new("[\"local\"]", "");
        session.ask(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*1\r\n$4\r\nINFO\r\n");
        let replies = session.replies();
        assert!(replies.contains("# Keyspace\r\ndb0:keys=1,avg_ttl=0\r\n"), "{replies}");
        assert!(replies.contains("maxmemory_policy:allkeys-lru\r\n"), "{replies}");
    }
}
