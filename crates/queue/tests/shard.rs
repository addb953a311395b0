//! The queue's shard as its clients see it: promises under faults and crashes, limits, time.

#[path = "shard/harness.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod harness;

use std::time::Duration;

use harness::World;
use journal::files::{Crash, Fault, MemFiles, Operation};
use nuthatch_queue::request::{Answer, Batch, Layout, PeekAt, Request};
use nuthatch_queue::settings::{AtLimit, ChannelSettings, Durability, TopicSettings};
use nuthatch_queue::topic::{SeekTo, Sought};
use nuthatch_queue::{QueueError, QueueOptions, Settings};

const OK: &[u8] = b"\0\0\0\x06\0\0\0\0OK";

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Bodies of the messages that a fresh consumer gets, in order; each is finished.
fn drain(world: &mut World, topic: &str, channel: &str) -> Vec<String> {
    let consumer = world.consumer(topic, channel, 2500);
    let mut bodies = Vec::new();
    loop {
        let messages = world.messages(consumer);
        if messages.is_empty() {
            world.disconnect(consumer);
            return bodies;
        }
        for (_, id, body) in messages {
            bodies.push(String::from_utf8_lossy(&body).into_owned());
            world.send(consumer, format!("FIN {id}\n").as_bytes());
        }
    }
}

#[test]
fn a_refused_write_is_refused_to_its_publisher_and_leaves_nothing() {
    for fault in [Fault::disk_full(), Fault::eio(Operation::Write)] {
        let mut world = World::new(QueueOptions::default());
        let producer = world.client();
        world.publish(producer, "t", b"first");
        assert_eq!(world.take(producer), OK);
        world.files.fail(fault);
        world.publish(producer, "t", b"second");
        let frames = world.frames(producer);
        assert!(frames[0].1.starts_with(b"E_PUB_FAILED PUB failed "), "{frames:?}");
        assert!(world.wire(producer).closed && world.health().is_some());
        let producer = world.client();
        world.publish(producer, "t", b"third");
        assert_eq!(world.take(producer), OK);
        assert_eq!(world.health(), None);
        let mut world = world.crash(Crash::Process);
        assert_eq!(drain(&mut world, "t", "c"), ["first", "third"]);
    }
}

#[test]
fn a_full_disk_can_be_drained_and_takes_publications_again() {
    // With many segments, and with only the active one; also if the process ends while the disk is full.
    for (segment_bytes, crash) in [(512 << 10, false), (16 << 20, false), (512 << 10, true), (16 << 20, true)]
    {
        let mut world = World::new(QueueOptions::from(Settings {
            max_bytes_per_file: segment_bytes,
            ..Settings::default()
        }));
        let keeper = world.consumer("t", "c", 0);
        world.files.set_capacity(Some(6 << 20));
        let mut accepted = 0;
        loop {
            let producer = world.client();
            world.publish(producer, "t", &[b'x'; 10_000]);
            if world.take(producer) != OK {
                break;
            }
            accepted += 1;
        }
        assert!(accepted > 300 && world.health().is_some(), "{accepted}");
        world.disconnect(keeper);
        if crash {
            world = world.crash(Crash::Process);
        }
        for _ in 0..3 {
            world.advance(Duration::from_secs(1));
            let producer = world.client();
            world.publish(producer, "t", b"not yet");
            assert_ne!(world.take(producer), OK);
            assert!(world.health().is_some_and(|why| why.starts_with("disk is full")));
        }
        assert_eq!(drain(&mut world, "t", "c").len(), accepted, "nothing accepted is lost");
        (0..10).for_each(|_| world.advance(Duration::from_secs(1)));
        assert_eq!(world.health(), None, "{segment_bytes} {crash}");
        let producer = world.client();
        world.publish(producer, "t", b"again");
        assert_eq!(world.take(producer), OK);
        let mut world = world.crash(Crash::Process);
        assert_eq!(drain(&mut world, "t", "c"), ["again"], "what was finished does not come back");
    }
}

#[test]
fn an_idle_topic_gives_back_the_space_of_what_is_done_with() {
    for left in [0, 1] {
        let mut world = World::new(QueueOptions::default());
        let (producer, consumer) = (world.client(), world.consumer("t", "c", 2500));
        for _ in 0..20 {
            world.publish(producer, "t", &[b'x'; 10_000]);
        }
        let messages = world.messages(consumer);
        for (_, id, _) in &messages[left..] {
            world.send(consumer, format!("FIN {id}\n").as_bytes());
        }
        world.advance(secs(50));
        let stored = |world: &World| -> usize {
            let logs =
                world.files.paths().into_iter().filter(|path| path.extension().is_some_and(|e| e == "log"));
            logs.map(|path| world.files.content(&path).map_or(0, |all| all.len())).sum()
        };
        assert!(stored(&world) > 200_000);
        world.advance(secs(9));
        // Its minute is about to pass; a message in flight pins everything.
        for (_, id, _) in &messages[..left] {
            world.send(consumer, format!("TOUCH {id}\n").as_bytes());
        }
        world.advance(secs(11));
        assert_eq!(stored(&world) < 1000, left == 0, "{left}: {}", stored(&world));
        let mut world = world.crash(Crash::Process);
        assert_eq!(drain(&mut world, "t", "c").len(), left);
    }
}

/// An MPUB of these messages.
fn batch(topic: &str, bodies: &[&[u8]]) -> Vec<u8> {
    let mut data = (bodies.len() as u32).to_be_bytes().to_vec();
    for body in bodies {
        data.extend_from_slice(&(body.len() as u32).to_be_bytes());
        data.extend_from_slice(body);
    }
    let head = format!("MPUB {topic}\n").into_bytes();
    [&head[..], &(data.len() as u32).to_be_bytes(), &data].concat()
}

#[test]
fn of_a_batch_that_is_refused_nothing_is_kept() {
    let bodies: Vec<Vec<u8>> = (0..200).map(|n| format!("{n:0>1000}").into_bytes()).collect();
    let bodies: Vec<&[u8]> = bodies.iter().map(|body| &body[..]).collect();
    // The disk is full after a part of the write; in the second row that part cannot be cut off at once
    // either.
    for faults in [vec![Fault::disk_full()], vec![Fault::disk_full(), Fault::eio(Operation::Truncate)]] {
        let mut world = World::new(QueueOptions::default());
        let (producer, other) = (world.client(), world.client());
        world.publish(producer, "t", b"first");
        assert_eq!(world.take(producer), OK);
        for fault in faults {
            world.files.fail(fault);
        }
        // Another client's publication is part of the same write, and shares its fate.
        world.arrive(other, b"PUB t\n\0\0\0\x05other");
        world.send(producer, &batch("t", &bodies));
        for (client, expected) in
            [(producer, &b"E_MPUB_FAILED MPUB failed "[..]), (other, b"E_PUB_FAILED PUB failed ")]
        {
            let frames = world.frames(client);
            assert!(frames[0].1.starts_with(expected), "{frames:?}");
        }
        let ask = |world: &mut World, topic: &str, batch| {
            world.ask(Request::Publish { topic: topic.into(), batch, defer_ms: 0 })
        };
        let lines =
            || Batch::new("a\nb".into(), Layout::Lines, QueueOptions::default().limits()).expect("fits");
        assert!(matches!(ask(&mut world, "t", lines()), Answer::Done));
        world.files.fail(Fault::disk_full());
        assert!(matches!(ask(&mut world, "t", lines()), Answer::Refused(_)));
        let producer = world.client();
        world.publish(producer, "t", b"last");
        assert_eq!(world.take(producer), OK);
        let mut world = world.crash(Crash::Process);
        assert_eq!(drain(&mut world, "t", "c"), ["first", "a", "b", "last"]);
    }
}

#[test]
fn of_a_batch_that_does_not_fit_nothing_is_kept() {
    let options = QueueOptions {
        batch_bytes: 0,
        ..QueueOptions::from(Settings { max_body_size: 20 << 20, ..Settings::default() })
    };
    let mut world = World::new(options);
    let (producer, body) = (world.client(), vec![b'x'; 1 << 20]);
    let bodies = vec![&body[..]; 17];
    world.arrive(producer, b"PUB t\n\0\0\0\x06before");
    world.send(producer, &batch("t", &bodies));
    let frames = world.frames(producer);
    assert_eq!(frames[0].1, b"OK");
    assert!(frames[1].1.starts_with(b"E_MPUB_FAILED MPUB failed "), "{}", frames[1].1.escape_ascii());
    let producer = world.client();
    world.send(producer, &batch("t", &bodies[..2]));
    assert_eq!(world.take(producer), OK);
    let sizes: Vec<usize> = drain(&mut world, "t", "c").iter().map(String::len).collect();
    assert_eq!(sizes, [6, 1 << 20, 1 << 20]);
}

#[test]
fn topics_and_channels_are_limited() {
    let mut world =
        World::new(QueueOptions::from(Settings { max_topics: 2, max_channels: 2, ..Settings::default() }));
    let producer = world.client();
    for topic in ["a", "b", "a"] {
        world.publish(producer, topic, b"x");
        assert_eq!(world.take(producer), OK);
    }
    world.publish(producer, "c", b"x");
    assert_eq!(world.frames(producer)[0].1, b"E_PUB_FAILED PUB failed too many topics, 2 allowed");
    let (first, second) = (world.consumer("a", "one", 0), world.consumer("b", "two", 0));
    let third = world.client();
    world.send(third, b"SUB a three\n");
    assert_eq!(world.frames(third)[0].1, b"E_SUB_FAILED SUB failed too many channels, 2 allowed");
    world.consumer("a", "one", 0);
    // Deletions make room, and topics from before a restart count.
    let mut world = world.crash(Crash::Process);
    assert!(matches!(world.ask(Request::CreateChannel("b".into(), "three".into())), Answer::Refused(_)));
    assert!(matches!(world.ask(Request::DeleteChannel("a".into(), "one".into())), Answer::Done));
    assert!(matches!(world.ask(Request::CreateChannel("b".into(), "three".into())), Answer::Done));
    assert!(matches!(world.ask(Request::DeleteTopic("b".into())), Answer::Done));
    for channel in ["one", "two"] {
        assert!(matches!(world.ask(Request::CreateChannel("a".into(), channel.into())), Answer::Done));
    }
    assert!(matches!(world.ask(Request::CreateTopic("c".into(), None)), Answer::Done));
    let _ = (first, second);
}

#[test]
fn consumers_in_the_same_zone_come_first() {
    let identify = |zone: &str, region: &str| {
        let json = format!(r#"{{"topology_zone":"{zone}","topology_region":"{region}"}}"#);
        [b"IDENTIFY\n", &(json.len() as u32).to_be_bytes()[..], json.as_bytes()].concat()
    };
    for (prefer_near, expected) in [(true, [0, 2, 2]), (false, [2, 1, 1])] {
        let place = |name: &str| name.to_owned();
        let mut world = World::new(QueueOptions::from(Settings {
            topology_zone: place("a"),
            topology_region: place("west"),
            experiments: prefer_near.then(|| "topology-aware-consumption".to_owned()).into_iter().collect(),
            ..Settings::default()
        }));
        let consumers = [("x", "east"), ("b", "west"), ("a", "west")].map(|(zone, region)| {
            let client = world.client();
            world.send(client, &identify(zone, region));
            world.send(client, b"SUB t c\nRDY 2\n");
            world.take(client);
            client
        });
        let producer = world.client();
        for n in 0..4 {
            world.publish(producer, "t", &[n + b'0']);
        }
        assert_eq!(consumers.map(|client| world.messages(client).len()), expected);
        let Answer::Stats(stats) = world.ask(Request::Stats { topic: None, channel: None, clients: false })
        else {
            panic!("statistics")
        };
        let counters = stats.topics.expect("all")[0].channels[0].counters;
        let near = if prefer_near { (2, 2) } else { (0, 0) };
        assert_eq!((counters.delivered_in_zone, counters.delivered_in_region), near);
        assert_eq!(counters.delivered, 4);
    }
}

#[test]
fn a_topic_is_in_memory_or_in_files_for_good() {
    let mut world = World::new(QueueOptions::default());
    let create = |name: &str, durability| Request::CreateTopic(name.into(), durability);
    let configure = |name: &str, durability| {
        Request::ConfigureTopic(
            name.into(),
            TopicSettings { durability: Some(durability), ..TopicSettings::default() },
        )
    };
    for (ask, done) in [
        (create("m", Some(Durability::Memory)), true),
        (create("m", Some(Durability::Memory)), true),
        (create("m", None), true),
        (create("m", Some(Durability::Os)), false),
        (configure("m", Durability::Fsync), false),
        (configure("m", Durability::Memory), true),
        (create("f", Some(Durability::Fsync)), true),
        (configure("f", Durability::Memory), false),
        (configure("f", Durability::Os), true),
        (create("e#ephemeral", Some(Durability::Os)), false),
    ] {
        let text = format!("{ask:?}");
        match (world.ask(ask), done) {
            (Answer::Done, true) => {}
            (Answer::Refused(why), false) => {
                assert!(matches!(why, QueueError::DurabilityIsFixed { .. }), "{text}: {why}");
            }
            (answer, _) => panic!("{text}: {answer:?}"),
        }
    }
    let producer = world.client();
    for topic in ["m", "f"] {
        world.publish(producer, topic, b"x");
        assert_eq!(world.take(producer), OK);
    }
    let files: Vec<_> = world.files.paths().into_iter().map(|path| path.display().to_string()).collect();
    assert!(files.iter().any(|path| path.contains("f.topic/")), "{files:?}");
    assert!(!files.iter().any(|path| path.contains("m.topic")), "{files:?}");
    let mut world = world.crash(Crash::Process);
    assert_eq!(drain(&mut world, "f", "c"), ["x"]);
    assert_eq!(drain(&mut world, "m", "c"), [""; 0]);
}

#[test]
fn with_fsync_what_got_ok_survives_a_loss_of_power_whatever_else_it_takes() {
    for seed in 0..60 {
        let options = QueueOptions::from(Settings { durability: Durability::Fsync, ..Settings::default() });
        let mut world = World::open(MemFiles::new(seed), options, 1_700_000_000_000_000_000);
        let producer = world.client();
        world.publish(producer, "t", b"one");
        assert_eq!(world.take(producer), OK);
        let mut world = world.crash(Crash::Power);
        assert_eq!(drain(&mut world, "t", "c"), ["one"], "seed {seed}");
    }
}

#[test]
fn with_fsync_the_ok_waits_for_the_device() {
    let mut world =
        World::new(QueueOptions::from(Settings { durability: Durability::Fsync, ..Settings::default() }));
    let producer = world.client();
    world.disk_works = false;
    world.publish(producer, "t", b"one");
    world.publish(producer, "t", b"two");
    world.send(producer, b"NOP\n");
    assert_eq!(world.take(producer), b"");
    world.work_disk();
    world.turn();
    // The first flush covers the first batch; the second batch was written while it was under way.
    world.disk_works = true;
    world.turn();
    assert_eq!(world.take(producer), [OK, OK].concat());
    let mut world = world.crash(Crash::Power);
    assert_eq!(drain(&mut world, "t", "c"), ["one", "two"]);
}

#[test]
fn a_failed_fsync_ends_all_promises() {
    let mut world =
        World::new(QueueOptions::from(Settings { durability: Durability::Fsync, ..Settings::default() }));
    let (first, second) = (world.client(), world.client());
    world.publish(first, "t", b"safe");
    assert_eq!(world.take(first), OK);
    let consumer = world.consumer("t", "c", 0);
    world.files.fail(Fault::eio(Operation::Sync));
    world.publish(first, "t", b"unsafe");
    let frames = world.frames(first);
    assert!(frames[0].1.starts_with(b"E_PUB_FAILED"), "{frames:?}");
    world.publish(second, "t", b"after");
    assert!(world.frames(second)[0].1.starts_with(b"E_PUB_FAILED"));
    assert!(world.health().is_some_and(|why| why.contains("restart")), "{:?}", world.health());
    // Existing messages can still be read.
    world.send(consumer, b"RDY 1\n");
    assert_eq!(world.messages(consumer).first().map(|(_, _, body)| &body[..]), Some(&b"safe"[..]));
}

#[test]
fn a_read_that_fails_is_tried_again_and_loses_nothing() {
    let mut world =
        World::new(QueueOptions::from(Settings { journal_cache_bytes: 0, ..Settings::default() }));
    let producer = world.client();
    for n in 0..100 {
        world.publish(producer, "t", format!("{n:0>20000}").as_bytes());
    }
    world.files.fail(Fault { times: 3, ..Fault::eio(Operation::Read) });
    let consumer = world.consumer("t", "c", 2500);
    assert!(world.messages(consumer).is_empty());
    assert!(world.health().is_some());
    world.advance(secs(10));
    let mut got = Vec::new();
    for _ in 0..200 {
        for (_, id, body) in world.messages(consumer) {
            got.push(body);
            world.send(consumer, format!("FIN {id}\n").as_bytes());
        }
    }
    assert_eq!(got.len(), 100);
    assert!(got.windows(2).all(|pair| pair[0] < pair[1]), "in order");
}

#[test]
fn a_crash_repeats_only_what_was_finished_since_the_last_flush() {
    let mut world = World::new(QueueOptions::default());
    let producer = world.client();
    for n in 0..10 {
        world.publish(producer, "t", format!("{n}").as_bytes());
    }
    let consumer = world.consumer("t", "c", 10);
    let messages = world.messages(consumer);
    for (_, id, _) in &messages[..5] {
        world.send(consumer, format!("FIN {id}\n").as_bytes());
    }
    world.advance(millis(25));
    for (_, id, _) in &messages[5..7] {
        world.send(consumer, format!("FIN {id}\n").as_bytes());
    }
    let mut world = world.crash(Crash::Process);
    assert_eq!(drain(&mut world, "t", "c"), ["5", "6", "7", "8", "9"]);
}

#[test]
fn due_times_survive_a_crash() {
    let mut world = World::new(QueueOptions::default());
    let producer = world.client();
    let consumer = world.consumer("t", "c", 1);
    world.send(producer, b"DPUB t 60000\n\0\0\0\x05later");
    world.publish(producer, "t", b"now");
    let (attempts, id, _) = world.messages(consumer).remove(0);
    assert_eq!(attempts, 1);
    world.send(consumer, format!("REQ {id} 30000\n").as_bytes());
    world.advance(secs(10));
    let mut world = world.crash(Crash::Process);
    assert_eq!(world.counts("t", "c"), (0, 0, 2));
    let consumer = world.consumer("t", "c", 10);
    world.advance(millis(19_990));
    assert!(world.messages(consumer).is_empty());
    world.advance(millis(10));
    let again = world.messages(consumer);
    assert_eq!(again.iter().map(|(attempts, id, _)| (*attempts, id.clone())).collect::<Vec<_>>(), [(2, id)]);
    world.advance(millis(30_000));
    assert_eq!(world.messages(consumer).into_iter().map(|(_, _, body)| body).collect::<Vec<_>>(), [b"later"]);
}

#[test]
fn a_hundred_thousand_deferred_messages_come_back_after_a_crash() {
    let count = if cfg!(debug_assertions) { 5_000 } else { 100_000 };
    let mut world = World::new(QueueOptions::default());
    world.consumer("t", "c", 0);
    let producer = world.client();
    for n in 0..count {
        let due = 1000 + (n * 7919) % 60_000;
        world.arrive(producer, format!("DPUB t {due}\n\0\0\0\x08{n:08}").as_bytes());
        if n % 500 == 0 {
            world.turn();
        }
    }
    world.turn();
    let mut world = world.crash(Crash::Process);
    assert_eq!(world.counts("t", "c"), (0, 0, count));
    world.advance(secs(31));
    let expected = (0..count).filter(|n| 1000 + (n * 7919) % 60_000 <= 31_000).count() as u64;
    assert_eq!(world.counts("t", "c").0, expected);
}

#[test]
fn what_a_dead_connection_had_goes_back_at_once() {
    let mut world = World::new(QueueOptions::default());
    let producer = world.client();
    let (first, second) = (world.consumer("t", "c", 1), world.consumer("t", "c", 1));
    world.publish(producer, "t", b"x");
    let (holder, other) = if world.wire(first).sent.is_empty() { (second, first) } else { (first, second) };
    let (_, id, _) = world.messages(holder).remove(0);
    world.disconnect(holder);
    assert_eq!(world.messages(other), [(2, id, b"x".to_vec())]);
}

#[test]
fn messages_are_spread_evenly() {
    let mut world = World::new(QueueOptions::default());
    let producer = world.client();
    let consumers: Vec<_> = (0..4).map(|_| world.consumer("t", "c", 100)).collect();
    for n in 0..40 {
        world.arrive(producer, format!("PUB t\n\0\0\0\x02{n:02}").as_bytes());
    }
    world.turn();
    for consumer in consumers {
        assert_eq!(world.messages(consumer).len(), 10);
    }
}

#[test]
fn timeouts_are_exact_however_many_channels_there_are() {
    let mut world =
        World::new(QueueOptions::from(Settings { msg_timeout: millis(1500), ..Settings::default() }));
    let producer = world.client();
    let consumers: Vec<_> = (0..200).map(|n| world.consumer("t", &format!("c{n}"), 1)).collect();
    world.publish(producer, "t", b"x");
    for &consumer in &consumers {
        assert_eq!(world.messages(consumer).len(), 1);
    }
    world.advance(millis(1490));
    assert!(consumers.iter().all(|&consumer| world.wire(consumer).sent.is_empty()));
    world.advance(millis(10));
    for &consumer in &consumers {
        assert_eq!(world.messages(consumer).first().map(|(attempts, ..)| *attempts), Some(2));
    }
}

#[test]
fn a_clock_that_steps_stops_nothing() {
    let mut world = World::new(QueueOptions::default());
    let producer = world.client();
    let consumer = world.consumer("t", "c", 10);
    world.io.clock.wall.0 -= 3_600_000_000_000;
    world.publish(producer, "t", b"x");
    assert_eq!(world.messages(consumer).len(), 1);
    world.send(producer, b"DPUB t 1000\n\0\0\0\x01y");
    world.io.clock.wall.0 += 7_200_000_000_000;
    world.advance(millis(999));
    assert!(world.messages(consumer).is_empty());
    world.advance(millis(1));
    assert_eq!(world.messages(consumer).len(), 1);
}

#[test]
fn a_message_that_nobody_finishes_becomes_a_dead_letter_and_can_be_brought_back() {
    let mut world = World::new(QueueOptions::default());
    let producer = world.client();
    let consumer = world.consumer("t", "c", 1);
    let settings = ChannelSettings { max_attempts: 3, ..ChannelSettings::default() };
    assert!(matches!(world.ask(Request::ConfigureChannel("t".into(), "c".into(), settings)), Answer::Done));
    world.publish(producer, "t", b"poison");
    for attempt in 1..=3 {
        let (attempts, id, _) = world.messages(consumer).remove(0);
        assert_eq!(attempts, attempt);
        world.send(consumer, format!("REQ {id} 0\n").as_bytes());
    }
    assert!(world.messages(consumer).is_empty());
    assert_eq!(world.counts("t", "c"), (0, 0, 0));
    let peek = Request::Peek { topic: "t".into(), channel: Some("c".into()), what: PeekAt::Dead, count: 10 };
    let Answer::Messages(dead) = world.ask(peek) else { panic!("messages") };
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].body, &b"poison"[..]);
    for part in ["\"topic\":\"t\"", "\"channel\":\"c\"", "\"attempts\":3", "\"reason\":\"requeued\""] {
        assert!(dead[0].origin.contains(part), "{}", dead[0].origin);
    }
    let mut world = world.crash(Crash::Process);
    let redrive = Request::Redrive { topic: "t".into(), channel: "c".into(), count: 10, died: None };
    let answer = world.ask(redrive.clone());
    assert!(matches!(answer, Answer::Count(1)), "{answer:?}");
    assert!(matches!(world.ask(redrive), Answer::Count(0)));
    world.advance(millis(100));
    let mut world = world.crash(Crash::Process);
    assert_eq!(drain(&mut world, "t", "c"), ["poison"]);
}

#[test]
fn dead_letters_that_others_read_can_be_brought_back_and_are_then_dead_no_more() {
    let mut world = World::new(QueueOptions::default());
    let producer = world.client();
    let consumer = world.consumer("t", "c", 5);
    let settings = ChannelSettings { max_attempts: 1, ..ChannelSettings::default() };
    assert!(matches!(world.ask(Request::ConfigureChannel("t".into(), "c".into(), settings)), Answer::Done));
    for body in [b"one", b"two"] {
        world.publish(producer, "t", body);
        let (_, id, _) = world.messages(consumer).remove(0);
        world.send(consumer, format!("REQ {id} 0\n").as_bytes());
    }
    // An operator's own channel is the first of the dead-letter topic, and takes everything.
    assert_eq!(drain(&mut world, "t.c.dead", "tail"), ["one", "two"]);
    let peek = Request::Peek { topic: "t".into(), channel: Some("c".into()), what: PeekAt::Dead, count: 10 };
    let dead = |world: &mut World| match world.ask(peek.clone()) {
        Answer::Messages(dead) => dead.iter().map(|one| one.body.clone()).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(dead(&mut world), ["one", "two"]);
    let redrive = |count| Request::Redrive { topic: "t".into(), channel: "c".into(), count, died: None };
    assert!(matches!(world.ask(redrive(1)), Answer::Count(1)));
    assert_eq!(dead(&mut world), ["two"]);
    assert!(matches!(world.ask(redrive(9)), Answer::Count(1)));
    assert!(dead(&mut world).is_empty());
    assert_eq!(world.messages(consumer).len(), 2);
}

#[test]
fn who_finishes_no_command_for_two_heartbeats_is_given_up() {
    let mut world = World::new(QueueOptions::default());
    let beat = |number| vec![(0, b"_heartbeat_".to_vec()); number];
    let identify = b"IDENTIFY\n\0\0\0\x1b{\"heartbeat_interval\":1000}";
    // Bytes sent every 600 ms, and the final error after two heartbeats.
    for (pieces, error) in [
        ([&b""[..], b"", b""], None),
        ([b"PU", b"B ", b"t"], None),
        ([b"PUB t\n\0\0", b"\0", b""], Some("E_BAD_MESSAGE PUB failed to read message body size")),
        ([b"PUB t\n\0\0\0\x09x", b"x", b"x"], Some("E_BAD_MESSAGE PUB failed to read message body")),
        (
            [b"MPUB t\n\0\0\0\x09\0\0\0\x01", b"\0", b""],
            Some("E_BAD_MESSAGE MPUB failed to read message(0) body size"),
        ),
    ] {
        let client = world.client();
        world.send(client, &identify[..]);
        assert_eq!(world.frames(client), [(0, b"OK".to_vec())]);
        for piece in pieces {
            world.send(client, piece);
            world.advance(millis(600));
        }
        world.advance(millis(200));
        let expected: Vec<_> =
            beat(2).into_iter().chain(error.map(|error| (1, error.as_bytes().to_vec()))).collect();
        assert_eq!(world.frames(client), expected, "{error:?}");
        assert!(world.wire(client).closed, "{error:?}");
    }
    let client = world.client();
    world.send(client, &identify[..]);
    for _ in 0..5 {
        world.advance(millis(900));
        world.send(client, b"NOP\n");
    }
    assert!(!world.wire(client).closed);
}

#[test]
fn limits_of_a_topic_are_kept() {
    let mut world = World::new(QueueOptions::default());
    let body = vec![b'x'; 100_000];
    let producer = world.client();
    world.publish(producer, "full", &body);
    let settings = TopicSettings { bytes_max: 500_000, ..TopicSettings::default() };
    assert!(matches!(world.ask(Request::ConfigureTopic("full".into(), settings)), Answer::Done));
    world.take(producer);
    for _ in 0..3 {
        world.publish(producer, "full", &body);
    }
    assert_eq!(world.take(producer), OK.repeat(3));
    world.publish(producer, "full", &body);
    world.publish(producer, "full", &body);
    let frames = world.frames(producer);
    assert_eq!(frames.last().map(|(_, data)| &data[..]), Some(&b"E_PUB_FAILED PUB failed topic is full"[..]));

    let producer = world.client();
    world.publish(producer, "ring", b"first");
    let settings =
        TopicSettings { bytes_max: 4 << 20, at_limit: AtLimit::DropOldest, ..TopicSettings::default() };
    assert!(matches!(world.ask(Request::ConfigureTopic("ring".into(), settings)), Answer::Done));
    world.consumer("ring", "c", 0);
    world.take(producer);
    for n in 0..100 {
        let mut body = format!("{n:03}").into_bytes();
        body.resize(100_000, b'.');
        world.publish(producer, "ring", &body);
    }
    assert_eq!(world.take(producer), OK.repeat(100));
    let depth = world.counts("ring", "c").0;
    assert!((25..=45).contains(&depth), "{depth}");
    let mut world = world.crash(Crash::Process);
    let left = drain(&mut world, "ring", "c");
    assert_eq!(left.len() as u64, depth);
    assert!(left.last().is_some_and(|body| body.starts_with("099")));
}

#[test]
fn old_messages_are_not_delivered_and_channels_can_go_back() {
    let mut world = World::new(QueueOptions::default());
    let producer = world.client();
    world.consumer("t", "c", 0);
    world.publish(producer, "t", b"old");
    world.advance(secs(20));
    let start = world.io.clock.wall.0;
    world.publish(producer, "t", b"new");
    let settings = TopicSettings { ttl_seconds: 15, retention_seconds: 3600, ..TopicSettings::default() };
    assert!(matches!(world.ask(Request::ConfigureTopic("t".into(), settings)), Answer::Done));
    assert_eq!(drain(&mut world, "t", "c"), ["new"]);
    let settings = TopicSettings { ttl_seconds: 0, ..settings };
    assert!(matches!(world.ask(Request::ConfigureTopic("t".into(), settings)), Answer::Done));
    let seek = |to| Request::Seek("t".into(), "c".into(), to);
    assert!(matches!(
        world.ask(seek(SeekTo::Beginning)),
        Answer::Sought(Sought { count: 2, complete: true, .. })
    ));
    let mut world = world.crash(Crash::Process);
    assert_eq!(drain(&mut world, "t", "c"), ["old", "new"]);
    world.ask(seek(SeekTo::Time(start)));
    assert_eq!(drain(&mut world, "t", "c"), ["new"]);
    assert_eq!(world.counts("t", "c"), (0, 0, 0));
}

#[test]
fn a_channel_is_told_when_it_cannot_go_back_all_the_way() {
    let mut world =
        World::new(QueueOptions::from(Settings { max_bytes_per_file: 1 << 20, ..Settings::default() }));
    let producer = world.client();
    world.publish(producer, "t", b"first");
    let settings = TopicSettings { retention_seconds: 100, ..TopicSettings::default() };
    assert!(matches!(world.ask(Request::ConfigureTopic("t".into(), settings)), Answer::Done));
    let consumer = world.consumer("t", "c", 2500);
    let start = world.io.clock.wall.0;
    for n in 0..300 {
        let mut body = format!("<{n:03}>").into_bytes();
        body.resize(100_000, b'x');
        world.publish(producer, "t", &body);
        for (_, id, _) in world.messages(consumer) {
            world.send(consumer, format!("FIN {id}\n").as_bytes());
        }
        world.advance(secs(1));
    }
    world.disconnect(consumer);
    let now = world.io.clock.wall.0;
    let mut seek = |to| match world.ask(Request::Seek("t".into(), "c".into(), to)) {
        Answer::Sought(sought) => sought,
        other => panic!("{other:?}"),
    };
    let first_segment = |world: &World| {
        let mut paths = world.files.paths();
        paths.retain(|path| path.to_string_lossy().contains("t.topic/") && !path.ends_with("checkpoint"));
        world.files.content(paths.first().expect("a segment")).expect("its content")
    };
    let ago = |seconds: i64| now - seconds * 1_000_000_000;
    let beginning = seek(SeekTo::Beginning);
    assert!(!beginning.complete && (50..300).contains(&beginning.count), "{beginning:?}");
    let oldest = beginning.oldest.expect("something is kept");
    assert!((start + 1..ago(50)).contains(&oldest), "{oldest}");
    assert_eq!(seek(SeekTo::Time(start)), Sought { complete: false, ..beginning });
    assert!(seek(SeekTo::Time(ago(50))).complete);
    assert_eq!(seek(SeekTo::End), Sought { count: 0, complete: true, ..beginning });
    // The beginning is the first existing message, also after a start that learns the segments by reading
    // them.
    for crashed in [false, true] {
        if crashed {
            world = world.crash(Crash::Process);
        }
        let content = first_segment(&world);
        let at = content.windows(5).position(|w| w[0] == b'<' && w[4] == b'>').expect("a message");
        let Answer::Sought(sought) = world.ask(Request::Seek("t".into(), "c".into(), SeekTo::Beginning))
        else {
            panic!("sought")
        };
        let bodies = drain(&mut world, "t", "c");
        assert_eq!(&bodies[0].as_bytes()[..5], &content[at..at + 5]);
        assert_eq!((bodies.len() as u64, world.counts("t", "c")), (sought.count, (0, 0, 0)));
    }
}

#[test]
fn a_consumer_that_does_not_read_holds_up_only_itself() {
    let mut world = World::new(QueueOptions::default());
    let producer = world.client();
    let (slow, quick) = (world.consumer("t", "c", 2500), world.consumer("t", "c", 2500));
    world.wire(slow).stuck = true;
    for _ in 0..200 {
        world.publish(producer, "t", &[b'x'; 10_000]);
    }
    let (slow_got, quick_got) = (world.messages(slow).len(), world.messages(quick).len());
    assert!(slow_got * 10_000 < 400_000, "{slow_got}");
    assert_eq!(slow_got + quick_got, 200);
}

#[test]
fn segments_that_everybody_is_done_with_are_deleted() {
    let options = QueueOptions::from(Settings { max_bytes_per_file: 1 << 20, ..Settings::default() });
    let mut world = World::new(options);
    let producer = world.client();
    let consumer = world.consumer("t", "c", 2500);
    world.send(producer, b"DPUB t 3600000\n\0\0\0\x05later");
    for _ in 0..400 {
        world.publish(producer, "t", &vec![b'x'; 100_000]);
        for (_, id, _) in world.messages(consumer) {
            world.send(consumer, format!("FIN {id}\n").as_bytes());
        }
        if world.io.clock.now.0.is_multiple_of(10) {
            world.advance(millis(300));
        }
    }
    world.advance(secs(5));
    let segments =
        world.files.paths().iter().filter(|path| path.to_string_lossy().contains("t.topic/")).count();
    assert!(segments < 25, "{segments} files are left of 40 MB that nobody needs");
    let mut world = world.crash(Crash::Process);
    assert_eq!(world.counts("t", "c"), (0, 0, 1));
    world.advance(secs(3600));
    assert_eq!(drain(&mut world, "t", "c"), ["later"]);
}

#[test]
fn an_ephemeral_channel_goes_with_its_last_consumer_and_keeps_what_fits() {
    let mut world = World::new(QueueOptions::from(Settings { mem_queue_size: 3, ..Settings::default() }));
    let producer = world.client();
    let consumer = world.consumer("t", "c#ephemeral", 0);
    for n in 0..5 {
        world.publish(producer, "t", format!("{n}").as_bytes());
    }
    world.send(consumer, b"RDY 10\n");
    let bodies: Vec<_> = world.messages(consumer).into_iter().map(|(_, _, body)| body).collect();
    assert_eq!(bodies, [b"0", b"1", b"2"]);
    world.disconnect(consumer);
    let ask = Request::Stats { topic: Some("t".into()), channel: None, clients: false };
    let Answer::Stats(snapshot) = world.ask(ask) else { panic!("statistics") };
    assert!(snapshot.topics.is_some_and(|topics| topics[0].channels.is_empty()));
}

#[test]
fn ten_thousand_consumers_share_one_channel() {
    let count = if cfg!(debug_assertions) { 1_000 } else { 10_000 };
    let mut world = World::new(QueueOptions::default());
    let consumers: Vec<_> = (0..count).map(|_| world.consumer("t", "c", 1)).collect();
    let producer = world.client();
    for _ in 0..count {
        world.arrive(producer, b"PUB t\n\0\0\0\x01x");
    }
    world.turn();
    assert!(consumers.iter().all(|&consumer| world.messages(consumer).len() == 1));
}
