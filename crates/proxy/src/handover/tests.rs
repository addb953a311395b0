use std::sync::Mutex;

use net::{App, Parcel};

use super::*;
use crate::testing::World;

const POOLS: &str = "[pool.open]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11\"]\n\
                     [pool.secret]\nlisten = \"127.0.0.1:2\"\nservers = [\"127.0.0.1:12\"]\nauth = \"pass\"\n";
const OPEN: u32 = 0;
const SECRET: u32 = 1;
const GET: &[u8] = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n";

type Gone = Arc<Mutex<Vec<Departure>>>;

/// A hand-over to a process that serves the pools of this configuration, and the clients handed over.
fn to_one_with(config: &str) -> (HandOver, Gone) {
    let config = config::native::check(config, 1).config.expect("valid");
    let gone = Gone::default();
    let out = Arc::clone(&gone);
    let send = Arc::new(move |departure| out.lock().unwrap().push(departure));
    (HandOver { pools: config.pools.iter().map(described).collect(), send }, gone)
}

fn begin(world: &mut World, config: &str) -> Gone {
    let (hand_over, gone) = to_one_with(config);
    world.proxy.mail(&mut world.io, Mail::HandOver(Some(hand_over)));
    gone
}

fn went(gone: &Gone) -> Vec<upgrade::Client> {
    std::mem::take(&mut *gone.lock().unwrap()).into_iter().map(|departure| departure.client).collect()
}

fn arrival(client: upgrade::Client) -> Mail {
    Mail::Arrival(Box::new(Departure { shard: 0, client, parcel: Parcel::simulated(1) }))
}

/// The connection of the only client.
fn only(world: &World) -> ConnId {
    let clients: Vec<ConnId> = world.proxy.clients().map(|client| client.id).collect();
    assert_eq!(clients.len(), 1);
    clients[0]
}

#[test]
fn who_is_idle_goes_with_the_session() {
    let mut world = World::new(POOLS);
    let (plain, named) = (world.accept(OPEN), world.accept(SECRET));
    world.receive(named, b"HELLO 3 AUTH default pass SETNAME bob\r\n");
    let gone = begin(&mut world, POOLS);
    assert!(went(&gone).is_empty(), "its reply has not left");
    world.drain();
    let mut clients = went(&gone);
    clients.sort_by_key(|client| client.number);
    let expected = |pool: &str, number| upgrade::Client { pool: pool.into(), number, ..Default::default() };
    assert_eq!(
        clients,
        [
            expected("open", 1),
            upgrade::Client {
                has_authenticated: true,
                resp3: true,
                name: Some(b"bob".to_vec()),
                ..expected("secret", 2)
            },
        ]
    );
    assert!(world.io.closed.contains(&plain) && world.io.closed.contains(&named));
    let census = world.proxy.census();
    assert_eq!((census.clients, census.held, census.held_counted), (0, 0, 0));
    for pool in world.proxy.pools.values() {
        assert_eq!(pool.clients.load(Ordering::Relaxed), 0, "{}", pool.config.name);
    }
}

#[test]
fn who_waits_for_a_reply_goes_when_it_has_left() {
    let mut world = World::new(POOLS);
    let client = world.ask(GET);
    let gone = begin(&mut world, POOLS);
    world.drain();
    assert!(went(&gone).is_empty());
    let server = world.server(0);
    world.io.unsent.insert(client, 7);
    world.receive(server, b"$1\r\nx\r\n");
    world.drain();
    assert!(went(&gone).is_empty(), "the kernel has not taken the reply");
    world.io.unsent.clear();
    world.drain();
    assert_eq!((world.io.sent(client), went(&gone).len()), (&b"$1\r\nx\r\n"[..], 1));
}

#[test]
fn who_is_half_way_through_a_request_stays_until_its_reply() {
    let mut world = World::new(POOLS);
    let client = world.ask(b"*1\r\n$4\r\nPI");
    world.io.unread.insert(client, 10);
    let gone = begin(&mut world, POOLS);
    world.drain();
    assert!(went(&gone).is_empty());
    world.io.unread.clear();
    world.receive(client, b"*1\r\n$4\r\nPING\r\n");
    world.drain();
    assert_eq!((world.sent(client), went(&gone).len()), ("+PONG\r\n".into(), 1));
}

#[test]
fn who_would_not_be_served_stays() {
    for other in [
        "[pool.renamed]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11\"]\n",
        "[pool.open]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11\"]\nprotocol = \"memcache\"\n",
    ] {
        let mut world = World::new(POOLS);
        world.accept(OPEN);
        let gone = begin(&mut world, other);
        world.drain();
        assert!(went(&gone).is_empty(), "{other}");
        only(&world);
    }
    let mut world = World::new(POOLS);
    let name = "n".repeat(FIELD_BYTES_MAX + 1);
    let client = world.ask(format!("CLIENT SETNAME {name}\r\n"));
    let gone = begin(&mut world, POOLS);
    world.drain();
    assert_eq!((world.sent(client), went(&gone).len()), ("+OK\r\n".into(), 0), "a name that is too long");
}

#[test]
fn who_comes_while_others_go_goes_as_well() {
    let mut world = World::new(POOLS);
    let gone = begin(&mut world, POOLS);
    world.accept(OPEN);
    world.drain();
    assert_eq!(went(&gone).len(), 1);
}

#[test]
fn who_arrives_goes_on_with_the_session() {
    let mut world = World::new(POOLS);
    let client = upgrade::Client {
        pool: "secret".into(),
        number: 77,
        has_authenticated: true,
        resp3: true,
        name: Some(b"bob".to_vec()),
        user: None,
        address: Some(b"127.0.0.1:4242".to_vec()),
    };
    world.proxy.mail(&mut world.io, arrival(client));
    let id = only(&world);
    let address = world.proxy.clients().next().map(|client| client.session.address());
    assert_eq!(address.as_deref(), Some("127.0.0.1:4242"));
    world.receive(id, b"CLIENT GETNAME\r\nCLIENT ID\r\nGET a\r\n");
    assert_eq!(world.sent(id), "$3\r\nbob\r\n:77\r\n");
    let resp3: Vec<_> = world.io.connects.iter().map(|(_, to)| to.to_string()).collect();
    assert_eq!(resp3, ["127.0.0.1:12"], "its request went on");
    let pool = world.proxy.pools.values().find(|pool| pool.config.name == "secret").unwrap();
    assert_eq!(pool.clients.load(Ordering::Relaxed), 1);
}

#[test]
fn a_password_that_was_not_asked_for_before_has_to_be_given() {
    for (pool, has_authenticated, reply) in [
        ("secret", false, "-NOAUTH Authentication required\r\n"),
        ("secret", true, "+PONG\r\n"),
        ("open", false, "+PONG\r\n"),
    ] {
        let mut world = World::new(POOLS);
        let client = upgrade::Client { pool: pool.into(), has_authenticated, ..Default::default() };
        world.proxy.mail(&mut world.io, arrival(client));
        let id = only(&world);
        world.receive(id, b"PING\r\n");
        assert_eq!(world.sent(id), reply, "{pool} {has_authenticated}");
    }
}

#[test]
fn who_cannot_be_served_is_closed_on_arrival() {
    let mut world = World::new(POOLS);
    world.proxy.mail(&mut world.io, arrival(upgrade::Client { pool: "none".into(), ..Default::default() }));
    assert_eq!(world.proxy.census().clients, 0);
}

#[test]
fn who_comes_back_is_served_again() {
    let mut world = World::new(POOLS);
    world.accept(OPEN);
    let gone = begin(&mut world, POOLS);
    world.drain();
    let departure = gone.lock().unwrap().pop().unwrap();
    world.proxy.mail(&mut world.io, Mail::HandOver(None));
    world.proxy.mail(&mut world.io, Mail::Arrival(Box::new(departure)));
    world.drain();
    let id = only(&world);
    world.receive(id, b"PING\r\nCLIENT ID\r\n");
    assert_eq!((world.sent(id), went(&gone).len()), ("+PONG\r\n:1\r\n".into(), 0));
}
