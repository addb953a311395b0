use std::sync::atomic::Ordering;
use std::time::Duration;

use net::App;

use super::*;
use crate::alarm::Alarm;
use crate::census::Census;
use crate::generation::{ByHand, Settings};
use crate::ids::{PoolId, ServerId};
use crate::keys::LaneKey;
use crate::mail::{Mail, Moved, Receipt};
use crate::testing::{World, settings};

mod draining;
mod random;

const POOL: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\", \"127.0.0.1:12:1 b\"]\n\
                    hash = \"fnv1a_64\"\ndistribution = \"modula\"\nauto_eject_hosts = true\nserver_failure_limit = 1\n";
const Q: &str = "[pool.q]\nlisten = \"127.0.0.1:2\"\nservers = [\"127.0.0.1:21:1 a\"]\n";
const POOL_GONE: &[u8] = b"-ERR pool removed from the configuration\r\n";
const VALUE: &[u8] = b"$1\r\nv\r\n";
const A: ServerId = ServerId(0);

/// The pool, with these servers.
fn pool(servers: &[&str]) -> String {
    let list: Vec<String> = servers.iter().map(|server| format!("\"127.0.0.1:{server}\"")).collect();
    POOL.replace("\"127.0.0.1:11:1 a\", \"127.0.0.1:12:1 b\"", &list.join(", "))
}

fn get(key: &str) -> Vec<u8> {
    format!("*2\r\n$3\r\nGET\r\n${}\r\n{key}\r\n", key.len()).into_bytes()
}

/// Requests for four keys, some on each of two servers.
fn gets() -> Vec<u8> {
    ["k0", "k1", "x", "y"].map(get).concat()
}

fn count(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).filter(|window| *window == what).count()
}

impl World {
    fn become_(&mut self, config: &str) {
        self.reload(settings(config));
    }

    /// The open connection to the server on this port, if there is one.
    fn open_to(&self, port: u16) -> Option<ConnId> {
        let is_it = |(id, to): &&(ConnId, net::Address)| {
            matches!(to, net::Address::Tcp { port: known, .. } if *known == port)
                && !self.io.closed.contains(id)
        };
        self.io.connects.iter().rfind(is_it).map(|(id, _)| *id)
    }

    /// The open connection to the server on this port, established.
    fn server_on(&mut self, port: u16) -> ConnId {
        let id = self.open_to(port).expect("a connection");
        self.proxy.connected(&mut self.io, id);
        id
    }

    /// Times a connection was opened to the server on this port.
    fn connects_to(&self, port: u16) -> usize {
        let is_it = |to: &net::Address| matches!(to, net::Address::Tcp { port: known, .. } if *known == port);
        self.io.connects.iter().filter(|(_, to)| is_it(to)).count()
    }

    fn key(&self, id: ServerId) -> ServerKey {
        self.proxy.directory.servers[&id]
    }

    /// Number of timers set, without that of maintenance.
    fn timers(&self) -> usize {
        self.io.timers.values().filter(|token| **token != Alarm::Maintenance.token()).count()
    }
}

#[test]
fn what_stays_keeps_its_connections_and_what_comes_gets_its_keys() {
    let mut w = World::new(POOL);
    let client = w.accept(0);
    w.receive(client, &gets());
    let (a, b) = (w.server_on(11), w.server_on(12));
    let (at_a, at_b) = (count(w.io.sent(a), b"GET"), count(w.io.sent(b), b"GET"));
    assert!(at_a > 0 && at_b > 0, "{at_a} {at_b}");
    // Other weights, another name for b's address, a third server, and options that connections do not depend
    // on.
    let next = format!("{}timeout = \"1s\"\nhash_tag = \"{{}}\"\n", pool(&["11:3 a", "12:1 c", "13:1 d"]));
    w.become_(&next);
    assert!(!w.io.closed.contains(&a) && !w.io.closed.contains(&b));
    assert_eq!(w.proxy.census().draining, 1, "b");
    w.receive(a, &VALUE.repeat(at_a));
    w.receive(b, &VALUE.repeat(at_b));
    assert_eq!(w.io.sent(client), VALUE.repeat(4));
    w.proxy.turn_end(&mut w.io);
    assert!(w.io.closed.contains(&b) && !w.io.closed.contains(&a));
    assert_eq!(w.proxy.census().draining, 0);
    w.receive(client, &gets());
    assert_eq!((w.connects_to(11), w.io.closed.contains(&client)), (1, false));
    let names: Vec<&str> = w.proxy.servers.values().map(|server| server.identity.as_str()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(w.proxy.servers[w.key(A)].weight(), 3);
}

#[test]
fn another_way_to_place_keys_takes_effect_at_once() {
    let mut w = World::new(POOL);
    let client = w.accept(0);
    let key = |tag| format!("{{k}}{tag}");
    let spread = |w: &mut World, client| {
        let before = [11, 12].map(|port| w.open_to(port).map_or(0, |conn| w.io.sent(conn).len()));
        w.receive(client, &(0..20).map(|n| get(&key(n))).collect::<Vec<_>>().concat());
        let after = [11, 12].map(|port| w.open_to(port).map_or(0, |conn| w.io.sent(conn).len()));
        u8::from(after[0] > before[0]) + u8::from(after[1] > before[1])
    };
    assert_eq!(spread(&mut w, client), 2);
    w.become_(&format!("{POOL}hash_tag = \"{{}}\"\n"));
    assert_eq!(spread(&mut w, client), 1);
    w.become_(POOL);
    assert_eq!(spread(&mut w, client), 2);
}

#[test]
fn counts_go_on_by_name() {
    let mut w = World::new(POOL);
    let client = w.ask(gets());
    let stats = |w: &World, n: usize| w.generation.pools[0].cells.servers[n].shards[0].requests.get();
    let before = stats(&w, 0);
    assert!(before > 0);
    // The address changes, the name does not.
    w.become_(&pool(&["19:1 a", "12:1 b"]));
    w.receive(client, &gets());
    assert_eq!(stats(&w, 0), 2 * before);
    w.become_(&pool(&["12:1 b"]));
    w.become_(POOL);
    assert_eq!(stats(&w, 0), 0);
    assert_eq!(w.generation.pools[0].cells.shards[0].client_requests.get(), 8);
}

#[test]
fn timers_and_mail_of_a_removed_server_do_nothing() {
    let mut w = World::new(POOL);
    let client = w.ask(gets());
    let a = w.server_on(11);
    // Kept from before the removal, as if the loop were processing them.
    let key = w.key(A);
    let deadline = Alarm::Deadline(LaneKey { server: key, number: 0 }).token();
    let probe = Alarm::Probe(key).token();
    w.proxy.failed(&mut w.io, a, net::Fault::Reset);
    assert!(!w.proxy.server_is_up(A));
    w.become_(&pool(&["13:1 c", "14:1 d"]));
    let b = w.server_on(12);
    w.receive(b, &VALUE.repeat(count(w.io.sent(b), b"GET")));
    w.proxy.turn_end(&mut w.io);
    assert_eq!((w.timers(), w.proxy.servers.values().count()), (0, 2));
    for token in [deadline, probe] {
        w.proxy.timer(&mut w.io, token);
    }
    w.proxy.mail(&mut w.io, Mail::Ejected { server: A });
    w.proxy.mail(&mut w.io, Mail::Restore { server: A });
    assert!(
        [ServerId(2), ServerId(3)].iter().all(|id| w.proxy.server_is_up(*id)) && !w.proxy.server_is_up(A)
    );
    w.pass_time(Duration::from_mins(1));
    assert_eq!(w.io.connects.len(), 2, "no probe");
    assert_eq!(count(w.io.sent(client), b"\r\n"), 4 + count(w.io.sent(client), VALUE));
}

#[test]
fn an_ejected_server_stays_out_over_a_change() {
    let mut w = World::new(POOL);
    w.ask(gets());
    let a = w.server_on(11);
    w.proxy.failed(&mut w.io, a, net::Fault::Reset);
    assert!(!w.proxy.server_is_up(A));
    // At the same address it waits for its probe.
    w.become_(&format!("{POOL}timeout = \"3s\"\n"));
    assert!(!w.proxy.server_is_up(A) && w.connects_to(11) == 1);
    // At another address it is probed at once, and its gauges show it ejected.
    w.become_(&pool(&["19:1 a", "12:1 b"]));
    let ejected = |w: &World| w.generation.pools[0].cells.servers[0].shards[0].ejected.get();
    let moved = w.generation.pools[0].servers[0].id;
    assert!(!w.proxy.server_is_up(moved) && ejected(&w) == 1);
    w.pass_time(Duration::ZERO);
    let probe = w.server_on(19);
    w.receive(probe, b"+PONG\r\n");
    assert!(w.proxy.server_is_up(moved) && ejected(&w) == 0);
}

#[test]
fn ejection_ends_with_its_option() {
    let mut w = World::new(POOL);
    w.ask(gets());
    let a = w.server_on(11);
    w.proxy.failed(&mut w.io, a, net::Fault::Reset);
    let on = "auto_eject_hosts = true\n";
    // A shorter retry time counts from the reload.
    w.become_(&format!("{POOL}server_retry_timeout = \"2s\"\n"));
    w.pass_time(Duration::from_secs(2));
    assert_eq!(w.connects_to(11), 2);
    let probe = w.open_to(11).expect("it");
    w.become_(&POOL.replace(on, ""));
    assert!(w.proxy.server_is_up(A) && w.io.closed.contains(&probe));
    assert_eq!(w.generation.pools[0].cells.servers[0].shards[0].ejected.get(), 0);
}

#[test]
fn a_new_timeout_is_that_of_what_is_under_way() {
    let off = format!("{POOL}timeout = \"off\"\n");
    let mut w = World::new(&off);
    let client = w.ask(get("k0"));
    let port = if w.connects_to(11) == 1 { 11 } else { 12 };
    w.server_on(port);
    w.pass_time(Duration::from_mins(1));
    w.become_(&format!("{POOL}timeout = \"61s\"\n"));
    assert_eq!(w.io.sent(client), b"");
    w.pass_time(Duration::from_secs(1));
    assert_eq!(w.io.sent(client), b"-ERR Connection timed out\r\n");
    let client = w.ask(get("k0"));
    w.become_(&off);
    w.pass_time(Duration::from_hours(1));
    assert_eq!(w.io.sent(client), b"");
}

#[test]
fn limits_of_clients_are_those_of_now() {
    let mut w = World::new(POOL);
    let first = w.accept(0);
    let (long, len) = (get(&"k".repeat(2000)), get(&"k".repeat(2000)).len());
    assert_eq!(w.receive(first, &long), len);
    w.become_(&format!("{POOL}request_bytes_max = \"1KiB\"\nclient_connections = 1\n"));
    let second = w.accept(0);
    assert_eq!(w.io.sent(second), b"-ERR max number of clients reached\r\n");
    w.receive(first, &long);
    w.server_on(if w.connects_to(11) == 1 { 11 } else { 12 });
    w.become_(POOL);
    let third = w.accept(0);
    w.receive(third, b"*1\r\n$4\r\nPING\r\n");
    assert_eq!(w.io.sent(third), b"+PONG\r\n");
}

#[test]
fn sessions_stay_when_the_password_changes() {
    let with = |auth: &str| format!("{POOL}auth = \"{auth}\"\n");
    let mut w = World::new(&with("old"));
    let clients = [w.accept(0), w.accept(0)];
    w.receive(clients[0], b"*2\r\n$4\r\nAUTH\r\n$3\r\nold\r\n");
    w.become_(&with("new"));
    let ping = b"*1\r\n$4\r\nPING\r\n";
    w.receive(clients[0], ping);
    assert_eq!(w.io.sent(clients[0]), b"+OK\r\n+PONG\r\n");
    w.receive(clients[1], b"*2\r\n$4\r\nAUTH\r\n$3\r\nold\r\n");
    assert!(w.io.sent(clients[1]).starts_with(b"-ERR invalid password"), "{}", w.sent(clients[1]));
    // Without ejection there is no probe timer.
    w.become_(POOL);
    w.receive(clients[1], ping);
    assert!(w.io.sent(clients[1]).ends_with(b"+PONG\r\n"));
    w.become_(&with("new"));
    w.receive(clients[1], ping);
    assert!(w.io.sent(clients[1]).ends_with(b"+PONG\r\n+PONG\r\n"));
}

#[test]
fn a_pool_comes_and_goes() {
    let mut w = World::new(POOL);
    let both = format!("{POOL}{Q}");
    w.become_(&both);
    let q = w.generation.pools[1].id;
    let stats = Arc::clone(&w.generation.pools[1].cells.shards[0]);
    let (mine, idle, other) = (w.accept(1), w.accept(1), w.accept(0));
    w.receive(mine, &[get("k"), get("l")].concat());
    w.receive(other, &get("k"));
    w.become_(POOL);
    // A client that is owed nothing gets the error at once; the others get their replies first.
    assert_eq!((w.io.sent(idle), w.io.closed.contains(&idle)), (POOL_GONE, true));
    assert_eq!((w.io.sent(mine), w.io.closed.contains(&mine)), (&b""[..], false));
    assert_eq!(w.receive(mine, &get("m")), get("m").len(), "what comes later is thrown away");
    let server = w.server_on(21);
    w.receive(server, &VALUE.repeat(2));
    assert_eq!(
        (w.io.sent(mine), w.io.closed.contains(&mine)),
        (&[VALUE, VALUE, POOL_GONE].concat()[..], true)
    );
    assert_eq!(count(w.io.sent(server), b"GET"), 2);
    // A client that is moving while the pool is removed gets the error too; later it finds no pool, as at a
    // listener.
    let moved = |pool| {
        let (parcel, session) = (net::Parcel::simulated(1), Some(crate::client::Session::default()));
        Mail::Client(Box::new(Moved { pool, parcel, from: None, session }))
    };
    w.proxy.mail(&mut w.io, moved(q));
    w.proxy.turn_end(&mut w.io);
    assert!(w.io.closed.contains(&server));
    assert_eq!((stats.client_connections.get(), stats.requests_in_flight.get()), (0, 0));
    let open = w.io.closed.len();
    w.proxy.mail(&mut w.io, moved(q));
    assert_eq!(w.io.closed.len(), open + 1);
    let late = w.accept(1);
    assert!(w.io.closed.contains(&late));
    // A new pool of that name is a different one.
    w.become_(&both);
    assert_ne!(w.generation.pools[1].id, q);
    // The first pool stays, and nothing is left of the others.
    let server = w.server_on(if w.connects_to(11) == 1 { 11 } else { 12 });
    w.receive(server, VALUE);
    assert_eq!(w.io.sent(other), VALUE);
    w.become_("");
    w.proxy.turn_end(&mut w.io);
    let Census { clients, waiting, in_flight, detours, gathers, draining, held: _, held_counted: _ } =
        w.proxy.census();
    assert_eq!((clients, waiting, in_flight, detours, gathers, draining, w.timers()), (0, 0, 0, 0, 0, 0, 0));
    assert_eq!(w.proxy.census().held, w.proxy.census().held_counted);
    assert_eq!((w.proxy.pools.values().count(), w.proxy.servers.values().count()), (0, 0));
}

#[test]
fn a_pool_of_another_name_is_another_pool() {
    let mut w = World::new(POOL);
    let before = w.accept(0);
    w.become_(&POOL.replace("[pool.p]", "[pool.r]"));
    assert_eq!((w.io.sent(before), w.io.closed.contains(&before)), (POOL_GONE, true));
    let client = w.accept(1);
    w.receive(client, b"*1\r\n$4\r\nPING\r\n");
    assert_eq!(w.io.sent(client), b"+PONG\r\n");
}

#[test]
fn listeners_come_and_go_with_a_generation() {
    let mut w = World::new(POOL);
    let listener = |tag| net::Listener::simulated(tag);
    let [a, b, c] = [0, 0, 0].map(listener);
    let ids = [a.id(), b.id(), c.id()];
    let options = net::ListenOptions { tag: 7, ..Default::default() };
    let step = |w: &mut World, listeners| {
        let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let noted = Arc::clone(&done);
        let receipt = Receipt(Box::new(move |listened| noted.store(listened.is_ok(), Ordering::Relaxed)));
        let generation = Arc::clone(&w.generation);
        w.proxy.mail(&mut w.io, Mail::Generation(Box::new(Step { generation, listeners, receipt })));
        assert!(done.load(Ordering::Relaxed), "it is acknowledged");
        w.io.listeners.iter().map(|l| (l.id(), l.options.tag)).collect::<Vec<_>>()
    };
    let all = step(&mut w, [a, b, c].map(ListenerChange::Listen).into());
    assert_eq!(all, ids.map(|id| (id, 0)));
    let changes = vec![ListenerChange::Unlisten(ids[0]), ListenerChange::Set(ids[2], options)];
    assert_eq!(step(&mut w, changes), [(ids[1], 0), (ids[2], 7)]);
}

#[test]
fn clients_of_another_protocol_are_told() {
    let mut w = World::new(POOL);
    let client = w.accept(0);
    w.become_(&format!("{POOL}protocol = \"memcache\"\n"));
    assert_eq!((w.io.sent(client), w.io.closed.contains(&client)), (POOL_GONE, true));
    let client = w.accept(1);
    w.receive(client, b"get k\r\n");
    let server = w.open_to(if w.connects_to(11) == 1 { 11 } else { 12 }).expect("it");
    assert_eq!(w.sent(server), "get k\r\n");
}

#[test]
fn a_client_may_come_from_a_shard_that_is_a_generation_ahead() {
    let mut w = World::new(POOL);
    let both = format!("{POOL}{Q}");
    let q = PoolId(1);
    let moved = |pool| {
        Mail::Client(Box::new(Moved { pool, parcel: net::Parcel::simulated(1), from: None, session: None }))
    };
    w.proxy.mail(&mut w.io, moved(q));
    assert_eq!((w.proxy.clients, w.proxy.early.len()), (0, 1));
    w.become_(&both);
    assert_eq!((w.proxy.clients, w.proxy.early.len()), (1, 0));
    // A client whose pool never appears is closed.
    w.proxy.mail(&mut w.io, moved(PoolId(2)));
    w.become_(&format!("{both}timeout = \"3s\"\n"));
    assert_eq!((w.proxy.early.len(), w.io.closed.len()), (1, 0));
    w.become_(&POOL.replace("[pool.p]", "[pool.r]"));
    w.become_(POOL);
    assert_eq!((w.proxy.early.len(), w.proxy.clients), (0, 0));
}

#[test]
fn the_embedded_cache_keeps_what_it_has() {
    let local = "[pool.c]\nlisten = \"127.0.0.1:3\"\nservers = [\"local\"]\n";
    let mut w = World::new(local);
    let client = w.ask(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n");
    w.become_(&format!("{local}timeout = \"1s\"\n{POOL}"));
    w.receive(client, &get("k"));
    assert_eq!(w.io.sent(client), b"+OK\r\n$1\r\nv\r\n");
    // Also over the removal of the pool, since it belongs to the process.
    w.become_(POOL);
    w.become_(&format!("{local}{POOL}"));
    let tag = w.generation.pools.iter().find(|pool| pool.config.name == "c").expect("it").id.0;
    let client = w.accept(tag);
    w.receive(client, &get("k"));
    assert_eq!(w.io.sent(client), VALUE);
}
