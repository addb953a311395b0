//! Limits on the memory of topics and channels: creations and in-memory messages are refused beyond them, and
//! nothing else.

#[path = "shard/harness.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod harness;

use std::time::Duration;

use harness::World;
use journal::files::Crash;
use nuthatch_queue::request::{Answer, Request};
use nuthatch_queue::settings::{Durability, TopicSettings};
use nuthatch_queue::{QueueError, QueueOptions, Settings};

fn topic(n: usize) -> String {
    format!("a-topic-with-a-name-of-usual-length-{n}#ephemeral")
}

/// A queue with this limit in KiB for topics and channels.
fn world(max_kib: usize, more: Settings) -> World {
    World::new(QueueOptions::from(Settings { max_memory_bytes: max_kib << 10, ..more }))
}

fn refusal(answer: Answer) -> Option<QueueError> {
    match answer {
        Answer::Refused(error) => Some(error),
        _ => None,
    }
}

#[test]
fn topics_and_channels_are_created_as_long_as_there_is_memory() {
    let mut world = world(64, Settings::default());
    let created =
        (0..1000).take_while(|n| refusal(world.ask(Request::CreateTopic(topic(*n), None))).is_none()).count();
    assert!((20..=32).contains(&created), "{created}");
    let full = refusal(world.ask(Request::CreateTopic("one-more".into(), None)));
    assert!(matches!(full, Some(QueueError::MemoryFull { max: 65_536, .. })), "{full:?}");
    let full = refusal(world.ask(Request::CreateChannel(topic(0), "c".into())));
    assert!(matches!(full, Some(QueueError::MemoryFull { .. })), "{full:?}");
    let (producer, consumer) = (world.client(), world.client());
    world.publish(producer, "one-more", b"x");
    let frames = world.frames(producer);
    assert!(frames[0].1.starts_with(b"E_PUB_FAILED PUB failed memory is full: "), "{frames:?}");
    world.send(consumer, b"SUB one-more c\n");
    let frames = world.frames(consumer);
    assert!(frames[0].1.starts_with(b"E_SUB_FAILED SUB failed memory is full: "), "{frames:?}");
    // Deletions make room.
    for n in 0..2 {
        assert!(matches!(world.ask(Request::DeleteTopic(topic(n))), Answer::Done));
    }
    assert!(matches!(world.ask(Request::CreateTopic("one-more".into(), None)), Answer::Done));
    // Topics and channels from before a restart stay, and count.
    for n in 0..created {
        world.ask(Request::CreateTopic(format!("in-files-{n}"), None));
    }
    let mut world = world.crash(Crash::Process);
    assert!(matches!(world.ask(Request::CreateTopic("one-more".into(), None)), Answer::Done));
}

#[test]
fn the_channels_of_one_topic_are_limited() {
    let mut world =
        World::new(QueueOptions::from(Settings { max_channels_per_topic: 2, ..Settings::default() }));
    for topic in ["t", "u"] {
        world.ask(Request::CreateTopic(topic.into(), None));
        for channel in ["a", "b", "a"] {
            assert!(matches!(world.ask(Request::CreateChannel(topic.into(), channel.into())), Answer::Done));
        }
    }
    let consumer = world.client();
    world.send(consumer, b"SUB t c\n");
    assert_eq!(
        world.frames(consumer)[0].1,
        b"E_SUB_FAILED SUB failed too many channels of one topic, 2 allowed"
    );
    assert!(matches!(world.ask(Request::DeleteChannel("t".into(), "a".into())), Answer::Done));
    assert!(matches!(world.ask(Request::CreateChannel("t".into(), "c".into())), Answer::Done));
}

#[test]
fn messages_in_memory_and_deferred_ones_are_refused_beyond_the_limit_and_others_are_not() {
    let mut world = world(1024, Settings { max_deferred: u64::MAX, ..Settings::default() });
    let body = [b'x'; 10_000];
    let publish = |world: &mut World, topic: &str, body: &[u8], delay: u32| {
        let producer = world.client();
        match delay {
            0 => world.publish(producer, topic, body),
            _ => {
                let mut command = format!("DPUB {topic} {delay}\n").into_bytes();
                command.extend_from_slice(&(body.len() as u32).to_be_bytes());
                command.extend_from_slice(body);
                world.send(producer, &command);
            }
        }
        let answer = world.frames(producer).remove(0).1;
        world.disconnect(producer);
        answer
    };
    let taken = (0..10_000).take_while(|n| publish(&mut world, &topic(n % 10), &body, 0) == b"OK").count();
    assert!((50..=91).contains(&taken), "{taken}");
    // Files are not memory, and topics can still be created.
    for _ in 0..200 {
        assert_eq!(publish(&mut world, "in-files", &body, 0), b"OK");
    }
    for (topic, delay) in [("in-files", 1000), (&*topic(3), 1000), (&*topic(3), 0)] {
        let answer = publish(&mut world, topic, &body, delay);
        assert!(answer.ends_with(b"consume or delete some"), "{}", answer.escape_ascii());
    }
    // Consumed messages make room.
    for n in 0..10 {
        assert!(matches!(world.ask(Request::EmptyTopic(topic(n))), Answer::Done));
    }
    world.advance(Duration::from_secs(2));
    assert_eq!(publish(&mut world, &topic(3), &body, 0), b"OK");
    let deferred = (0..100_000).take_while(|_| publish(&mut world, "in-files", b"x", 1000) == b"OK").count();
    assert!((5_000..15_000).contains(&deferred), "{deferred}");
}

#[test]
fn clients_whose_buffers_take_most_are_closed_beyond_the_limit_and_others_are_not() {
    let mut world = world(1024, Settings::default());
    let head = |bytes: u32| [b"PUB t\n", &bytes.to_be_bytes()[..]].concat();
    let begun = |world: &mut World, bytes: usize| {
        let client = world.client();
        world.send(client, &[&head(1 << 20)[..], &vec![b'x'; bytes]].concat());
        client
    };
    let small = begun(&mut world, 1000);
    let large: Vec<_> = (1..=5).map(|n| begun(&mut world, n * 100_000)).collect();
    let closed: Vec<bool> = large.iter().map(|client| world.io.wires[client].closed).collect();
    assert_eq!(closed, [false, false, false, true, true], "the largest, until an eighth is free");
    assert!(!world.io.wires[&small].closed);
    let other = world.client();
    world.publish(other, "t", b"x");
    assert_eq!(world.frames(other)[0].1, b"OK");
}

#[test]
fn a_topic_in_memory_that_was_full_takes_messages_once_they_are_consumed() {
    let mut world = World::new(QueueOptions::default());
    world.ask(Request::CreateTopic("t".into(), Some(Durability::Memory)));
    let body = vec![b'x'; 1 << 20];
    let consumer = world.consumer("t", "c", 0);
    let producer = world.client();
    let taken = (0..1000)
        .take_while(|_| {
            let producer = world.client();
            world.publish(producer, "t", &body);
            world.frames(producer)[0].1 == b"OK"
        })
        .count();
    assert!((50..64).contains(&taken), "{taken}");
    world.send(consumer, b"RDY 1000\n");
    loop {
        let messages = world.messages(consumer);
        let finish: String = messages.iter().map(|(_, id, _)| format!("FIN {id}\n")).collect();
        if finish.is_empty() {
            break;
        }
        world.send(consumer, finish.as_bytes());
    }
    world.advance(Duration::from_secs(2));
    world.publish(producer, "t", &body);
    assert_eq!(world.frames(producer)[0].1, b"OK");
}

#[test]
fn a_topic_in_memory_gives_back_the_room_of_its_largest_batch() {
    let mut world = World::new(QueueOptions::default());
    let held =
        |world: &mut World| match world.ask(Request::Stats { topic: None, channel: None, clients: false }) {
            Answer::Stats(snapshot) => snapshot.memory_bytes,
            _ => 0,
        };
    world.ask(Request::CreateTopic("t".into(), Some(Durability::Memory)));
    let before = held(&mut world);
    let producer = world.client();
    let publication = [b"PUB t\n", &3000u32.to_be_bytes()[..], &[b'x'; 3000]].concat();
    world.send(producer, &publication.repeat(23));
    assert!(held(&mut world) > before + 23 * 3000);
    assert!(matches!(world.ask(Request::EmptyTopic("t".into())), Answer::Done));
    world.advance(Duration::from_secs(2));
    assert!(held(&mut world) <= before + 4096, "{before}, then {}", held(&mut world));
}

#[test]
fn a_topic_in_memory_keeps_messages_for_replay_no_longer_than_it_says() {
    let mut world = World::new(QueueOptions::default());
    let held =
        |world: &mut World| match world.ask(Request::Stats { topic: None, channel: None, clients: false }) {
            Answer::Stats(snapshot) => snapshot.memory_bytes,
            _ => 0,
        };
    world.ask(Request::CreateTopic("t".into(), Some(Durability::Memory)));
    world.ask(Request::CreateChannel("t".into(), "c".into()));
    let settings = TopicSettings { retention_seconds: 30, ..TopicSettings::default() };
    assert!(matches!(world.ask(Request::ConfigureTopic("t".into(), settings)), Answer::Done));
    let before = held(&mut world);
    let producer = world.client();
    let publication = [b"PUB t\n", &3000u32.to_be_bytes()[..], &[b'x'; 3000]].concat();
    for _ in 0..5 {
        world.send(producer, &publication.repeat(360));
        world.advance(Duration::from_secs(1));
    }
    assert!(matches!(world.ask(Request::EmptyChannel("t".into(), "c".into())), Answer::Done));
    world.advance(Duration::from_secs(5));
    assert!(held(&mut world) > before + (5 << 20), "kept for replay: {}", held(&mut world));
    world.advance(Duration::from_mins(1));
    // The last mebibyte stays until more is published.
    assert!(held(&mut world) < before + (2 << 20), "{before}, then {}", held(&mut world));
}
