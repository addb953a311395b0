//! Configured users at the queue's TCP listener: what they may publish and consume, and what delays or closes
//! a client.

#[path = "shard/harness.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod harness;

use std::sync::Arc;
use std::time::Duration;

use access::{Book, PasswordSpec, Rate, UserSpec};
use config::checked::{ClientAuth, Tls, TlsRequired};
use harness::World;
use net::{App, ConnId, LayerInfo};
use nuthatch_queue::outside::Asker;
use nuthatch_queue::request::{Answer, Request};
use nuthatch_queue::{Mail, QueueOptions};

const OK: &str = "OK";

fn user(name: &str, publish: &[&str], consume: &[&str]) -> UserSpec {
    let list = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect();
    let passwords = vec![PasswordSpec::plain(format!("p-{name}").as_bytes()).unwrap()];
    UserSpec {
        name: name.into(),
        passwords,
        publish: list(publish),
        consume: list(consume),
        ..UserSpec::default()
    }
}

fn world(users: &[UserSpec]) -> World {
    let users = Book::build(users).unwrap_or_else(|faults| panic!("{faults:?}"));
    World::new(QueueOptions { users, ..QueueOptions::default() })
}

fn auth(secret: &str) -> Vec<u8> {
    [b"AUTH\n", &(secret.len() as u32).to_be_bytes()[..], secret.as_bytes()].concat()
}

fn publication(verb: &str, topic: &str) -> Vec<u8> {
    let body: &[u8] = match verb {
        "MPUB" => b"\0\0\0\x09\0\0\0\x01\0\0\0\x01m",
        _ => b"\0\0\0\x01m",
    };
    let delay = if verb == "DPUB" { " 1" } else { "" };
    [format!("{verb} {topic}{delay}\n").as_bytes(), body].concat()
}

/// The last answer, as text.
fn answer(world: &mut World, conn: ConnId) -> String {
    let frames = world.frames(conn);
    frames.last().map_or_else(String::new, |(_, data)| String::from_utf8_lossy(data).into_owned())
}

/// A logged-in client.
fn logged_in(world: &mut World, name: &str) -> ConnId {
    let conn = world.client();
    world.send(conn, &auth(&format!("{name}:p-{name}")));
    let told = answer(world, conn);
    assert!(told.starts_with(&format!("{{\"identity\":\"{name}\"")), "{told}");
    conn
}

#[test]
fn who_may_publish_and_consume_what() {
    let users = [
        user("app", &["orders.*"], &["orders.*:mail*", "audit:*"]),
        user("feed", &["*"], &[]),
        user("tail", &[], &["*:*#ephemeral"]),
    ];
    let mut world = world(&users);
    for (name, verb, topic, channel, allowed) in [
        ("app", "PUB", "orders.new", "", true),
        ("app", "PUB", "orders.", "", true),
        ("app", "PUB", "orders", "", false),
        ("app", "PUB", "xorders.new", "", false),
        ("app", "PUB", "audit", "", false),
        ("app", "MPUB", "orders.new", "", true),
        ("app", "MPUB", "other", "", false),
        ("app", "DPUB", "orders.new", "", true),
        ("app", "DPUB", "other", "", false),
        ("app", "SUB", "orders.new", "mail", true),
        ("app", "SUB", "orders.new", "mail-2", true),
        ("app", "SUB", "orders.new", "email", false),
        ("app", "SUB", "audit", "any", true),
        ("app", "SUB", "audit2", "any", false),
        ("feed", "PUB", "anything", "", true),
        ("feed", "SUB", "anything", "c", false),
        ("tail", "SUB", "orders.new", "t#ephemeral", true),
        ("tail", "SUB", "orders.new", "t", false),
        ("tail", "PUB", "orders.new", "", false),
    ] {
        let conn = logged_in(&mut world, name);
        match verb {
            "SUB" => world.send(conn, format!("SUB {topic} {channel}\n").as_bytes()),
            _ => world.send(conn, &publication(verb, topic)),
        }
        let refused = format!("E_UNAUTHORIZED AUTH failed for {verb} on \"{topic}\" \"{channel}\"");
        let expected = if allowed { OK } else { &refused };
        assert_eq!(answer(&mut world, conn), expected, "{name} {verb} {topic} {channel}");
        assert_eq!(world.wire(conn).closed, !allowed, "a refusal is fatal, as nsqd's");
    }
    assert!(!world.present().contains(&("other".to_owned(), None)), "what is refused creates nothing");
}

#[test]
fn nobody_is_asked_where_no_user_has_rights_to_topics() {
    let redis = UserSpec { pools: vec!["p".into()], ..user("web", &[], &[]) };
    let mut world = world(&[redis]);
    let conn = world.client();
    world.send(conn, &publication("PUB", "t"));
    assert_eq!(answer(&mut world, conn), OK);
    world.send(conn, &auth("web:p-web"));
    assert_eq!(answer(&mut world, conn), "E_AUTH_DISABLED AUTH disabled");
}

#[test]
fn logins_are_answered_in_nsqds_words() {
    let idle = user("idle", &[], &[]);
    let mut world = world(&[user("app", &["a", "b"], &["a:c"]), idle]);
    for (secret, expected) in [
        ("app:p-app", r#"{"identity":"app","identity_url":"","permission_count":3}"#),
        ("p-app", r#"{"identity":"app","identity_url":"","permission_count":3}"#),
        ("app:p-ap", "E_AUTH_FAILED AUTH failed"),
        ("app:", "E_AUTH_FAILED AUTH failed"),
        ("app", "E_AUTH_FAILED AUTH failed"),
        (":p-app", "E_AUTH_FAILED AUTH failed"),
        ("nobody:p-app", "E_AUTH_FAILED AUTH failed"),
        ("idle:p-idle", "E_UNAUTHORIZED AUTH no authorizations found"),
    ] {
        let conn = world.client();
        world.send(conn, &auth(secret));
        assert_eq!(answer(&mut world, conn), expected, "{secret}");
    }
    let conn = world.client();
    world.send(conn, b"IDENTIFY\n\0\0\0\x1c{\"feature_negotiation\":true}");
    let told = answer(&mut world, conn);
    assert!(told.contains("\"auth_required\":true"), "{told}");
    world.send(conn, &publication("PUB", "a"));
    assert_eq!(answer(&mut world, conn), "E_AUTH_FIRST AUTH required before PUB");
    let conn = logged_in(&mut world, "app");
    world.send(conn, &auth("app:p-app"));
    assert_eq!(answer(&mut world, conn), "E_INVALID AUTH already set");
}

#[test]
fn an_authorization_server_goes_before_users() {
    let mut world = world(&[user("app", &["*"], &[])]);
    world.configure(|settings| settings.auth_http_addresses = vec!["127.0.0.1:1".into()]);
    let conn = world.client();
    world.send(conn, &auth("app:p-app"));
    assert_eq!(answer(&mut world, conn), "", "the server is asked");
}

#[test]
fn brute_force_is_slowed_down_and_counted() {
    let mut world = world(&[user("app", &["*"], &[]), user("feed", &["*"], &[])]);
    let attempt = |world: &mut World, secret: &str| {
        let conn = world.client();
        world.send(conn, &auth(secret));
        !answer(world, conn).starts_with('E')
    };
    assert!((0..10).all(|_| !attempt(&mut world, "app:guess")));
    assert!(!attempt(&mut world, "app:p-app"), "the right one is not found out either");
    assert!(attempt(&mut world, "feed:p-feed"), "another user of the same host");
    world.advance(Duration::from_secs(2));
    assert!(attempt(&mut world, "app:p-app"), "some time later");
    let stats = Request::Stats { topic: None, channel: None, clients: false };
    let nuthatch_queue::request::Answer::Stats(stats) = world.ask(stats) else { panic!("statistics") };
    assert_eq!(stats.login_failures, 11);
}

#[test]
fn a_client_at_its_limit_on_requests_waits() {
    let limit_requests = Some(Rate { count: 10, per: Duration::from_secs(1), burst: 2 });
    for verb in ["PUB", "MPUB"] {
        let mut world = world(&[UserSpec { limit_requests, ..user("app", &["*"], &[]) }]);
        let (one, other) = (logged_in(&mut world, "app"), logged_in(&mut world, "app"));
        for conn in [one, other] {
            world.arrive(conn, &publication(verb, "t").repeat(3));
        }
        world.turn();
        let oks = |world: &mut World| [one, other].map(|conn| world.frames(conn).len()).iter().sum::<usize>();
        assert_eq!(oks(&mut world), 2, "{verb}: the burst");
        world.advance(Duration::from_millis(99));
        assert_eq!(oks(&mut world), 0, "{verb}");
        world.advance(Duration::from_millis(221));
        assert_eq!(oks(&mut world), 3, "{verb}: ten a second");
        world.advance(Duration::from_secs(1));
        assert_eq!(oks(&mut world), 1, "{verb}: all of them in the end");
        assert!(!world.wire(one).closed && !world.wire(other).closed);
    }
}

/// A producer's last topic is remembered no longer than the right to it and its limits stay.
#[test]
fn a_producer_that_has_published_before_is_checked_as_a_new_one() {
    let limit_requests = Some(Rate { count: 1, per: Duration::from_hours(1), burst: 1 });
    let of = |topic: &str, limit_requests| UserSpec { limit_requests, ..user("app", &[topic], &["*"]) };
    for (then, answered) in [
        (vec![of("*", None)], vec![OK, OK]),
        (vec![of("a", None)], vec!["E_UNAUTHORIZED AUTH failed for PUB on \"t\" \"\""]),
        (vec![of("*", limit_requests)], vec![OK]),
        (vec![user("other", &["*"], &[])], vec!["E_AUTH_FIRST AUTH required before PUB"]),
        (vec![], vec![OK, OK]),
    ] {
        let mut world = world(&[of("*", None)]);
        let conn = logged_in(&mut world, "app");
        for _ in 0..2 {
            world.send(conn, &publication("PUB", "t"));
            assert_eq!(answer(&mut world, conn), OK);
        }
        world.set_users(Book::build(&then).unwrap());
        for _ in 0..2 {
            world.send(conn, &publication("PUB", "t"));
        }
        let told: Vec<_> = world.frames(conn).into_iter().map(|(_, data)| data).collect();
        let answered: Vec<_> = answered.iter().map(|text| text.as_bytes().to_vec()).collect();
        assert_eq!(told, answered, "{then:?}");
    }
}

#[test]
fn publications_find_and_count_their_topic_after_others_and_after_it_was_deleted() {
    let mut world = World::new(QueueOptions::default());
    let conn = world.client();
    let publish = |world: &mut World, topics: &[&str]| {
        topics.iter().for_each(|topic| world.send(conn, &publication("PUB", topic)));
        assert!(world.frames(conn).iter().all(|(_, data)| data == b"OK"), "{topics:?}");
    };
    publish(&mut world, &["a", "a", "b", "a", "b"]);
    world.ask(Request::DeleteTopic("a".into()));
    world.ask(Request::DeleteTopic("b".into()));
    publish(&mut world, &["b", "b", "a"]);
    let stats = Request::Stats { topic: None, channel: None, clients: true };
    let Answer::Stats(stats) = world.ask(stats) else { panic!("no statistics") };
    let mut topics: Vec<_> = stats.topics.iter().flatten().map(|t| (t.name.clone(), t.messages)).collect();
    topics.sort();
    assert_eq!(topics, [("a".to_owned(), 1), ("b".to_owned(), 2)]);
    let producers = stats.producers.expect("clients were asked for");
    assert_eq!(producers[0].published, [("a".to_owned(), 4), ("b".to_owned(), 4)]);
}

#[test]
fn connections_of_a_user_are_limited() {
    let mut world = world(&[UserSpec { limit_connections: Some(1), ..user("app", &["*"], &[]) }]);
    let first = logged_in(&mut world, "app");
    let second = world.client();
    world.send(second, &auth("app:p-app"));
    assert_eq!(answer(&mut world, second), "E_AUTH_FAILED AUTH failed");
    world.disconnect(first);
    logged_in(&mut world, "app");
}

#[test]
fn a_password_that_is_slow_to_verify_holds_up_its_client_only() {
    // Hash of "password" by the reference implementation.
    let hash = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let slow = UserSpec { passwords: vec![PasswordSpec::Argon2(hash.into())], ..user("slow", &["*"], &[]) };
    let mut world = world(&[slow, user("app", &["*"], &[])]);
    for (secret, expected) in [
        ("slow:password", OK),
        ("slow:wrong", "E_AUTH_FAILED AUTH failed"),
        ("nobody:password", "E_AUTH_FAILED AUTH failed"),
    ] {
        let conn = world.client();
        world.send(conn, &[auth(secret), publication("PUB", "t")].concat());
        assert_eq!(answer(&mut world, conn), "", "{secret}: it is being verified");
        let quick = logged_in(&mut world, "app");
        world.send(quick, &publication("PUB", "t"));
        assert_eq!(answer(&mut world, quick), OK);
        let (asker, proof) = world.heard.lock().unwrap().proofs.pop().expect("it is asked for");
        assert_eq!(asker, Asker(conn));
        let user = proof.verify();
        world.queue.mail(&mut world.io, Mail::Login(asker, user));
        world.turn();
        assert_eq!(answer(&mut world, conn), expected, "{secret}");
    }
    world.heard.lock().unwrap().busy = true;
    let conn = world.client();
    world.send(conn, &auth("slow:wrong2"));
    assert_eq!(answer(&mut world, conn), "E_AUTH_FAILED AUTH failed", "too many are being verified");
}

#[test]
fn rights_that_are_taken_away_end_at_once() {
    let mut world =
        world(&[user("app", &["*"], &["*"]), user("tail", &[], &["*"]), user("gone", &[], &["*"])]);
    let consumer = |world: &mut World, name: &str| {
        let conn = logged_in(world, name);
        world.send(conn, b"SUB t c\nRDY 1\n");
        assert_eq!(answer(world, conn), OK);
        conn
    };
    let [app, tail, gone] = ["app", "tail", "gone"].map(|name| consumer(&mut world, name));
    let producer = logged_in(&mut world, "app");
    world.send(producer, &publication("PUB", "t"));
    assert_eq!(answer(&mut world, producer), OK);
    let users = [user("app", &["a"], &["*"]), user("tail", &[], &["other:*"])];
    world.set_users(Book::build(&users).unwrap());
    assert_eq!([app, tail, gone].map(|conn| world.wire(conn).closed), [false, true, true]);
    world.send(producer, &publication("PUB", "a"));
    assert_eq!(answer(&mut world, producer), OK);
    world.send(producer, &publication("PUB", "t"));
    assert_eq!(answer(&mut world, producer), "E_UNAUTHORIZED AUTH failed for PUB on \"t\" \"\"");
    world.set_users(Book::default());
    let anybody = world.client();
    world.send(anybody, &publication("PUB", "t"));
    assert_eq!(answer(&mut world, anybody), OK, "without users as before there were any");
    world.set_users(Book::build(&users).unwrap());
    world.send(anybody, &publication("PUB", "t"));
    assert_eq!(answer(&mut world, anybody), "E_AUTH_FIRST AUTH required before PUB");
    assert!(!world.wire(app).closed, "it has its rights again");
}

#[test]
fn a_client_that_leaves_while_its_password_is_verified_is_forgotten() {
    let mut world = world(&[user("app", &["*"], &[])]);
    let conn = logged_in(&mut world, "app");
    world.disconnect(conn);
    world.queue.mail(&mut world.io, Mail::Login(Asker(conn), None));
    world.turn();
    logged_in(&mut world, "app");
}

#[test]
fn nothing_shows_a_password() {
    let mut world = world(&[user("app", &["*"], &[])]);
    let conn = logged_in(&mut world, "app");
    world.send(conn, &publication("PUB", "t"));
    let stats = Request::Stats { topic: None, channel: None, clients: true };
    let shown = format!("{:?} {:?}", world.ask(stats), Arc::new(&world.options));
    assert!(shown.contains("app") && !shown.contains("p-app"), "{shown}");
}

#[test]
fn a_verified_certificate_logs_in() {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (signed.cert.pem(), signed.signing_key.serialize_pem());
    let tls = net::tls::server_config(
        cert.as_bytes(),
        key.as_bytes(),
        None,
        net::tls::ClientAuth::None,
        net::tls::MinVersion::Tls12,
    );
    let by_name = UserSpec {
        certificates: vec!["app-*".into()],
        limit_connections: Some(1),
        ..user("app", &["*"], &[])
    };
    let users = Book::build(&[by_name, user("feed", &["feed"], &[])]).unwrap();
    let mut world = World::new(QueueOptions { users, tls: Some(tls.unwrap()), ..QueueOptions::default() });
    for (client_auth, name, expected) in [
        (ClientAuth::RequireVerify, "app-1", OK),
        (ClientAuth::RequireVerify, "other", "E_AUTH_FIRST AUTH required before PUB"),
        // Any certificate is accepted, so its names prove nothing.
        (ClientAuth::Require, "app-1", "E_AUTH_FIRST AUTH required before PUB"),
    ] {
        let (cert, key) = ("cert.pem".into(), "key.pem".into());
        let tls = Tls { cert, key, client_auth, required: TlsRequired::No };
        world.configure(|settings| settings.tls = Some(tls));
        let shown = |world: &mut World| {
            let conn = world.client();
            world.send(conn, b"IDENTIFY\n\0\0\0\x2d{\"feature_negotiation\":true,\"tls_v1\":true }  ");
            let info =
                LayerInfo { client_certificate: true, names: vec![name.to_owned()], ..LayerInfo::default() };
            world.queue.layered(&mut world.io, conn, info);
            world.turn();
            conn
        };
        let conn = shown(&mut world);
        let second = shown(&mut world);
        world.send(conn, &publication("PUB", "t"));
        assert_eq!(answer(&mut world, conn), expected, "{client_auth:?} {name}");
        world.send(second, &publication("PUB", "t"));
        assert_eq!(answer(&mut world, second), "E_AUTH_FIRST AUTH required before PUB", "one is the limit");
        // It may still log in as another user.
        if expected == OK {
            world.send(conn, &auth("feed:p-feed"));
            assert!(answer(&mut world, conn).starts_with("{\"identity\":\"feed\""));
        }
        world.disconnect(conn);
    }
}
