use std::time::Duration;

use net::{App, Input};
use telemetry::PoolStats;

use super::*;
use crate::census::Census;
use crate::mail::Mail;
use crate::testing::World;

mod random;

const POOL: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\", \"127.0.0.1:12:1 b\"]\n\
                    hash = \"fnv1a_64\"\ndistribution = \"modula\"\nauto_eject_hosts = true\nserver_failure_limit = 1\n";
const GONE: &[u8] = b"-ERR the server was removed from the pool\r\n";

fn get(key: &str) -> Vec<u8> {
    format!("*2\r\n$3\r\nGET\r\n${}\r\n{key}\r\n", key.len()).into_bytes()
}

/// A configuration's only pool.
fn checked(text: &str) -> checked::Pool {
    config::native::check(text, 1).config.expect("valid").pools.remove(0)
}

impl World {
    /// The open connection to the server on this port.
    fn server_on(&mut self, port: u16) -> ConnId {
        let is_it = |(id, to): &&(ConnId, net::Address)| {
            matches!(to, net::Address::Tcp { port: known, .. } if *known == port)
                && !self.io.closed.contains(id)
        };
        let id = self.io.connects.iter().rfind(is_it).expect("a connection").0;
        self.proxy.connected(&mut self.io, id);
        id
    }

    fn add(&mut self, identity: &str) -> ServerKey {
        let pool = checked(&POOL.replace("127.0.0.1:11:1 a\", \"127.0.0.1:12:1 b", identity));
        let stats = Arc::new(ServerStats::new(&pool.servers[0].identity));
        let added = self.proxy.add_server(&mut self.io, P, &pool.servers[0], stats);
        added.expect("there is room")
    }

    /// The timers that are set, but for that of maintenance.
    fn timers(&self) -> usize {
        self.io.timers.values().filter(|token| **token != crate::alarm::Alarm::Maintenance.token()).count()
    }
}

const P: PoolKey = PoolKey::of_setup(0);
const A: ServerKey = ServerKey::of_setup(0);
const B: ServerKey = ServerKey::of_setup(1);

#[test]
fn requests_under_way_to_a_removed_server_fail_and_others_do_not() {
    let mut w = World::new(POOL);
    let clients = [(); 4].map(|()| w.accept(P.tag()));
    for (n, client) in clients.into_iter().enumerate() {
        // Some live on each server.
        w.receive(client, &[get(&format!("k{n}")), get("x"), get("y")].concat());
    }
    let (a, b) = (w.server_on(11), w.server_on(12));
    let failing = w.io.sent(a).windows(4).filter(|window| window == b"GET\r").count();
    let others = w.io.sent(b).windows(4).filter(|window| window == b"GET\r").count();
    assert!(failing > 0 && others > 0, "{failing} {others}");
    assert!(w.proxy.remove_server(&mut w.io, A));
    assert!(w.io.closed.contains(&a) && !w.io.closed.contains(&b));
    for _ in 0..others {
        w.receive(b, b"$1\r\nv\r\n");
    }
    let replies: Vec<u8> = clients.iter().flat_map(|client| w.io.sent(*client)).copied().collect();
    let count = |what: &[u8]| replies.windows(what.len()).filter(|window| *window == what).count();
    assert_eq!((count(GONE), count(b"$1\r\nv\r\n")), (failing, others));
    // What comes late from the closed connection finds nothing.
    w.receive(a, b"$1\r\nv\r\n");
    w.proxy.failed(&mut w.io, a, net::Fault::Reset);
    // All keys live on the other now.
    w.receive(clients[0], &[get("k0"), get("k1"), get("x"), get("y")].concat());
    let all = w.io.sent(b).windows(4).filter(|window| window == b"GET\r").count();
    assert_eq!(all, others + 4);
}

#[test]
fn the_parts_of_a_request_that_are_on_a_removed_server_fail_it() {
    let mut w = World::new(POOL);
    let client = w.accept(P.tag());
    let keys = ["k0", "k1", "x", "y"].map(|key| format!("${}\r\n{key}\r\n", key.len())).concat();
    w.receive(client, format!("*5\r\n$4\r\nMGET\r\n{keys}").as_bytes());
    let (_, b) = (w.server_on(11), w.server_on(12));
    assert!(w.proxy.remove_server(&mut w.io, A));
    assert_eq!(w.io.sent(client), b"");
    let wanted = w.io.sent(b).iter().filter(|byte| **byte == b'$').count() - 1;
    w.receive(b, format!("*{wanted}\r\n{}", "$1\r\nv\r\n".repeat(wanted)).as_bytes());
    assert_eq!(w.io.sent(client), GONE);
    assert_eq!(w.proxy.gathers.open_count(), 0);
}

#[test]
fn timers_and_mail_of_a_removed_server_do_nothing() {
    let mut w = World::new(POOL);
    let client = w.accept(P.tag());
    w.receive(client, &[get("k0"), get("k1"), get("x"), get("y")].concat());
    let a = w.server_on(11);
    // Kept from before the removal, as if the loop had them in hand.
    let deadline = crate::alarm::Alarm::Deadline(LaneKey { server: A, number: 0 }).token();
    let probe = crate::alarm::Alarm::Probe(A).token();
    w.proxy.failed(&mut w.io, a, net::Fault::Reset);
    assert!(!w.proxy.server_is_up(A));
    assert!(w.proxy.remove_server(&mut w.io, A) && w.proxy.remove_server(&mut w.io, B));
    assert_eq!(w.timers(), 0);
    // The places of both are taken again.
    let (c, d) = (w.add("127.0.0.1:13:1 c"), w.add("127.0.0.1:14:1 d"));
    assert!(![A, B].contains(&c) && ![A, B].contains(&d));
    for token in [deadline, probe] {
        w.proxy.timer(&mut w.io, token);
    }
    w.proxy.mail(&mut w.io, Mail::Ejected { server: A });
    assert!(!w.proxy.remove_server(&mut w.io, A));
    assert!(w.proxy.server_is_up(c) && w.proxy.server_is_up(d) && !w.proxy.server_is_up(A));
    w.pass_time(Duration::from_secs(60));
    assert_eq!(w.io.connects.len(), 2, "no probe");
}

#[test]
fn a_server_that_is_probed_can_be_removed() {
    let mut w = World::new(POOL);
    let client = w.accept(P.tag());
    w.receive(client, &[get("k0"), get("k1"), get("x"), get("y")].concat());
    let a = w.server_on(11);
    w.proxy.failed(&mut w.io, a, net::Fault::Reset);
    w.pass_time(Duration::from_secs(31));
    let probe = w.server_on(11);
    assert_eq!(w.io.sent(probe), b"*1\r\n$4\r\nPING\r\n");
    let stats = Arc::clone(&w.proxy.servers[A].stats);
    assert!(w.proxy.remove_server(&mut w.io, A));
    assert!(w.io.closed.contains(&probe));
    assert_eq!((stats.ejected.get(), stats.server_connections.get(), stats.probes_failed.get()), (0, 0, 0));
    let is_it = |to: &net::Address| matches!(to, net::Address::Tcp { port: 11, .. });
    w.pass_time(Duration::from_secs(60));
    let connects = w.io.connects.iter().filter(|(_, to)| is_it(to)).count();
    assert_eq!(connects, 2, "it is not probed again");
}

#[test]
fn clients_that_waited_for_a_removed_server_are_read_again() {
    let mut w = World::new(POOL);
    let client = w.accept(P.tag());
    w.receive(client, &get("k0"));
    let busy = w.io.connects[0].0;
    w.proxy.connected(&mut w.io, busy);
    w.io.unsent.insert(busy, 2 << 20);
    w.receive(client, &get("k0"));
    assert_eq!(w.io.paused, [client]);
    let removed =
        w.proxy.servers.iter().find(|(_, server)| server.conns[0].conn == Some(busy)).expect("it").0;
    assert!(w.proxy.remove_server(&mut w.io, removed));
    assert_eq!((w.io.sent(client), w.io.paused.len()), (&GONE.repeat(2)[..], 0));
}

#[test]
fn an_added_server_takes_its_keys_and_its_counts() {
    let mut w = World::new(POOL);
    assert!(w.proxy.remove_server(&mut w.io, A) && w.proxy.remove_server(&mut w.io, B));
    let client = w.accept(P.tag());
    w.receive(client, &get("k"));
    assert_eq!(w.io.sent(client), b"-ERR Connection refused\r\n");
    let c = w.add("127.0.0.1:13:1 c");
    w.receive(client, &get("k"));
    let conn = w.server_on(13);
    w.receive(conn, b"$1\r\nv\r\n");
    assert!(w.io.sent(client).ends_with(b"refused\r\n$1\r\nv\r\n"));
    let stats = &w.proxy.servers[c].stats;
    assert_eq!((stats.name.as_str(), stats.requests.get(), stats.responses.get()), ("c", 1, 1));
}

#[test]
fn a_pool_comes_and_goes() {
    let mut w = World::new(POOL);
    let config = checked(&POOL.replace("[pool.p]", "[pool.q]").replace("127.0.0.1:1\"", "127.0.0.1:2\""));
    let stats = Arc::new(PoolStats::new("q", &["a", "b"]));
    let setup = || (Arc::new(config.clone()), Arc::clone(&stats), Arc::default());
    let q = w.proxy.add_pool(&mut w.io, setup()).expect("there is room");
    let (mine, other) = (w.accept(q.tag()), w.accept(P.tag()));
    w.receive(mine, &get("k"));
    w.receive(other, &get("k"));
    assert_eq!(w.io.connects.len(), 2);
    assert!(w.proxy.remove_pool(&mut w.io, q));
    assert_eq!((w.io.sent(mine), w.io.closed.contains(&mine)), (GONE, true));
    assert_eq!((w.io.sent(other), w.io.closed.contains(&other)), (&b""[..], false));
    assert_eq!((stats.client_connections.get(), stats.requests_in_flight.get()), (0, 0));
    // A client that is accepted late, or arrives by mail, finds its pool gone; so does the next pool's namesake.
    let next = w.proxy.add_pool(&mut w.io, setup()).expect("there is room");
    assert!(next != q && next.tag() != q.tag());
    let late = w.accept(q.tag());
    assert!(w.io.closed.contains(&late));
    let parcel = net::Parcel::simulated(1);
    let moved = crate::mail::Moved { pool: q, parcel, session: Some(crate::client::Session::default()) };
    let open = w.io.closed.len();
    w.proxy.mail(&mut w.io, Mail::Client(Box::new(moved)));
    assert_eq!(w.io.closed.len(), open + 1);
    assert!(!w.proxy.remove_pool(&mut w.io, q) && w.proxy.remove_pool(&mut w.io, next));
    // The first pool goes on, and nothing is left of the others.
    let server = w.io.connects[1].0;
    w.proxy.connected(&mut w.io, server);
    w.receive(server, b"$1\r\nv\r\n");
    assert_eq!(w.io.sent(other), b"$1\r\nv\r\n");
    assert!(w.proxy.remove_pool(&mut w.io, P));
    let Census { clients, waiting, in_flight, gathers, held: _, held_counted: _ } = w.proxy.census();
    assert_eq!((clients, waiting, in_flight, gathers, w.timers()), (0, 0, 0, 0, 0));
    assert_eq!(w.proxy.census().held, w.proxy.census().held_counted);
}
