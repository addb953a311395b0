use net::{App, Fault};

use crate::testing::{World, lines, reply, send};

const ONE: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\"]\ntimeout = \"1s\"\n";
const TWO: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nhash = \"fnv1a_64\"\ndistribution = \"modula\"\n\
                   servers = [\"127.0.0.1:11:1 a\", \"127.0.0.1:12:1 b\"]\n";

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

#[test]
fn a_subscriber_has_a_connection_of_resp3_until_its_last_channel() {
    for resp3 in [false, true] {
        let given = |items: &[&str]| if resp3 { push(items) } else { array(items) };
        let mut w = World::new(ONE);
        let client = w.accept(0);
        if resp3 {
            send(&mut w, client, &["HELLO 3"]);
        }
        let mut seen = w.sent(client).len();
        send(&mut w, client, &["SUBSCRIBE c d"]);
        let private = w.server(0);
        assert_eq!(w.sent(private).replace("\r\n", " "), "*2 $5 HELLO $1 3 ");
        reply(&mut w, private, "%0\r\n");
        assert!(w.sent(private).ends_with("*3\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n$1\r\nd\r\n"));
        let steps: [&[&str]; 3] =
            [&["subscribe", "c", "1"], &["subscribe", "d", "2"], &["message", "c", "hello"]];
        for step in steps {
            reply(&mut w, private, &push(step));
            assert_eq!(w.sent(client)[seen..], given(step));
            seen = w.sent(client).len();
        }
        send(&mut w, client, &["UNSUBSCRIBE", "PSUBSCRIBE n.*"]);
        // The count is 0 for a moment, and the connection stays.
        let steps: [&[&str]; 5] = [
            &["unsubscribe", "c", "1"],
            &["unsubscribe", "d", "0"],
            &["psubscribe", "n.*", "1"],
            &["pmessage", "n.*", "n.x", "news"],
            &["punsubscribe", "n.*", "0"],
        ];
        for (n, step) in steps.into_iter().enumerate() {
            if n == 4 {
                send(&mut w, client, &["PUNSUBSCRIBE n.*"]);
            }
            reply(&mut w, private, &push(step));
            assert_eq!(w.sent(client)[seen..], given(step));
            seen = w.sent(client).len();
        }
        assert!(w.proxy.clients().all(|client| client.session.state.is_none()));
        // The next subscriber uses it again, and an old client that comes back has it as before.
        let next = w.accept(0);
        send(&mut w, next, &["SUBSCRIBE e"]);
        reply(&mut w, private, &push(&["subscribe", "e", "1"]));
        assert_eq!((w.sent(next), w.io.connects.len()), (array(&["subscribe", "e", "1"]), 1));
    }
}

#[test]
fn what_a_client_of_resp2_may_send_while_it_is_subscribed() {
    let mut w = World::new(ONE);
    let client = w.accept(0);
    send(&mut w, client, &["SUBSCRIBE c"]);
    let private = w.server(0);
    reply(&mut w, private, &format!("%0\r\n{}", push(&["subscribe", "c", "1"])));
    let seen = w.sent(client).len();
    send(&mut w, client, &["PING", "PING x", "GET k"]);
    let refused = "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this \
                   context\r\n";
    let pongs = "*2\r\n$4\r\npong\r\n$0\r\n\r\n*2\r\n$4\r\npong\r\n$1\r\nx\r\n";
    assert_eq!(w.sent(client)[seen..], format!("{pongs}{refused}"));
    // RESET ends all of it.
    send(&mut w, client, &["RESET", "PING"]);
    assert!(w.sent(client).ends_with("+RESET\r\n+PONG\r\n") && w.io.closed.contains(&private));
}

#[test]
fn a_client_of_resp3_sends_what_it_likes_on_the_same_connection() {
    let mut w = World::new(ONE);
    let client = w.accept(0);
    send(&mut w, client, &["HELLO 3", "SUBSCRIBE c"]);
    let private = w.server(0);
    reply(&mut w, private, &format!("%0\r\n{}", push(&["subscribe", "c", "1"])));
    let seen = w.sent(client).len();
    send(&mut w, client, &["GET k"]);
    reply(&mut w, private, &format!("{}$1\r\nv\r\n", push(&["message", "c", "x"])));
    assert_eq!(w.sent(client)[seen..], format!("{}$1\r\nv\r\n", push(&["message", "c", "x"])));
}

/// Requests of a client that is subscribed to nothing, and the answers; nothing reaches a server.
#[test]
fn unsubscribing_from_nothing_and_places_of_channels() {
    let cases = [
        (ONE, "UNSUBSCRIBE", array(&["unsubscribe", "null", "0"])),
        (ONE, "punsubscribe a b", array(&["punsubscribe", "a", "0"]) + &array(&["punsubscribe", "b", "0"])),
        (TWO, "SUBSCRIBE a b", "-CROSSSLOT ".to_owned()),
        (TWO, "PSUBSCRIBE a*", "-ERR patterns are served in a pool with one server".to_owned()),
    ];
    for (config, request, answer) in cases {
        let mut w = World::new(config);
        let client = w.ask(lines(&[request]));
        assert!(w.sent(client).starts_with(&answer), "{request}: {}", w.sent(client));
        assert!(w.io.connects.is_empty());
    }
    let mut w = World::new(TWO);
    let client = w.ask(lines(&["PUBLISH b x"]));
    let server = w.server(0);
    assert_eq!(w.io.connects[0].1, net::Address::Tcp { host: "127.0.0.1".into(), port: 12 }, "as the key b");
    reply(&mut w, server, ":3\r\n");
    assert_eq!(w.sent(client), ":3\r\n");
}

#[test]
fn a_subscriber_that_goes_away_takes_its_connection_with_it() {
    let mut w = World::new(ONE);
    let client = w.accept(0);
    send(&mut w, client, &["SUBSCRIBE c"]);
    let private = w.server(0);
    reply(&mut w, private, &format!("%0\r\n{}", push(&["subscribe", "c", "1"])));
    w.proxy.failed(&mut w.io, client, Fault::Reset);
    w.proxy.turn_end(&mut w.io);
    assert!(w.io.closed.contains(&private));
}

#[test]
fn a_lost_connection_is_not_hidden_from_its_subscriber() {
    let mut w = World::new(ONE);
    let client = w.accept(0);
    send(&mut w, client, &["SUBSCRIBE c"]);
    let private = w.server(0);
    reply(&mut w, private, &format!("%0\r\n{}", push(&["subscribe", "c", "1"])));
    w.proxy.failed(&mut w.io, private, Fault::Reset);
    assert!(w.sent(client).ends_with("-ERR Connection reset by peer\r\n") && w.io.closed.contains(&client));
    let pool = w.proxy.pools.values().next().unwrap();
    assert_eq!((pool.stats.subscribers_lost.get(), pool.stats.messages.get()), (1, 1));
}

#[test]
fn a_slow_subscriber_is_closed_at_the_limit() {
    let mut w = World::new(ONE);
    let client = w.accept(0);
    send(&mut w, client, &["SUBSCRIBE c"]);
    let private = w.server(0);
    reply(&mut w, private, &format!("%0\r\n{}", push(&["subscribe", "c", "1"])));
    w.io.unsent.insert(client, super::UNSENT_MAX);
    reply(&mut w, private, &push(&["message", "c", "x"]));
    assert!(!w.io.closed.contains(&client));
    w.io.unsent.insert(client, super::UNSENT_MAX + 1);
    reply(&mut w, private, &push(&["message", "c", "x"]));
    assert!(w.io.closed.contains(&client) && w.io.closed.contains(&private));
}
