//! `SELECT`: the database that a client uses, in a pool that has several (`databases`).
//!
//! Each database has server connections of its own, opened when they are first needed, so that a client
//! which chooses one changes nothing for others. A client's choice waits until it has all its replies: its
//! next requests go out on other connections, and must not overtake those before.

use net::Io;
use wire::redis::{Args, integer};

use super::OK;
use crate::client::Client;
use crate::proxy::Proxy;

const OUT_OF_RANGE: &[u8] = b"-ERR DB index is out of range\r\n";
const NO_NUMBER: &[u8] = b"-ERR value is not an integer or out of range\r\n";
const WATCHED: &[u8] =
    b"-ERR another database cannot be selected while keys are watched: send UNWATCH first\r\n";

impl Proxy {
    /// Handles `SELECT index`: one of the pool's databases, or its own if it has no others.
    pub(super) fn select<I: Io>(&mut self, io: &mut I, client: &mut Client, mut args: Args<'_>) {
        let config = &self.pools[client.pool].config;
        let (served, databases) = (config.db, config.databases);
        match args.next().and_then(|index| integer(index.bytes())) {
            Some(wanted) if databases > 1 => self.choose_database(io, client, wanted),
            Some(wanted) if wanted == i64::from(served) => self.give(io, client, OK),
            Some(wanted) => {
                if self.unsupported(client) {
                    return;
                }
                let error = format!(
                    "-ERR DB index is out of range: this pool serves database {served} only, not {wanted} (set the pool's \
                     db or databases, or use another pool)\r\n"
                );
                self.reject(io, client, true, error.as_bytes());
                self.tell_refused(io.now(), client.pool, "select");
            }
            None if databases > 1 => self.give(io, client, NO_NUMBER),
            None => self.reject(io, client, true, NO_NUMBER),
        }
    }

    fn choose_database<I: Io>(&mut self, io: &mut I, client: &mut Client, wanted: i64) {
        let config = &self.pools[client.pool].config;
        let is_there = |wanted: &u16| u32::from(*wanted) < config.databases;
        let Some(wanted) = u16::try_from(wanted).ok().filter(is_there) else {
            return self.give(io, client, OUT_OF_RANGE);
        };
        let is_current = client.session.db.map_or(config.db, u32::from) == u32::from(wanted);
        if !is_current && client.session.watched().is_some() {
            return self.give(io, client, WATCHED);
        }
        client.session.db = Some(wanted).filter(|wanted| u32::from(*wanted) != config.db);
        self.give(io, client, OK);
    }
}

#[cfg(test)]
mod tests {
    use net::ConnId;

    use crate::server::health::State;
    use crate::testing::{World, lines, reply, send, settings};

    const POOL: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\"]\ndatabases = 4\ndb = 1\n\
                        auto_eject_hosts = true\nserver_failure_limit = 1\n";

    fn text(requests: &[&str]) -> String {
        String::from_utf8(lines(requests)).unwrap()
    }

    /// The `n`th server connection, once it was told to select a database.
    fn of_database(w: &mut World, n: usize, db: u32) -> ConnId {
        let server = w.server(n);
        let select = if db == 0 { String::new() } else { format!("*2\r\n$6\r\nSELECT\r\n$1\r\n{db}\r\n") };
        assert!(w.sent(server).starts_with(&select), "{}", w.sent(server));
        if db > 0 {
            reply(w, server, "+OK\r\n");
        }
        server
    }

    #[test]
    fn each_database_has_its_connection_and_clients_share_it() {
        let mut w = World::new(POOL);
        let clients = [w.accept(0), w.accept(0), w.accept(0)];
        send(&mut w, clients[0], &["GET own"]);
        of_database(&mut w, 0, 1);
        send(&mut w, clients[1], &["SELECT 3", "GET three"]);
        let third = of_database(&mut w, 1, 3);
        send(&mut w, clients[2], &["SELECT 0", "SET zero 0"]);
        let zero = of_database(&mut w, 2, 0);
        assert!(w.sent(zero).ends_with(&text(&["SET zero 0"])));
        send(&mut w, clients[0], &[]);
        reply(&mut w, third, "$1\r\n3\r\n");
        assert_eq!(w.sent(clients[1]), "+OK\r\n$1\r\n3\r\n");
        reply(&mut w, zero, "+OK\r\n");
        send(&mut w, clients[2], &["SELECT 3", "GET too"]);
        assert!(w.sent(third).ends_with(&text(&["GET three", "GET too"])));
        assert_eq!(w.io.connects.len(), 3);
    }

    #[test]
    fn a_choice_waits_for_earlier_requests_and_bad_ones_change_nothing() {
        let mut w = World::new(POOL);
        let client = w.accept(0);
        let (get, select) = (lines(&["GET a"]), lines(&["SELECT 2"]));
        assert_eq!(w.receive(client, &[&get[..], &select].concat()), get.len());
        let server = of_database(&mut w, 0, 1);
        reply(&mut w, server, "$-1\r\n");
        assert_eq!(w.receive(client, &select), select.len());
        send(&mut w, client, &["SELECT 4", "SELECT -1", "SELECT x", "SELECT 1"]);
        let range = "-ERR DB index is out of range\r\n";
        let integer = "-ERR value is not an integer or out of range\r\n";
        assert_eq!(w.sent(client), format!("$-1\r\n+OK\r\n{range}{range}{integer}+OK\r\n"));
    }

    #[test]
    fn private_connections_are_of_one_database() {
        let mut w = World::new(POOL);
        let client = w.accept(0);
        send(&mut w, client, &["SELECT 2", "WATCH k"]);
        let private = of_database(&mut w, 0, 2);
        reply(&mut w, private, "+OK\r\n");
        send(&mut w, client, &["SELECT 3"]);
        assert!(w.sent(client).ends_with("while keys are watched: send UNWATCH first\r\n"));
        send(&mut w, client, &["MULTI", "GET k", "EXEC"]);
        assert!(w.sent(private).ends_with(&text(&["MULTI", "GET k", "EXEC"])));
        reply(&mut w, private, "+OK\r\n+QUEUED\r\n*1\r\n$-1\r\n");
        send(&mut w, client, &["SELECT 3", "WATCH k"]);
        let private = of_database(&mut w, 1, 3);
        reply(&mut w, private, "+OK\r\n");
        send(&mut w, client, &["RESET", "GET k"]);
        of_database(&mut w, 2, 1);
    }

    #[test]
    fn a_server_without_the_database_serves_the_others() {
        let mut w = World::new(POOL);
        let (client, other) = (w.accept(0), w.accept(0));
        send(&mut w, client, &["SELECT 3", "GET a"]);
        let server = w.server(0);
        reply(&mut w, server, "-ERR DB index is out of range\r\n");
        assert_eq!(w.sent(client), "+OK\r\n-ERR the server did not accept the pool's database\r\n");
        send(&mut w, client, &["GET a"]);
        assert_eq!(w.io.connects.len(), 1, "the next attempt has to wait");
        assert_eq!(w.proxy.servers.values().next().map(|server| server.health.state), Some(State::Up));
        send(&mut w, other, &["GET a"]);
        let server = of_database(&mut w, 1, 1);
        reply(&mut w, server, "$1\r\n1\r\n");
        assert_eq!(w.sent(other), "$1\r\n1\r\n");
    }

    #[test]
    fn who_has_chosen_a_database_that_is_served_no_more_is_closed() {
        let mut w = World::new(POOL);
        let (client, other) = (w.accept(0), w.accept(0));
        send(&mut w, client, &["SELECT 3"]);
        send(&mut w, other, &["SELECT 2"]);
        w.reload(settings(&POOL.replace("databases = 4", "databases = 3")));
        assert!(
            w.sent(client).ends_with("-ERR DB index is out of range: the pool's databases have changed\r\n")
        );
        assert_eq!((w.io.closed.contains(&client), w.io.closed.contains(&other)), (true, false));
    }
}
