//! Removed servers: requests under way are answered, waiting ones go to other servers.

use super::*;

const GONE: &[u8] = b"-ERR the server was removed from the pool\r\n";

/// A world with four requests under way: the client, both servers, and the number of requests on each.
fn asked(config: &str) -> (World, ConnId, [ConnId; 2], [usize; 2]) {
    let mut w = World::new(config);
    let client = w.accept(0);
    w.receive(client, &gets());
    let servers = [w.server_on(11), w.server_on(12)];
    let counts = servers.map(|server| count(w.io.sent(server), b"GET"));
    assert!(counts[0] > 0 && counts[1] > 0, "{counts:?}");
    (w, client, servers, counts)
}

#[test]
fn requests_under_way_to_a_removed_server_are_answered() {
    let (mut w, client, [a, b], [at_a, at_b]) = asked(POOL);
    w.become_(&pool(&["12:1 b"]));
    assert!(!w.proxy.server_is_up(A) && !w.io.closed.contains(&a));
    // All keys live on the other server now.
    w.receive(client, &gets());
    assert_eq!([a, b].map(|server| count(w.io.sent(server), b"GET")), [at_a, at_b + 4]);
    w.receive(b, &VALUE.repeat(at_b + 4));
    w.receive(a, &VALUE.repeat(at_a));
    assert_eq!(w.io.sent(client), VALUE.repeat(8));
    w.proxy.turn_end(&mut w.io);
    assert!(w.io.closed.contains(&a) && !w.io.closed.contains(&b));
    // Late bytes from the closed connection have no effect.
    w.receive(a, VALUE);
    w.proxy.failed(&mut w.io, a, net::Fault::Reset);
    let timers: Vec<u64> = w.io.timers.values().copied().collect();
    assert!(!timers.contains(&Alarm::Drain.token()));
}

#[test]
fn an_idle_server_goes_at_once() {
    let (mut w, _, [a, b], [at_a, _]) = asked(POOL);
    w.receive(a, &VALUE.repeat(at_a));
    w.become_(&pool(&["12:1 b"]));
    assert_eq!([a, b].map(|server| w.io.closed.contains(&server)), [true, false]);
    assert_eq!(w.proxy.servers.values().count(), 1);
}

#[test]
fn what_a_removed_server_does_not_answer_fails_in_the_end() {
    let (mut w, client, [a, b], [at_a, at_b]) = asked(&format!("{POOL}timeout = \"off\"\n"));
    w.receive(b, &VALUE.repeat(at_b));
    w.become_(&format!("{}timeout = \"off\"\n", pool(&["12:1 b"])));
    w.pass_time(Duration::from_millis(9_999));
    assert!(!w.io.closed.contains(&a));
    w.pass_time(Duration::from_millis(1));
    assert!(w.io.closed.contains(&a));
    assert_eq!([GONE, VALUE].map(|what| count(w.io.sent(client), what)), [at_a, at_b]);
    w.proxy.turn_end(&mut w.io);
    assert_eq!((w.proxy.servers.values().count(), w.timers()), (1, 0));
}

#[test]
fn a_removed_server_that_breaks_off_is_not_asked_again() {
    let (mut w, client, [a, _], [at_a, _]) = asked(POOL);
    w.become_(&pool(&["12:1 b"]));
    w.proxy.failed(&mut w.io, a, net::Fault::Reset);
    assert_eq!((w.connects_to(11), w.proxy.servers.values().count()), (1, 2));
    w.proxy.turn_end(&mut w.io);
    let b = w.open_to(12).expect("it");
    w.receive(b, &VALUE.repeat(4 - at_a));
    assert_eq!(count(w.io.sent(client), b"-ERR Connection reset by peer\r\n"), at_a);
    assert_eq!(w.proxy.servers.values().count(), 1);
}

#[test]
fn the_parts_of_a_request_that_are_on_a_removed_server_are_answered() {
    let mut w = World::new(POOL);
    let client = w.accept(0);
    let keys = ["k0", "k1", "x", "y"].map(|key| format!("${}\r\n{key}\r\n", key.len())).concat();
    w.receive(client, format!("*5\r\n$4\r\nMGET\r\n{keys}").as_bytes());
    let servers = [w.server_on(11), w.server_on(12)];
    w.become_("");
    for server in servers {
        let wanted = w.io.sent(server).iter().filter(|byte| **byte == b'$').count() - 1;
        w.receive(server, format!("*{wanted}\r\n{}", "$1\r\nv\r\n".repeat(wanted)).as_bytes());
    }
    assert_eq!(w.io.sent(client), [b"*4\r\n", &VALUE.repeat(4)[..], POOL_GONE].concat());
    w.proxy.turn_end(&mut w.io);
    assert_eq!((w.proxy.gathers.open_count(), w.proxy.pools.values().count()), (0, 0));
}

#[test]
fn a_server_that_is_probed_can_be_removed() {
    let (mut w, _, [a, b], [_, at_b]) = asked(POOL);
    w.receive(b, &VALUE.repeat(at_b));
    w.proxy.failed(&mut w.io, a, net::Fault::Reset);
    w.pass_time(Duration::from_secs(31));
    let probe = w.server_on(11);
    assert_eq!(w.io.sent(probe), b"*1\r\n$4\r\nPING\r\n");
    let stats = Arc::clone(&w.proxy.servers[w.key(A)].stats);
    w.become_(&pool(&["12:1 b"]));
    assert!(w.io.closed.contains(&probe));
    assert_eq!((stats.ejected.get(), stats.server_connections.get(), stats.probes_failed.get()), (0, 0, 0));
    w.pass_time(Duration::from_mins(1));
    assert_eq!(w.connects_to(11), 2, "it is not probed again");
}

#[test]
fn a_request_that_waits_for_a_removed_server_goes_to_who_has_its_key_now() {
    // One request fills a queue.
    let config = format!("{POOL}server_queue_max = 1\n");
    let mut w = World::new(&config);
    let client = w.accept(0);
    w.receive(client, &get("k0"));
    let busy = if w.connects_to(11) == 1 { 11 } else { 12 };
    let conn = w.server_on(busy);
    let other = w.accept(0);
    assert_eq!((w.receive(other, &get("k0")), &w.io.paused[..]), (0, &[other][..]));
    let stays = if busy == 11 { "12:1 b" } else { "11:1 a" };
    w.become_(&format!("{}server_queue_max = 1\n", pool(&[stays])));
    assert_eq!(w.io.paused, []);
    assert!(w.receive(other, &get("k0")) > 0);
    let next = w.server_on(if busy == 11 { 12 } else { 11 });
    w.receive(next, VALUE);
    assert_eq!((w.io.sent(other), w.io.sent(client)), (VALUE, &b""[..]));
    w.receive(conn, VALUE);
    assert_eq!(w.io.sent(client), VALUE);
}

#[test]
fn on_another_connection_to_the_same_server_nothing_overtakes() {
    let config = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\"]\n";
    let mut w = World::new(config);
    let set = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
    let client = w.ask([&set[..], set].concat());
    let idle = w.accept(0);
    let old = w.server_on(11);
    w.become_(&format!("{config}server_connections = 2\n"));
    // Its writes have not been answered, so it waits; another client does not.
    assert_eq!((w.receive(client, &get("k")), &w.io.paused[..]), (0, &[client][..]));
    assert!(w.receive(idle, &get("other")) > 0);
    let new = w.server_on(11);
    assert_ne!(new, old);
    w.receive(old, b"+OK\r\n");
    assert_eq!(w.io.paused, [client]);
    w.receive(old, b"+OK\r\n");
    assert_eq!(w.io.paused, []);
    w.receive(client, &get("k"));
    assert_eq!(w.io.sent(new), [get("other"), get("k")].concat());
    w.receive(new, &VALUE.repeat(2));
    assert_eq!(w.io.sent(client), [b"+OK\r\n+OK\r\n", VALUE].concat());
    w.proxy.turn_end(&mut w.io);
    assert!(w.io.closed.contains(&old) && !w.io.closed.contains(&new));
}

/// The settings with a change by hand to server `a`.
fn by_hand(config: &str, change: ByHand) -> Settings {
    let mut settings = settings(config);
    settings.by_hand.insert(("p".into(), "a".into()), change);
    settings
}

#[test]
fn an_operator_takes_a_server_out_and_back() {
    for out in [Out::Ejected, Out::Drained] {
        let (mut w, client, [a, b], [at_a, at_b]) = asked(POOL);
        w.reload(by_hand(POOL, ByHand { out: Some(out), weight: None }));
        assert!(!w.proxy.server_is_up(A));
        w.receive(client, &gets());
        w.receive(a, &VALUE.repeat(at_a));
        w.receive(b, &VALUE.repeat(at_b + 4));
        assert_eq!(w.io.sent(client), VALUE.repeat(8));
        w.proxy.turn_end(&mut w.io);
        assert_eq!(w.io.closed.contains(&a), out == Out::Drained, "{out:?}");
        // It stays out after a reload.
        w.reload(by_hand(&format!("{POOL}timeout = \"3s\"\n"), ByHand { out: Some(out), weight: None }));
        assert!(!w.proxy.server_is_up(A));
        w.pass_time(Duration::from_secs(100));
        assert_eq!((w.connects_to(11), w.proxy.census().draining), (1, 0), "{out:?}");
        w.become_(POOL);
        assert!(w.proxy.server_is_up(A));
        w.receive(client, &gets());
        assert_eq!(w.connects_to(11), if out == Out::Drained { 2 } else { 1 });
    }
}

#[test]
fn a_server_that_drains_can_be_taken_back_or_removed() {
    let (mut w, client, [a, b], [at_a, at_b]) = asked(POOL);
    let drained = ByHand { out: Some(Out::Drained), weight: None };
    w.reload(by_hand(POOL, drained));
    w.become_(POOL);
    w.receive(a, &VALUE.repeat(at_a));
    w.proxy.turn_end(&mut w.io);
    assert!(w.proxy.server_is_up(A) && !w.io.closed.contains(&a));
    w.receive(client, &gets());
    w.reload(by_hand(POOL, drained));
    w.become_(&pool(&["12:1 b"]));
    w.receive(a, &VALUE.repeat(at_a));
    w.receive(b, &VALUE.repeat(2 * at_b));
    w.proxy.turn_end(&mut w.io);
    assert_eq!((w.io.sent(client), w.proxy.servers.values().count()), (&VALUE.repeat(8)[..], 1));
    assert_eq!(w.timers(), 1, "b's last deadline");
}

#[test]
fn an_operator_returns_an_ejected_server() {
    let (mut w, _, [a, _], _) = asked(POOL);
    w.proxy.failed(&mut w.io, a, net::Fault::Reset);
    assert!(!w.proxy.server_is_up(A));
    w.pass_time(Duration::from_secs(31));
    let probe = w.server_on(11);
    w.proxy.mail(&mut w.io, Mail::Restore { server: A });
    assert!(w.proxy.server_is_up(A) && w.io.closed.contains(&probe));
    w.pass_time(Duration::from_secs(100));
    assert_eq!(w.connects_to(11), 2, "no probe any more");
}

#[test]
fn a_weight_set_by_hand_counts_instead_of_the_configured_one() {
    let config = POOL.replace("\"modula\"", "\"ketama\"");
    let mut w = World::new(&config);
    let weight = |weight| ByHand { weight: Some(weight), out: None };
    let share = |w: &mut World| {
        let pool = w.proxy.pools.values_mut().next().expect("a pool");
        (0..1000)
            .filter(|n| pool.placement.server_of_key(format!("k{n}").as_bytes()) == Some(pool.servers[0]))
            .count()
    };
    let before = share(&mut w);
    w.reload(by_hand(&config, weight(20)));
    let heavy = share(&mut w);
    assert!((350..650).contains(&before) && heavy > 900, "{before} {heavy}");
    w.become_(&config);
    assert_eq!(share(&mut w), before);
}

#[test]
fn flush_all_misses_no_server_but_a_drained_one() {
    let config = POOL.replace("[pool.p]\n", "[pool.p]\nprotocol = \"memcache\"\n");
    for (out, asked) in [(None, 2), (Some(Out::Ejected), 2), (Some(Out::Drained), 1)] {
        let mut w = World::new(&config);
        w.reload(by_hand(&config, ByHand { out, weight: None }));
        w.ask(b"flush_all\r\n");
        assert_eq!(w.io.connects.len(), asked, "{out:?}");
    }
    let mut w = World::new(&config);
    let mut settings = by_hand(&config, ByHand { out: Some(Out::Drained), weight: None });
    settings.by_hand.insert(("p".into(), "b".into()), ByHand { out: Some(Out::Drained), weight: None });
    w.reload(settings);
    let client = w.ask(b"flush_all\r\n");
    assert_eq!(w.sent(client), "SERVER_ERROR Connection refused\r\n", "nobody is left to ask");
}
