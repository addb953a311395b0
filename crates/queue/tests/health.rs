//! Health is a set of conditions, each with one subject: a condition ends when that subject recovers, and
//! only then.

#[path = "shard/harness.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod harness;

use std::path::Path;
use std::time::Duration;

use harness::World;
use journal::files::{Fault, Files, Operation};
use nuthatch_queue::request::{Answer, Request};
use nuthatch_queue::settings::{ChannelSettings, Durability};
use nuthatch_queue::{QueueOptions, Settings};

const EMFILE: i32 = 24;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn world(durability: Durability) -> World {
    World::new(QueueOptions::from(Settings { durability, ..Settings::default() }))
}

/// Publishes from a new client; true if accepted.
fn published(world: &mut World, topic: &str) -> bool {
    let producer = world.client();
    world.publish(producer, topic, b"x");
    world.take(producer) == b"\0\0\0\x06\0\0\0\0OK"
}

fn refused(world: &mut World, topic: &str) -> String {
    assert!(!published(world, topic));
    world.health().expect("something is wrong")
}

#[test]
fn a_lost_journal_is_not_forgotten_when_another_commits() {
    let mut world = world(Durability::Fsync);
    assert!(published(&mut world, "lost") && published(&mut world, "other"));
    world.files.fail(Fault::eio(Operation::Sync));
    let why = refused(&mut world, "lost");
    assert!(
        why.starts_with("topic lost: journal takes no more writes: fsync of") && why.contains("restart"),
        "{why}"
    );
    for _ in 0..100 {
        assert!(published(&mut world, "other"));
        world.advance(secs(10));
        assert_eq!(world.health().as_ref(), Some(&why));
    }
    assert!(matches!(world.ask(Request::DeleteTopic("lost".into())), Answer::Done));
    assert_eq!(world.health(), None, "there is nothing left to mend");
}

#[test]
fn a_checkpoint_that_poisons_its_journal_reports() {
    let mut world = world(Durability::Os);
    assert!(published(&mut world, "t") && published(&mut world, "other"));
    world.advance(secs(10));
    world.files.fail(Fault::eio(Operation::SyncDir));
    world.advance(secs(60));
    assert!(published(&mut world, "other"));
    let why = world.health().expect("poisoned");
    assert!(why.contains("fsync of") && why.contains("restart"), "{why}");
}

#[test]
fn each_journal_that_refuses_is_named_until_it_is_well() {
    let mut world = world(Durability::Os);
    let topics = ["a", "b", "c", "d", "e"];
    assert!(topics.iter().all(|topic| published(&mut world, topic)));
    world.files.fail(Fault { times: u64::MAX, ..Fault::eio(Operation::Write) });
    for topic in topics {
        refused(&mut world, topic);
    }
    let why = world.health().unwrap();
    assert!(
        why.starts_with("topic a: write failed: check the device") && why.ends_with("; and 2 more"),
        "{why}"
    );
    assert!(why.contains("topic c: ") && !why.contains("topic d: "), "{why}");
    world.advance(secs(30));
    assert_eq!(world.health(), Some(why), "nothing is better");
    world.files.clear_faults();
    assert!(published(&mut world, "b"));
    let why = world.health().unwrap();
    assert!(why.starts_with("topic a: ") && !why.contains("topic b: "), "{why}");
    // Recovery of the others is detected without publications.
    world.advance(secs(2));
    assert_eq!(world.health(), None);
    let mut world = world.crash(journal::files::Crash::Process);
    for topic in topics {
        let consumer = world.consumer(topic, "c", 10);
        assert_eq!(world.messages(consumer).len(), if topic == "b" { 2 } else { 1 }, "{topic}");
    }
}

#[test]
fn a_topic_in_memory_that_is_full_is_well_when_it_has_room() {
    let mut world = world(Durability::Memory);
    assert!(published(&mut world, "t"));
    let consumer = world.consumer("t", "c", 2500);
    let (mut count, producer) = (0, world.client());
    let full = loop {
        world.publish(producer, "t", &vec![b'.'; 1_000_000]);
        count += 1;
        assert!(count < 1000);
        if let Some(why) = world.health() {
            break why;
        }
    };
    assert!(full.starts_with("topic t: memory limit"), "{full}");
    assert!(published(&mut world, "other"));
    world.advance(secs(3));
    assert_eq!(world.health(), Some(full));
    for _ in 0..count {
        for (_, id, _) in world.messages(consumer) {
            world.send(consumer, format!("FIN {id}\n").as_bytes());
        }
    }
    world.advance(secs(3));
    assert_eq!(world.counts("t", "c"), (0, 0, 0));
    assert_eq!(world.health(), None);
}

#[test]
fn a_channel_that_cannot_be_read_is_named_until_it_can() {
    let mut world =
        World::new(QueueOptions::from(Settings { journal_cache_bytes: 0, ..Settings::default() }));
    assert!(published(&mut world, "t") && published(&mut world, "other"));
    world.files.fail(Fault { times: 5, ..Fault::eio(Operation::Read) });
    let consumer = world.consumer("t", "c", 1);
    let why = world.health().unwrap();
    assert!(why.starts_with("channel c of topic t: read failed"), "{why}");
    assert!(published(&mut world, "other"));
    assert_eq!(world.health(), Some(why));
    world.advance(secs(10));
    assert_eq!(world.messages(consumer).len(), 1);
    assert_eq!(world.health(), None);
}

#[test]
fn dead_letters_that_are_refused_are_told_until_they_are_taken_or_gone() {
    for emptied in [false, true] {
        let mut world = world(Durability::Os);
        let consumer = world.consumer("t", "c", 1);
        let settings = ChannelSettings { max_attempts: 1, ..ChannelSettings::default() };
        assert!(matches!(
            world.ask(Request::ConfigureChannel("t".into(), "c".into(), settings)),
            Answer::Done
        ));
        assert!(published(&mut world, "t"));
        world.files.fail(Fault { times: 5, errno: EMFILE, ..Fault::eio(Operation::CreateDir) });
        let (_, id, _) = world.messages(consumer).remove(0);
        world.send(consumer, format!("REQ {id} 0\n").as_bytes());
        let why = world.health().unwrap();
        assert!(why.contains("channel c of topic t: ") && why.contains("file descriptor"), "{why}");
        if emptied {
            assert!(matches!(world.ask(Request::EmptyChannel("t".into(), "c".into())), Answer::Done));
            world.advance(secs(2));
            let why = world.health().unwrap_or_default();
            assert!(!why.contains("channel c of topic t: "), "{why}");
            world.advance(secs(60));
        } else {
            world.advance(secs(10));
        }
        assert_eq!(world.health(), None);
    }
}

#[test]
fn a_refused_creation_is_told_for_ten_seconds_or_until_it_succeeds() {
    let mut world = world(Durability::Os);
    for again in [true, false] {
        world.files.fail(Fault { errno: EMFILE, ..Fault::eio(Operation::CreateDir) });
        let why = refused(&mut world, &format!("new{again}"));
        assert!(why.starts_with(&format!("topic new{again}: ")), "{why}");
        world.advance(secs(8));
        assert_eq!(world.health(), Some(why));
        if again {
            assert!(published(&mut world, "newtrue"));
        } else {
            world.advance(secs(4));
        }
        assert_eq!(world.health(), None);
    }
    // Clients choose the names, so the number of remembered ones is limited.
    world.files.fail(Fault { times: u64::MAX, errno: EMFILE, ..Fault::eio(Operation::CreateDir) });
    for n in 0..1000 {
        refused(&mut world, &format!("n{n}"));
    }
    let why = world.health().unwrap();
    assert!(why.ends_with("; and 97 more"), "{why}");
}

#[test]
fn a_directory_that_was_moved_away_says_what_to_do_and_heals_when_it_is_back() {
    let mut world = world(Durability::Os);
    assert!(published(&mut world, "t"));
    world.advance(secs(1));
    let (dir, away) = (world.options.settings.data_path.join("topics/t.topic"), Path::new("/away"));
    world.files.rename(&dir, away).unwrap();
    published(&mut world, "t");
    world.advance(secs(5));
    let why = world.health().unwrap();
    assert!(why.contains("put them back"), "{why}");
    world.files.rename(away, &dir).unwrap();
    world.advance(secs(12));
    assert_eq!(world.health(), None);
    assert!(published(&mut world, "t"));
}
