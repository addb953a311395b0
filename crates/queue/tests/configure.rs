//! Settings changed while the queue runs: what they affect, and what they leave unchanged.

#[path = "shard/harness.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod harness;

use std::time::Duration;

use config::checked::{ClientAuth, Tls, TlsRequired};
use harness::World;
use journal::files::Crash;
use net::ConnId;
use nuthatch_queue::queue::TopicStats;
use nuthatch_queue::request::{Answer, Request};
use nuthatch_queue::settings::Durability;
use nuthatch_queue::{QueueOptions, Settings};

const OK: &[u8] = b"\0\0\0\x06\0\0\0\0OK";

fn world() -> World {
    World::new(QueueOptions::default())
}

/// Sends PUB from a new client and returns the answer.
fn publish(world: &mut World, topic: &str, body: &[u8]) -> String {
    let producer = world.client();
    world.publish(producer, topic, body);
    answer(world, producer)
}

/// Sends a command from a new client and returns the answer.
fn say(world: &mut World, command: &str) -> String {
    let client = world.client();
    world.send(client, command.as_bytes());
    answer(world, client)
}

fn answer(world: &mut World, client: ConnId) -> String {
    let frames = world.frames(client);
    frames.first().map_or_else(String::new, |(_, data)| String::from_utf8_lossy(data).into_owned())
}

fn identify(world: &mut World, client: ConnId) -> String {
    let body = br#"{"feature_negotiation":true}"#;
    let size = u32::try_from(body.len()).unwrap().to_be_bytes();
    world.send(client, &[&b"IDENTIFY\n"[..], &size, body].concat());
    answer(world, client)
}

fn stats(world: &mut World) -> Vec<TopicStats> {
    let ask = Request::Stats { topic: None, channel: None, clients: false };
    let Answer::Stats(snapshot) = world.ask(ask) else { panic!("statistics") };
    snapshot.topics.expect("all topics")
}

#[test]
fn limits_on_names_and_consumers_hold_from_the_next_command_on() {
    let mut world = world();
    for topic in ["a", "b"] {
        assert_eq!(say(&mut world, &format!("SUB {topic} c\n")), "OK");
    }
    world.configure(|settings| {
        (settings.max_topics, settings.max_channels, settings.max_channel_consumers) = (1, 2, 1);
    });
    assert_eq!(publish(&mut world, "new", b"x"), "E_PUB_FAILED PUB failed too many topics, 1 allowed");
    assert_eq!(say(&mut world, "SUB a other\n"), "E_SUB_FAILED SUB failed too many channels, 2 allowed");
    let third = say(&mut world, "SUB a c\n");
    assert_eq!(third, "E_SUB_FAILED SUB failed consumers for a:c exceeds limit of 1");
    assert_eq!(publish(&mut world, "b", b"what is there stays"), "OK");
    world.configure(|settings| {
        (settings.max_topics, settings.max_channels, settings.max_channel_consumers) = (0, 0, 0);
        settings.max_channels_per_topic = 1;
    });
    assert_eq!(publish(&mut world, "new", b"x"), "OK");
    assert_eq!(say(&mut world, "SUB a c\n"), "OK");
    let second = say(&mut world, "SUB a other\n");
    assert_eq!(second, "E_SUB_FAILED SUB failed too many channels of one topic, 1 allowed");
}

#[test]
fn deferred_messages_and_delays_have_other_limits() {
    let mut world = world();
    let dpub = |ms: u32| format!("DPUB t {ms}\n\0\0\0\x01x");
    assert_eq!(say(&mut world, &dpub(60_000)), "OK");
    world.configure(|settings| settings.max_deferred = 1);
    let full = say(&mut world, &dpub(60_000));
    assert_eq!(full, "E_DPUB_FAILED DPUB failed too many deferred messages, 1 allowed");
    world.configure(|settings| {
        settings.max_deferred = 10;
        settings.max_defer_timeout = Duration::from_secs(1);
    });
    let late = say(&mut world, &dpub(60_000));
    assert_eq!(late, "E_INVALID DPUB timeout 60000 out of range 0-1000");
    assert_eq!(say(&mut world, &dpub(1000)), "OK");
}

#[test]
fn connections_beyond_a_new_limit_are_refused_and_those_that_stand_stay() {
    let mut world = world();
    let clients = [world.client(), world.client()];
    world.configure(|settings| settings.max_connections = 1);
    let refused = world.client();
    assert!(world.wire(refused).closed);
    for client in clients {
        world.publish(client, "t", b"x");
        assert_eq!(world.take(client), OK);
    }
    world.configure(|settings| settings.max_connections = 0);
    let let_in = world.client();
    assert!(!world.wire(let_in).closed);
}

#[test]
fn the_memory_limit_moves() {
    let mut world =
        World::new(QueueOptions::from(Settings { durability: Durability::Memory, ..Settings::default() }));
    let body = vec![b'x'; 1 << 20];
    assert_eq!(publish(&mut world, "t", &body), "OK");
    world.configure(|settings| settings.max_memory_bytes = 1 << 20);
    let full = publish(&mut world, "t", b"x");
    assert!(full.starts_with("E_PUB_FAILED PUB failed memory is full"), "{full}");
    world.configure(|settings| settings.max_memory_bytes = 16 << 20);
    assert_eq!(publish(&mut world, "t", &body), "OK");
}

#[test]
fn sizes_of_messages_hold_for_clients_and_topics_that_are_there() {
    let mut world = world();
    let producer = world.client();
    world.publish(producer, "t", b"x");
    assert_eq!(world.take(producer), OK);
    let large = vec![b'x'; 20 << 20];
    world.configure(|settings| (settings.max_msg_size, settings.max_body_size) = (32 << 20, 32 << 20));
    // Larger than the journal's previous limit on records.
    world.publish(producer, "t", &large);
    assert_eq!(world.take(producer), OK);
    world.configure(|settings| (settings.max_msg_size, settings.max_body_size) = (10, 100));
    world.publish(producer, "t", b"eleven bytes");
    assert_eq!(answer(&mut world, producer), "E_BAD_MESSAGE PUB message too big 12 > 10");
    let mut world = world.crash(Crash::Process);
    assert_eq!(stats(&mut world)[0].depth, 2);
}

#[test]
fn segments_have_another_size() {
    let mut world = world();
    let segments = |world: &World| {
        let dir = std::path::Path::new("./topics/t.topic");
        let names = journal::Files::list(&world.files, dir).unwrap().into_iter().map(|entry| entry.name);
        names.filter(|name| name.ends_with(".log")).count()
    };
    for _ in 0..10 {
        publish(&mut world, "t", &[b'x'; 1000]);
    }
    let before = segments(&world);
    world.configure(|settings| settings.max_bytes_per_file = 1 << 10);
    for _ in 0..10 {
        publish(&mut world, "t", &[b'x'; 1000]);
    }
    assert!(segments(&world) >= before + 9, "{before} {}", segments(&world));
}

#[test]
fn who_waits_for_the_device_waits_no_longer_when_os_is_enough() {
    let mut world =
        World::new(QueueOptions::from(Settings { durability: Durability::Fsync, ..Settings::default() }));
    let producer = world.client();
    world.disk_works = false;
    world.publish(producer, "t", b"x");
    assert_eq!(world.take(producer), b"");
    world.configure(|settings| settings.durability = Durability::Os);
    assert_eq!(world.take(producer), OK);
}

#[test]
fn with_fsync_from_now_on_the_ok_waits_for_the_device() {
    let mut world = world();
    let producer = world.client();
    world.publish(producer, "t", b"one");
    world.ask(Request::CreateTopic("as-it-says".into(), Some(Durability::Os)));
    assert_eq!(world.take(producer), OK);
    world.configure(|settings| settings.durability = Durability::Fsync);
    world.disk_works = false;
    world.publish(producer, "t", b"two");
    assert_eq!(world.take(producer), b"");
    assert_eq!(publish(&mut world, "as-it-says", b"x"), "OK", "it has a level of its own");
    world.disk_works = true;
    world.turn();
    assert_eq!(world.take(producer), OK);
    let mut world = world.crash(Crash::Power);
    assert_eq!(stats(&mut world).iter().find(|topic| topic.name == "t").unwrap().depth, 2);
}

#[test]
fn topics_keep_their_files_when_new_ones_are_in_memory() {
    let mut world = world();
    publish(&mut world, "t", b"x");
    world.configure(|settings| settings.durability = Durability::Memory);
    assert_eq!(publish(&mut world, "t", b"y"), "OK");
    assert_eq!(publish(&mut world, "forgotten", b"z"), "OK");
    let mut world = world.crash(Crash::Process);
    let found: Vec<(String, u64)> =
        stats(&mut world).into_iter().map(|topic| (topic.name, topic.depth)).collect();
    assert_eq!(found, [("t".to_owned(), 2)]);
}

#[test]
fn a_full_disk_is_found_to_have_room_although_new_topics_are_in_memory() {
    let mut world = world();
    publish(&mut world, "t", b"x");
    world.files.set_capacity(Some(1 << 20));
    let refused = publish(&mut world, "t", &vec![b'y'; 1 << 20]);
    assert!(refused.contains("disk is full"), "{refused}");
    world.configure(|settings| settings.durability = Durability::Memory);
    world.files.set_capacity(None);
    world.advance(Duration::from_secs(3));
    assert_eq!(publish(&mut world, "t", b"y"), "OK");
    assert_eq!(world.health(), None);
}

#[test]
fn what_identify_settles_is_for_those_who_have_yet_to_say_it() {
    let mut world = world();
    let consumer = world.consumer("t", "c", 1);
    let early = world.client();
    assert!(identify(&mut world, early).contains(r#""max_rdy_count":2500"#));
    let late = world.client();
    world.configure(|settings| {
        settings.max_rdy_count = 10;
        settings.msg_timeout = Duration::from_secs(5);
        settings.snappy = false;
    });
    let told = identify(&mut world, late);
    assert!(told.contains(r#""max_rdy_count":10,"#) && told.contains(r#""msg_timeout":60000"#), "{told}");
    let new = world.client();
    let told = identify(&mut world, new);
    assert!(told.contains(r#""max_rdy_count":10,"#) && told.contains(r#""msg_timeout":5000"#), "{told}");
    // Clients that were granted 2500 may keep asking for as many.
    for client in [consumer, early] {
        if client == early {
            world.send(early, b"SUB t c\n");
            assert_eq!(world.take(early), OK);
        }
        world.send(client, b"RDY 2500\n");
        assert_eq!(world.take(client), b"");
    }
    world.send(late, b"SUB t c\nRDY 11\n");
    assert_eq!(world.frames(late)[1].1, b"E_INVALID RDY count 11 out of range 0-10");
}

#[test]
fn a_consumer_may_touch_for_longer() {
    let second = Duration::from_secs(1);
    let settings = Settings { msg_timeout: 4 * second, max_msg_timeout: 5 * second, ..Settings::default() };
    let mut world = World::new(QueueOptions::from(settings));
    publish(&mut world, "t", b"x");
    let consumer = world.consumer("t", "c", 1);
    let id = world.messages(consumer)[0].1.clone();
    world.configure(|settings| settings.max_msg_timeout = 60 * second);
    for _ in 0..3 {
        world.advance(3 * second);
        world.send(consumer, format!("TOUCH {id}\n").as_bytes());
    }
    world.send(consumer, format!("FIN {id}\n").as_bytes());
    assert!(world.frames(consumer).iter().all(|(kind, _)| *kind == 0), "no error, no second delivery");
}

#[test]
fn ephemeral_topics_hold_more_or_less() {
    let mut world = world();
    let depth = |world: &mut World| stats(world)[0].depth;
    world.configure(|settings| settings.mem_queue_size = 2);
    for _ in 0..5 {
        publish(&mut world, "t#ephemeral", b"x");
    }
    assert_eq!(depth(&mut world), 2);
    world.configure(|settings| settings.mem_queue_size = 4);
    for _ in 0..5 {
        publish(&mut world, "t#ephemeral", b"x");
    }
    assert_eq!(depth(&mut world), 4);
}

#[test]
fn a_channel_begins_where_the_daemon_says_now() {
    let mut world = world();
    let depth = |world: &mut World, channel: &str| world.counts("t", channel).0;
    world.ask(Request::CreateTopic("t".into(), None));
    world.ask(Request::CreateChannel("t".into(), "first".into()));
    publish(&mut world, "t", b"x");
    world.ask(Request::CreateChannel("t".into(), "now".into()));
    world.configure(|settings| settings.channels_from_beginning = true);
    world.ask(Request::CreateChannel("t".into(), "beginning".into()));
    assert_eq!((depth(&mut world, "now"), depth(&mut world, "beginning")), (0, 1));
}

#[test]
fn latencies_are_measured_from_now_on() {
    let mut world = world();
    let deliver = |world: &mut World| {
        publish(world, "t", b"x");
        let consumer = world.consumer("t", "c", 1);
        let id = world.messages(consumer)[0].1.clone();
        world.send(consumer, format!("FIN {id}\n").as_bytes());
        world.disconnect(consumer);
        stats(world)[0].channels[0].latency.clone()
    };
    assert_eq!(deliver(&mut world), (0, vec![]));
    world.configure(|settings| settings.e2e_percentiles = vec![0.5]);
    let (count, quantiles) = deliver(&mut world);
    assert_eq!((count, quantiles.len()), (1, 1));
    world.configure(|settings| settings.e2e_percentiles = vec![0.99, 0.5]);
    assert_eq!(deliver(&mut world).0, 2, "other percentiles of the same window");
    world.configure(|settings| settings.e2e_window = Duration::from_secs(10));
    assert_eq!(deliver(&mut world).0, 1, "another window begins empty");
    world.configure(|settings| settings.e2e_percentiles.clear());
    assert_eq!(deliver(&mut world), (0, vec![]));
}

#[test]
fn auth_and_tls_are_required_and_no_longer() {
    let mut world = world();
    let producer = world.client();
    world.configure(|settings| settings.auth_http_addresses = vec!["127.0.0.1:1".into()]);
    world.publish(producer, "t", b"x");
    assert_eq!(answer(&mut world, producer), "E_AUTH_FIRST AUTH required before PUB");
    world.configure(|settings| {
        settings.auth_http_addresses.clear();
        let (cert, key) = ("cert.pem".into(), "key.pem".into());
        settings.tls = Some(Tls { cert, key, client_auth: ClientAuth::None, required: TlsRequired::Yes });
    });
    let refused = publish(&mut world, "t", b"x");
    assert_eq!(refused, "E_INVALID cannot PUB in current state (TLS required)");
    world.configure(|settings| settings.tls = None);
    assert_eq!(publish(&mut world, "t", b"x"), "OK");
}

#[test]
fn the_data_path_stays() {
    let mut world = world();
    publish(&mut world, "t", b"x");
    let before = world.options.settings.data_path.clone();
    world.configure(|settings| settings.data_path = "/elsewhere".into());
    world.options.settings.data_path = before;
    publish(&mut world, "u", b"x");
    world.advance(Duration::from_secs(2));
    let mut world = world.crash(Crash::Process);
    assert_eq!(stats(&mut world).len(), 2);
}
