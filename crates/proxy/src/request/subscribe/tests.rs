use std::time::Duration;

use net::{App, ConnId, Fault};

use crate::testing::{World, lines, reply, send};

const ONE: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\"]\ntimeout = \"1s\"\n";
const TWO: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nhash = \"fnv1a_64\"\ndistribution = \"modula\"\n\
                   servers = [\"127.0.0.1:11:1 a\", \"127.0.0.1:12:1 b\"]\ntimeout = \"1s\"\n";

/// A push of these texts; numbers are integers.
fn push(items: &[&str]) -> String {
    let item = |text: &&str| match (text.parse::<u64>(), *text) {
        (Ok(n), _) => format!(":{n}\r\n"),
        (_, "null") => "_\r\n".to_owned(),
        (_, text) => format!("${}\r\n{text}\r\n", text.len()),
    };
    format!(">{}\r\n{}", items.len(), items.iter().map(item).collect::<String>())
}

/// Such a push as a client of RESP2 gets it.
fn array(items: &[&str]) -> String {
    format!("*{}", &push(items)[1..].replace("_\r\n", "$-1\r\n"))
}

/// A client and what it got since it was last looked at.
struct Client {
    id: ConnId,
    seen: usize,
    resp3: bool,
}

impl Client {
    fn new(w: &mut World, resp3: bool) -> Client {
        let id = w.accept(0);
        if resp3 {
            send(w, id, &["HELLO 3"]);
        }
        Client { id, seen: w.sent(id).len(), resp3 }
    }

    fn gets(&mut self, w: &World, pushes: &[&[&str]]) {
        let form = if self.resp3 { push } else { array };
        let expected: String = pushes.iter().map(|items| form(items)).collect();
        assert_eq!(w.sent(self.id)[self.seen..], expected);
        self.seen = w.sent(self.id).len();
    }
}

/// The subscription connection that was opened as the `n`th, with its handshake done.
fn source(w: &mut World, n: usize) -> ConnId {
    let conn = w.server(n);
    assert_eq!(w.sent(conn), "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n");
    reply(w, conn, "%0\r\n");
    conn
}

/// Words sent to a server since `seen`.
fn asked(w: &World, server: ConnId, seen: &mut usize) -> String {
    let text = w.sent(server)[*seen..].replace("\r\n", " ");
    *seen = w.sent(server).len();
    let words = text.split(' ').filter(|word| !word.starts_with(['*', '$']));
    words.collect::<Vec<_>>().join(" ").trim().to_owned()
}

fn is_even(w: &World) {
    let census = w.proxy.census();
    assert_eq!(census.held, census.held_counted, "{census:?}");
}

#[test]
fn many_clients_share_one_subscription() {
    let mut w = World::new(ONE);
    let mut clients: Vec<Client> = (0..10).map(|n| Client::new(&mut w, n % 2 == 1)).collect();
    send(&mut w, clients[0].id, &["SUBSCRIBE c"]);
    send(&mut w, clients[1].id, &["SUBSCRIBE c"]);
    let server = source(&mut w, 0);
    let mut seen = 30;
    assert_eq!(asked(&w, server, &mut seen), "subscribe c");
    clients[0].gets(&w, &[]);
    reply(&mut w, server, &push(&["subscribe", "c", "1"]));
    for client in &mut clients[2..] {
        send(&mut w, client.id, &["SUBSCRIBE c"]);
    }
    clients.iter_mut().for_each(|client| client.gets(&w, &[&["subscribe", "c", "1"]]));
    reply(&mut w, server, &push(&["message", "c", "hello"]).repeat(2));
    clients.iter_mut().for_each(|client| client.gets(&w, &[&["message", "c", "hello"][..]; 2]));
    // One by one they go; the last one ends it.
    for client in &mut clients[1..] {
        send(&mut w, client.id, &["UNSUBSCRIBE"]);
        client.gets(&w, &[&["unsubscribe", "c", "0"]]);
    }
    assert_eq!(asked(&w, server, &mut seen), "");
    w.proxy.failed(&mut w.io, clients[0].id, Fault::Reset);
    w.proxy.turn_end(&mut w.io);
    assert_eq!(asked(&w, server, &mut seen), "unsubscribe c");
    // A client that comes before the acknowledgement of that.
    send(&mut w, clients[1].id, &["SUBSCRIBE c"]);
    reply(&mut w, server, &push(&["unsubscribe", "c", "0"]));
    clients[1].gets(&w, &[]);
    reply(&mut w, server, &push(&["subscribe", "c", "1"]));
    clients[1].gets(&w, &[&["subscribe", "c", "1"]]);
    assert_eq!((asked(&w, server, &mut seen).as_str(), w.io.connects.len()), ("subscribe c", 1));
    is_even(&w);
    send(&mut w, clients[1].id, &["RESET"]);
    assert_eq!(asked(&w, server, &mut seen), "unsubscribe c");
    reply(&mut w, server, &push(&["unsubscribe", "c", "0"]));
    assert!(w.proxy.pools.values().all(|pool| pool.feeds.is_empty()));
    assert!(w.proxy.clients().all(|client| client.session.state.is_none()));
    is_even(&w);
}

#[test]
fn acknowledgements_are_in_the_order_of_the_requests_and_count_as_redis_does() {
    let mut w = World::new(ONE);
    let mut client = Client::new(&mut w, false);
    send(&mut w, client.id, &["SUBSCRIBE a b a", "PSUBSCRIBE n.*", "SSUBSCRIBE s", "PING x"]);
    let server = source(&mut w, 0);
    let mut seen = 30;
    assert_eq!(asked(&w, server, &mut seen), "subscribe a subscribe b psubscribe n.* ssubscribe s");
    reply(&mut w, server, &push(&["subscribe", "a", "1"]));
    // Nothing before the acknowledgement.
    reply(&mut w, server, &push(&["message", "a", "early"]));
    client.gets(&w, &[]);
    for items in [["subscribe", "b", "2"], ["psubscribe", "n.*", "3"], ["ssubscribe", "s", "1"]] {
        reply(&mut w, server, &push(&items));
    }
    client.gets(
        &w,
        &[
            &["subscribe", "a", "1"],
            &["subscribe", "b", "2"],
            &["subscribe", "a", "2"],
            &["psubscribe", "n.*", "3"],
            &["ssubscribe", "s", "1"],
            &["pong", "x"],
        ],
    );
    for items in [&["message", "a", "x"][..], &["pmessage", "n.*", "n.x", "y"], &["smessage", "s", "z"]] {
        reply(&mut w, server, &push(items));
        client.gets(&w, &[items]);
    }
    send(
        &mut w,
        client.id,
        &["UNSUBSCRIBE nothing b", "PUNSUBSCRIBE", "SUNSUBSCRIBE s s", "UNSUBSCRIBE", "UNSUBSCRIBE"],
    );
    let ends: [&[&str]; 7] = [
        &["unsubscribe", "nothing", "3"],
        &["unsubscribe", "b", "2"],
        &["punsubscribe", "n.*", "1"],
        &["sunsubscribe", "s", "0"],
        &["sunsubscribe", "s", "0"],
        &["unsubscribe", "a", "0"],
        &["unsubscribe", "null", "0"],
    ];
    client.gets(&w, &ends);
    is_even(&w);
}

#[test]
fn what_a_client_of_resp2_may_send_while_it_is_subscribed() {
    let mut w = World::new(ONE);
    let client = w.accept(0);
    send(&mut w, client, &["SUBSCRIBE c"]);
    let server = source(&mut w, 0);
    reply(&mut w, server, &push(&["subscribe", "c", "1"]));
    let seen = w.sent(client).len();
    send(&mut w, client, &["PING", "PING x", "GET k"]);
    let refused = "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this \
                   context\r\n";
    let pongs = "*2\r\n$4\r\npong\r\n$0\r\n\r\n*2\r\n$4\r\npong\r\n$1\r\nx\r\n";
    assert_eq!(w.sent(client)[seen..], format!("{pongs}{refused}"));
    // RESET ends all of it.
    send(&mut w, client, &["RESET", "PING"]);
    assert!(w.sent(client).ends_with("+RESET\r\n+PONG\r\n"));
}

#[test]
fn a_client_of_resp3_sends_what_it_likes() {
    let mut w = World::new(ONE);
    let mut client = Client::new(&mut w, true);
    send(&mut w, client.id, &["SUBSCRIBE c"]);
    let server = source(&mut w, 0);
    reply(&mut w, server, &push(&["subscribe", "c", "1"]));
    client.gets(&w, &[&["subscribe", "c", "1"]]);
    send(&mut w, client.id, &["GET k"]);
    reply(&mut w, server, &push(&["message", "c", "x"]));
    let shared = source(&mut w, 1);
    reply(&mut w, shared, "$1\r\nv\r\n");
    assert_eq!(w.sent(client.id)[client.seen..], format!("{}$1\r\nv\r\n", push(&["message", "c", "x"])));
    // Back to RESP2, still subscribed.
    send(&mut w, client.id, &["HELLO 2"]);
    (client.seen, client.resp3) = (w.sent(client.id).len(), false);
    reply(&mut w, server, &push(&["message", "c", "y"]));
    client.gets(&w, &[&["message", "c", "y"]]);
}

/// Requests of a client that is subscribed to nothing, and the answers; nothing reaches a server.
#[test]
fn unsubscribing_from_nothing() {
    let cases = [
        ("UNSUBSCRIBE", array(&["unsubscribe", "null", "0"])),
        ("punsubscribe a b", array(&["punsubscribe", "a", "0"]) + &array(&["punsubscribe", "b", "0"])),
    ];
    for (request, answer) in cases {
        let mut w = World::new(ONE);
        let client = w.ask(lines(&[request]));
        assert_eq!(w.sent(client), answer, "{request}");
        assert!(w.io.connects.is_empty());
        assert!(w.proxy.clients().all(|client| client.session.state.is_none()));
    }
}

/// Keys `a` and `b` live on different servers.
#[test]
fn channels_live_where_they_are_published_and_patterns_everywhere() {
    let mut w = World::new(TWO);
    let mut client = Client::new(&mut w, false);
    send(&mut w, client.id, &["SUBSCRIBE a b", "PSUBSCRIBE [ab]*", "SUBSCRIBE __keyevent@0__:expired"]);
    let mut ports: Vec<(u16, ConnId)> = Vec::new();
    for n in 0..2 {
        let net::Address::Tcp { port, .. } = w.io.connects[n].1 else { panic!() };
        ports.push((port, source(&mut w, n)));
    }
    let publisher = w.ask(lines(&["PUBLISH a x"]));
    let net::Address::Tcp { port: of_a, .. } = w.io.connects[2].1 else { panic!() };
    let shared = w.server(2);
    reply(&mut w, shared, ":2\r\n");
    assert!(w.sent(publisher).starts_with(':'));
    let both: &[&[&str]] = &[&["subscribe", "a", "1"], &["subscribe", "b", "2"]];
    for ((port, server), acknowledged) in ports.iter().zip([&[], both]) {
        let own = if *port == of_a { "a" } else { "b" };
        let mut seen = 30;
        let all = format!("subscribe {own} psubscribe [ab]* subscribe __keyevent@0__:expired");
        assert_eq!(asked(&w, *server, &mut seen), all);
        reply(&mut w, *server, &push(&["subscribe", own, "1"]));
        client.gets(&w, acknowledged);
    }
    for (_, server) in &ports {
        reply(&mut w, *server, &push(&["psubscribe", "[ab]*", "2"]));
        reply(&mut w, *server, &push(&["subscribe", "__keyevent@0__:expired", "3"]));
    }
    client.gets(&w, &[&["psubscribe", "[ab]*", "3"], &["subscribe", "__keyevent@0__:expired", "4"]]);
    for (_, server) in &ports {
        reply(&mut w, *server, &push(&["message", "__keyevent@0__:expired", "k"]));
        client.gets(&w, &[&["message", "__keyevent@0__:expired", "k"]]);
    }
}

#[test]
fn subscriptions_are_made_again_after_a_loss() {
    let mut w = World::new(ONE);
    let mut clients = [Client::new(&mut w, false), Client::new(&mut w, true)];
    for client in &clients {
        send(&mut w, client.id, &["SUBSCRIBE c"]);
    }
    send(&mut w, clients[0].id, &["PSUBSCRIBE p*"]);
    let server = source(&mut w, 0);
    reply(&mut w, server, &push(&["subscribe", "c", "1"]));
    reply(&mut w, server, &push(&["psubscribe", "p*", "2"]));
    clients[0].gets(&w, &[&["subscribe", "c", "1"], &["psubscribe", "p*", "2"]]);
    clients[1].gets(&w, &[&["subscribe", "c", "1"]]);
    w.proxy.failed(&mut w.io, server, Fault::Reset);
    w.proxy.turn_end(&mut w.io);
    let server = source(&mut w, 1);
    let mut seen = 30;
    let text = asked(&w, server, &mut seen);
    assert!(text == "subscribe c psubscribe p*", "{text}");
    reply(&mut w, server, &push(&["subscribe", "c", "1"]));
    reply(&mut w, server, &push(&["message", "c", "x"]));
    for client in &mut clients {
        client.gets(&w, &[&["message", "c", "x"]]);
    }
    let pool = w.proxy.pools.values().next().unwrap();
    assert_eq!((pool.stats.subscriptions_lost.get(), pool.stats.messages.get()), (2, 2));
    assert!(
        w.told
            .notices
            .lock()
            .unwrap()
            .iter()
            .any(|notice| matches!(notice, crate::Notice::SubscriptionsLost { count: 2, .. }))
    );
    // Those who are not subscribed yet get the reason.
    send(&mut w, clients[1].id, &["SUBSCRIBE d"]);
    w.proxy.failed(&mut w.io, server, Fault::Reset);
    w.proxy.turn_end(&mut w.io);
    assert_eq!(w.sent(clients[1].id)[clients[1].seen..], *"-ERR Connection reset by peer\r\n");
    is_even(&w);
}

/// The timer that looks after the feeds fired between the loss and the end of its turn: it saw no connection,
/// was not set again, and nobody placed them.
#[test]
fn a_loss_in_the_turn_of_the_timer_is_seen() {
    let mut w = World::new(ONE);
    let mut client = Client::new(&mut w, false);
    send(&mut w, client.id, &["SUBSCRIBE c"]);
    let server = source(&mut w, 0);
    reply(&mut w, server, &push(&["subscribe", "c", "1"]));
    client.gets(&w, &[&["subscribe", "c", "1"]]);
    w.proxy.failed(&mut w.io, server, Fault::Reset);
    w.pass_time(Duration::from_secs(5));
    w.proxy.turn_end(&mut w.io);
    let server = source(&mut w, 1);
    assert_eq!(asked(&w, server, &mut 30), "subscribe c");
}

#[test]
fn a_server_that_declines_a_channel_fails_no_other() {
    let mut w = World::new(ONE);
    let mut clients = [Client::new(&mut w, false), Client::new(&mut w, false)];
    send(&mut w, clients[0].id, &["SUBSCRIBE ok no"]);
    send(&mut w, clients[1].id, &["SUBSCRIBE ok"]);
    let server = source(&mut w, 0);
    reply(&mut w, server, &push(&["subscribe", "ok", "1"]));
    reply(&mut w, server, "-NOPERM no\r\n");
    assert_eq!(w.sent(clients[0].id), "-NOPERM no\r\n");
    clients[1].gets(&w, &[&["subscribe", "ok", "1"]]);
    reply(&mut w, server, &push(&["message", "ok", "x"]));
    clients[1].gets(&w, &[&["message", "ok", "x"]]);
    assert_eq!(w.sent(clients[0].id), "-NOPERM no\r\n");
    is_even(&w);
}

#[test]
fn a_server_that_does_not_answer_fails_those_who_wait() {
    let mut w = World::new(ONE);
    let client = w.accept(0);
    send(&mut w, client, &["SUBSCRIBE c"]);
    source(&mut w, 0);
    w.pass_time(Duration::from_millis(1001));
    w.proxy.turn_end(&mut w.io);
    assert_eq!(w.sent(client), "-ERR Connection timed out\r\n");
    is_even(&w);
}

#[test]
fn a_dead_subscription_connection_is_noticed() {
    let mut w = World::new(ONE);
    let client = w.accept(0);
    send(&mut w, client, &["SUBSCRIBE c"]);
    let server = source(&mut w, 0);
    reply(&mut w, server, &push(&["subscribe", "c", "1"]));
    w.pass_time(Duration::from_secs(6));
    assert!(w.sent(server).ends_with("PING\r\n"));
    reply(&mut w, server, "+PONG\r\n");
    w.pass_time(Duration::from_secs(6));
    while !w.io.closed.contains(&server) {
        assert!(w.io.now.0 < 20_000_000, "it is still thought alive");
        w.pass_time(Duration::from_millis(200));
        w.proxy.turn_end(&mut w.io);
    }
    assert_eq!(w.io.connects.len(), 2);
}

#[test]
fn what_one_turn_hands_out_is_bounded() {
    let mut w = World::with_budget(ONE, 64 << 20);
    let clients: Vec<Client> = (0..100).map(|_| Client::new(&mut w, true)).collect();
    for client in &clients {
        send(&mut w, client.id, &["SUBSCRIBE c"]);
    }
    let server = source(&mut w, 0);
    reply(&mut w, server, &push(&["subscribe", "c", "1"]));
    let message = push(&["message", "c", &"x".repeat(1000)]);
    let bytes = message.repeat(100);
    let mut taken = 0;
    let mut turns = 0;
    while taken < bytes.len() {
        taken += w.receive(server, &bytes.as_bytes()[taken..]);
        assert!(w.proxy.fan_out.bytes < 6 << 20);
        w.proxy.turn_end(&mut w.io);
        turns += 1;
    }
    assert!((2..10).contains(&turns), "{turns}");
    for client in &clients {
        assert_eq!(w.sent(client.id).matches('>').count(), 101);
    }
}

#[test]
fn a_slow_subscriber_is_closed_at_the_limit() {
    let mut w = World::new(ONE);
    let clients: Vec<ConnId> = (0..3).map(|_| w.accept(0)).collect();
    for client in &clients {
        send(&mut w, *client, &["SUBSCRIBE c"]);
    }
    let server = source(&mut w, 0);
    reply(&mut w, server, &push(&["subscribe", "c", "1"]));
    let (soft, hard) = (8 << 20, 32 << 20);
    w.io.unsent.insert(clients[0], hard);
    w.io.unsent.insert(clients[1], soft + 1);
    for _ in 0..3 {
        reply(&mut w, server, &push(&["message", "c", "x"]));
        w.io.now = w.io.now + Duration::from_secs(29);
    }
    assert!(w.io.closed.is_empty());
    w.io.unsent.insert(clients[0], hard + 1);
    reply(&mut w, server, &push(&["message", "c", "x"]));
    assert_eq!(w.io.closed, clients[..2], "one is too far behind, one for too long");
    w.io.unsent.insert(clients[2], soft + 1);
    reply(&mut w, server, &push(&["message", "c", "x"]));
    w.io.unsent.insert(clients[2], 0);
    w.proxy.turn_end(&mut w.io);
    assert!(w.proxy.fan_out.behind.is_empty());
    is_even(&w);
}

#[test]
fn receivers_are_clients_and_not_subscriptions() {
    let mut w = World::new(ONE);
    let clients: Vec<ConnId> = (0..5).map(|_| w.accept(0)).collect();
    for client in &clients {
        send(&mut w, *client, &["SUBSCRIBE news"]);
    }
    send(&mut w, clients[0], &["PSUBSCRIBE n*"]);
    send(&mut w, clients[1], &["PSUBSCRIBE n*"]);
    let server = source(&mut w, 0);
    reply(&mut w, server, &push(&["subscribe", "news", "1"]));
    reply(&mut w, server, &push(&["psubscribe", "n*", "2"]));
    // One more at the server, which is no client of the proxy.
    let replies = [
        ("PUBLISH news x", ":3\r\n", ":8\r\n"),
        ("PUBLISH n x", ":1\r\n", ":2\r\n"),
        ("PUBLISH other x", ":0\r\n", ":0\r\n"),
        ("SPUBLISH news x", ":0\r\n", ":0\r\n"),
        (
            "PUBSUB NUMSUB news x",
            "*4\r\n$4\r\nnews\r\n:2\r\n$1\r\nx\r\n:0\r\n",
            "*4\r\n$4\r\nnews\r\n:6\r\n$1\r\nx\r\n:0\r\n",
        ),
        ("PUBSUB NUMPAT", ":1\r\n", ":1\r\n"),
        ("PUBLISH news x", "-NOPERM no\r\n", "-NOPERM no\r\n"),
    ];
    let publisher = w.accept(0);
    for (request, said, answer) in replies {
        let before = w.sent(publisher).len();
        send(&mut w, publisher, &[request]);
        let shared = w.server(1);
        reply(&mut w, shared, said);
        assert_eq!(w.sent(publisher)[before..], *answer, "{request}");
    }
    is_even(&w);
}

#[test]
fn a_server_that_is_away_is_not_called_all_the_time() {
    let mut w = World::new(ONE);
    let client = w.accept(0);
    send(&mut w, client, &["SUBSCRIBE c"]);
    let server = source(&mut w, 0);
    reply(&mut w, server, &push(&["subscribe", "c", "1"]));
    w.proxy.failed(&mut w.io, server, Fault::Reset);
    let mut refused = 1;
    for _ in 0..500 {
        w.proxy.turn_end(&mut w.io);
        while let Some((conn, _)) = w.io.connects.get(refused).cloned() {
            refused += 1;
            w.proxy.failed(&mut w.io, conn, Fault::Refused);
        }
        w.pass_time(Duration::from_millis(10));
    }
    assert!((4..30).contains(&refused), "{refused}");
}

/// Its second request was acknowledged, and it got nothing.
#[test]
fn who_asks_again_for_what_fails_is_not_told_that_it_has_it() {
    let mut w = World::new(ONE);
    let mut client = Client::new(&mut w, true);
    let requests = lines(&["SUBSCRIBE c", "SUBSCRIBE other c"]);
    let taken = w.receive(client.id, &requests);
    let server = source(&mut w, 0);
    w.proxy.failed(&mut w.io, server, Fault::Reset);
    w.proxy.turn_end(&mut w.io);
    assert_eq!(w.sent(client.id)[client.seen..], *"-ERR Connection reset by peer\r\n");
    client.seen = w.sent(client.id).len();
    w.receive(client.id, &requests[taken..]);
    w.proxy.turn_end(&mut w.io);
    let server = source(&mut w, 1);
    let mut seen = 30;
    let text = asked(&w, server, &mut seen);
    assert!(["subscribe other subscribe c", "subscribe c subscribe other"].contains(&&*text), "{text}");
    reply(&mut w, server, &push(&["subscribe", "other", "1"]));
    client.gets(&w, &[]);
    reply(&mut w, server, &push(&["subscribe", "c", "2"]));
    client.gets(&w, &[&["subscribe", "other", "1"], &["subscribe", "c", "2"]]);
    reply(&mut w, server, &push(&["message", "c", "x"]));
    client.gets(&w, &[&["message", "c", "x"]]);
    is_even(&w);
}

/// Acknowledgements counted what had failed before them.
#[test]
fn what_has_failed_counts_in_no_later_acknowledgement() {
    let mut w = World::new(ONE);
    let mut client = Client::new(&mut w, false);
    send(&mut w, client.id, &["SUBSCRIBE a"]);
    let server = source(&mut w, 0);
    reply(&mut w, server, &push(&["subscribe", "a", "1"]));
    client.gets(&w, &[&["subscribe", "a", "1"]]);
    send(&mut w, client.id, &["SUBSCRIBE a no", "PSUBSCRIBE b* b*", "SUBSCRIBE c", "SSUBSCRIBE s"]);
    reply(&mut w, server, "-NOPERM no\r\n");
    assert_eq!(w.sent(client.id)[client.seen..], *"-NOPERM no\r\n");
    client.seen = w.sent(client.id).len();
    for items in [["psubscribe", "b*", "2"], ["subscribe", "c", "3"], ["ssubscribe", "s", "1"]] {
        reply(&mut w, server, &push(&items));
    }
    let acknowledged: [&[&str]; 4] = [
        &["psubscribe", "b*", "2"],
        &["psubscribe", "b*", "2"],
        &["subscribe", "c", "3"],
        &["ssubscribe", "s", "1"],
    ];
    client.gets(&w, &acknowledged);
    send(&mut w, client.id, &["UNSUBSCRIBE no a"]);
    client.gets(&w, &[&["unsubscribe", "no", "3"], &["unsubscribe", "a", "2"]]);
    is_even(&w);
}

/// A client that wants no replies waited for ever.
#[test]
fn acknowledgements_and_messages_come_where_replies_are_off() {
    let mut w = World::new(ONE);
    for off in ["CLIENT REPLY OFF", "CLIENT REPLY SKIP"] {
        let connects = w.io.connects.len();
        let mut client = Client::new(&mut w, true);
        send(&mut w, client.id, &[off, "SUBSCRIBE c"]);
        let server = source(&mut w, connects);
        reply(&mut w, server, &push(&["subscribe", "c", "1"]));
        client.gets(&w, &[&["subscribe", "c", "1"]]);
        send(&mut w, client.id, &[off, "SUBSCRIBE no"]);
        reply(&mut w, server, "-NOPERM no\r\n");
        client.gets(&w, &[]);
        send(&mut w, client.id, &[off, "SUBSCRIBE c"]);
        reply(&mut w, server, &push(&["message", "c", "x"]));
        client.gets(&w, &[&["subscribe", "c", "1"], &["message", "c", "x"]]);
        send(&mut w, client.id, &[off, "PING", off, "UNSUBSCRIBE c", "CLIENT REPLY ON", "PING"]);
        assert_eq!(
            w.sent(client.id)[client.seen..],
            push(&["unsubscribe", "c", "0"]) + "+OK\r\n+PONG\r\n",
            "{off}"
        );
        w.proxy.failed(&mut w.io, server, Fault::Reset);
        w.proxy.failed(&mut w.io, client.id, Fault::Reset);
        w.proxy.turn_end(&mut w.io);
        is_even(&w);
    }
}

mod chaos;
