//! A queue during a temporary shortage: of descriptors, or its directory. Failed operations are refused and
//! retried; when the shortage ends, everything recovers on its own, and no accepted or finished message is
//! lost.

#[path = "shard/harness.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod harness;

use std::path::Path;
use std::time::Duration;

use harness::World;
use journal::files::{Crash, Fault, Files, Operation};
use nuthatch_queue::request::{Answer, Request};
use nuthatch_queue::settings::Durability;
use nuthatch_queue::{QueueOptions, Settings};

const OK: &[u8] = b"\0\0\0\x06\0\0\0\0OK";
const EIO: i32 = 5;
const EMFILE: i32 = 24;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn world(durability: Durability) -> World {
    World::new(QueueOptions::from(Settings { durability, ..Settings::default() }))
}

/// Publishes from a new client; true if accepted, false if refused or not answered.
fn published(world: &mut World, body: &str) -> bool {
    let producer = world.client();
    world.publish(producer, "t", body.as_bytes());
    world.take(producer) == OK
}

/// Bodies of the messages that a new consumer gets, all finished.
fn drain(world: &mut World) -> Vec<String> {
    let consumer = world.consumer("t", "c", 500);
    let messages = world.messages(consumer);
    for (_, id, _) in &messages {
        world.send(consumer, format!("FIN {id}\n").as_bytes());
    }
    world.advance(secs(1));
    world.disconnect(consumer);
    messages.into_iter().map(|(_, _, body)| String::from_utf8(body).unwrap()).collect()
}

/// The messages left after a crash.
fn after_crash(world: World, crash: Crash) -> Vec<String> {
    drain(&mut world.crash(crash))
}

#[test]
fn a_passing_lack_of_descriptors_loses_nothing_and_heals() {
    for durability in [Durability::Os, Durability::Fsync] {
        let mut world = world(durability);
        assert!(published(&mut world, "before"));
        let (open, mut accepted) = (world.files.open_count(), vec!["before".to_owned()]);
        world.files.set_open_max(Some(open));
        for n in 0..120 {
            let body = format!("{n}");
            if published(&mut world, &body) {
                accepted.push(body);
            }
            world.advance(secs(1));
        }
        world.files.set_open_max(None);
        world.advance(secs(15));
        assert_eq!(world.health(), None, "{durability:?}");
        assert!(published(&mut world, "after"));
        accepted.push("after".to_owned());
        let found =
            after_crash(world, if durability == Durability::Fsync { Crash::Power } else { Crash::Process });
        assert!(accepted.iter().all(|body| found.contains(body)), "{accepted:?} of {found:?}");
    }
}

#[test]
fn every_open_may_fail_for_a_while() {
    use Operation::{CreateDir, Open, OpenDir, Remove, Rename};
    for operation in [Open, OpenDir, CreateDir, Rename, Remove] {
        for skip in 0..12 {
            let mut world = world(Durability::Os);
            world.files.fail(Fault { skip, times: 5, errno: EMFILE, ..Fault::eio(operation) });
            let mut accepted = Vec::new();
            for n in 0..100 {
                let body = format!("{n}");
                if published(&mut world, &body) {
                    accepted.push(body);
                }
                world.advance(secs(5));
            }
            world.files.clear_faults();
            world.advance(secs(15));
            assert_eq!(world.health(), None, "{operation:?} {skip}");
            assert!(accepted.len() >= 90, "{operation:?} {skip}: {accepted:?}");
            let mut world = world.crash(Crash::Process);
            assert_eq!(drain(&mut world), accepted, "{operation:?} {skip}");
        }
    }
}

#[test]
fn what_is_finished_during_a_shortage_does_not_come_back() {
    let mut world = world(Durability::Os);
    let consumer = world.consumer("t", "c", 100);
    for n in 0..10 {
        assert!(published(&mut world, &format!("{n}")));
    }
    let messages = world.messages(consumer);
    world.advance(secs(3));
    world.files.fail(Fault { times: 4, errno: EIO, ..Fault::eio(Operation::Write) });
    for (_, id, _) in &messages {
        world.send(consumer, format!("FIN {id}\n").as_bytes());
    }
    // Without any further PUB or FIN.
    world.advance(secs(10));
    assert!(after_crash(world, Crash::Process).is_empty());
}

#[test]
fn who_waits_for_a_flush_that_is_refused_twice_is_told() {
    let mut world = world(Durability::Fsync);
    assert!(published(&mut world, "before"));
    world.advance(secs(1));
    let store = world.options.settings.data_path.join("topics");
    world.files.rename(&store, Path::new("/away")).unwrap();
    let producer = world.client();
    world.publish(producer, "t", b"waits");
    assert!(world.take(producer).is_empty(), "it is tried again");
    world.advance(secs(1));
    let frames = world.frames(producer);
    assert!(frames[0].1.starts_with(b"E_PUB_FAILED"), "{frames:?}");
    let why = world.health().unwrap();
    assert!(why.contains("put them back"), "{why}");
    assert!(!published(&mut world, "refused"));
    world.files.rename(Path::new("/away"), &store).unwrap();
    world.advance(secs(2));
    assert_eq!(world.health(), None);
    assert!(published(&mut world, "after"));
    let found = after_crash(world, Crash::Power);
    assert!(found.contains(&"before".to_owned()) && found.contains(&"after".to_owned()), "{found:?}");
    assert!(!found.contains(&"refused".to_owned()), "{found:?}");
}

#[test]
fn files_of_a_deleted_topic_go_when_they_can() {
    let mut world = world(Durability::Os);
    assert!(published(&mut world, "x"));
    world.advance(secs(3));
    world.files.fail(Fault { times: 3, errno: EMFILE, ..Fault::eio(Operation::OpenDir) });
    assert!(matches!(world.ask(Request::DeleteTopic("t".into())), Answer::Done));
    let left = |world: &World| {
        world.files.paths().iter().filter(|path| path.ends_with("00000000000000000000.log")).count()
    };
    assert_eq!(left(&world), 1);
    world.advance(secs(60));
    assert_eq!(left(&world), 0);
}

/// Publishes to topics `t0`, `t1` and so on, all in one turn.
fn publish_to_all(world: &mut World, topics: usize) {
    let producer = world.client();
    for n in 0..topics {
        world.arrive(producer, format!("PUB t{n}\n\0\0\0\x01x").as_bytes());
    }
    world.turn();
    assert_eq!(world.take(producer), OK.repeat(topics));
}

#[test]
fn journals_keep_so_many_files_open_and_no_more() {
    for durability in [Durability::Os, Durability::Fsync] {
        let max = 10;
        let mut world = World::new(QueueOptions {
            open_files_max: max,
            ..QueueOptions::from(Settings { durability, ..Settings::default() })
        });
        let idle = world.files.open_count();
        publish_to_all(&mut world, 50);
        for _ in 0..20 {
            publish_to_all(&mut world, 50);
            assert!(world.files.open_count() <= idle + max, "{durability:?}: {}", world.files.open_count());
            world.advance(secs(1));
        }
        // Within the limit they stay open: no batch waits for an open.
        publish_to_all(&mut world, 5);
        world.advance(secs(10));
        let open = world.files.open_count();
        publish_to_all(&mut world, 5);
        assert!(open >= idle + 5 && world.files.open_count() == open, "{durability:?}: {open}");
        for n in 0..50 {
            assert!(matches!(world.ask(Request::DeleteTopic(format!("t{n}"))), Answer::Done));
        }
        world.advance(secs(10));
        assert_eq!(world.files.open_count(), idle, "{durability:?}");
    }
}
