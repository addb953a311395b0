//! Creations survive a restart, and refused ones leave nothing behind, neither at once nor later.

#[path = "shard/harness.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod harness;

use std::collections::BTreeSet;
use std::time::Duration;

use harness::{Name, World};
use journal::files::{Crash, Fault, Operation};
use nuthatch_queue::request::{Answer, Request};
use nuthatch_queue::settings::{ChannelSettings, Durability};
use nuthatch_queue::{QueueOptions, Settings};

const EMFILE: i32 = 24;
const ENOSPC: i32 = 28;

/// Name and function of a way to create something.
type Way = (&'static str, fn(&mut World) -> bool);

/// The ways to create something beside topic `old` with channel `c` (which has a dead letter). True if
/// accepted.
const WAYS: [Way; 9] = [
    ("PUB", |world| accepted(world, b"PUB new\n\0\0\0\x01x")),
    ("DPUB", |world| accepted(world, b"DPUB new 1000\n\0\0\0\x01x")),
    ("MPUB", |world| accepted(world, b"MPUB new\n\0\0\0\x09\0\0\0\x01\0\0\0\x01x")),
    ("SUB, new topic", |world| accepted(world, b"SUB new c\n")),
    ("SUB, new channel", |world| accepted(world, b"SUB old new\n")),
    ("/topic/create", |world| done(world, Request::CreateTopic("new".into(), None))),
    ("durability=", |world| done(world, Request::CreateTopic("new".into(), Some(Durability::Fsync)))),
    ("/channel/create", |world| done(world, Request::CreateChannel("old".into(), "new".into()))),
    ("redrive", |world| {
        let redrive = Request::Redrive { topic: "old".into(), channel: "c".into(), count: 1, died: None };
        matches!(world.ask(redrive), Answer::Count(1))
    }),
];

fn accepted(world: &mut World, command: &[u8]) -> bool {
    let client = world.client();
    world.send(client, command);
    world.frames(client).first().expect("an answer").1 == b"OK"
}

fn done(world: &mut World, ask: Request) -> bool {
    matches!(world.ask(ask), Answer::Done)
}

/// A queue with topic `old`, channel `c`, and a letter in their dead-letter topic.
fn world() -> World {
    let mut world = World::new(QueueOptions::default());
    let (producer, consumer) = (world.client(), world.consumer("old", "c", 1));
    let settings = ChannelSettings { max_attempts: 1, ..ChannelSettings::default() };
    assert!(done(&mut world, Request::ConfigureChannel("old".into(), "c".into(), settings)));
    world.publish(producer, "old", b"poison");
    let (_, id, _) = world.messages(consumer).remove(0);
    world.send(consumer, format!("REQ {id} 0\n").as_bytes());
    world
}

/// Failures during a creation: the first is the reported one, the others hinder the cleanup.
fn faults() -> Vec<Vec<Fault>> {
    let fault = |operation, errno, torn| Fault { operation, skip: 0, times: 1, errno, torn };
    let always = |operation| Fault { times: 100, ..Fault::eio(operation) };
    let mut list = vec![
        vec![fault(Operation::Open, EMFILE, false)],
        vec![fault(Operation::Write, ENOSPC, true)],
        vec![fault(Operation::Write, ENOSPC, false)],
        vec![Fault::eio(Operation::Write)],
    ];
    for also in [vec![Operation::Rename], vec![Operation::Rename, Operation::Remove]] {
        list.push(
            [fault(Operation::Write, ENOSPC, true)].into_iter().chain(also.into_iter().map(always)).collect(),
        );
    }
    list
}

#[test]
fn a_refused_creation_leaves_nothing_behind() {
    let (mut refused, mut created) = (BTreeSet::new(), BTreeSet::new());
    for (way, create) in WAYS {
        for faults in faults() {
            for skip in 0..4 {
                let text = format!("{way}: {faults:?} after {skip}");
                let mut world = world();
                let before = world.present();
                for fault in &faults {
                    // Only the first is delayed: the others hinder what follows it.
                    let skip = if fault.times == 1 { skip } else { 0 };
                    world.files.fail(Fault { skip, ..fault.clone() });
                }
                let accepted = create(&mut world);
                let after = world.present();
                assert_eq!(world.announced(), after, "{text}");
                let grown: BTreeSet<&Name> = after.difference(&before).collect();
                if accepted {
                    created.insert(way);
                } else if grown.is_empty() {
                    refused.insert(way);
                } else {
                    // The first message was refused, and not the topic, which is complete; or the redrive
                    // was, and not its channel.
                    assert!(way.contains("PUB") || way == "redrive", "{text}: {grown:?}");
                }
                let mut world = world.crash(Crash::Process);
                assert_eq!(world.present(), after, "{text}, accepted: {accepted}");
            }
        }
    }
    let all: BTreeSet<&str> = WAYS.iter().map(|(way, _)| *way).collect();
    assert_eq!((&refused, &created), (&all, &all), "each way was refused, and accepted");
}

/// Bodies of the messages that a new consumer gets; each is finished.
fn drain(world: &mut World, topic: &str, channel: &str) -> Vec<String> {
    let consumer = world.consumer(topic, channel, 100);
    let messages = world.messages(consumer);
    for (_, id, _) in &messages {
        world.send(consumer, format!("FIN {id}\n").as_bytes());
    }
    world.disconnect(consumer);
    messages.into_iter().map(|(_, _, body)| String::from_utf8_lossy(&body).into_owned()).collect()
}

#[test]
fn a_refused_deletion_leaves_the_topic_whole() {
    let mut world = World::new(QueueOptions::default());
    let (producer, consumer) = (world.client(), world.consumer("t", "c", 0));
    world.publish(producer, "t", b"x");
    let before = world.present();
    world.files.fail(Fault::eio(Operation::Rename));
    let answer = world.ask(Request::DeleteTopic("t".into()));
    assert!(
        matches!(&answer, Answer::Refused(why) if why.to_string().contains("cannot be deleted")),
        "{answer:?}"
    );
    assert_eq!((world.present(), world.announced()), (before.clone(), before.clone()));
    assert!(!world.wire(consumer).closed);
    let mut world = world.crash(Crash::Process);
    assert_eq!(world.present(), before);
    assert_eq!(drain(&mut world, "t", "c"), ["x"]);
    assert!(done(&mut world, Request::DeleteTopic("t".into())));
    let mut world = world.crash(Crash::Process);
    assert!(world.present().is_empty());
}

#[test]
fn an_ephemeral_channel_that_could_not_be_deleted_goes_later() {
    let mut world = World::new(QueueOptions::default());
    let consumer = world.consumer("t", "c#ephemeral", 1);
    world.files.fail(Fault { times: 2, ..Fault::eio(Operation::Write) });
    world.disconnect(consumer);
    assert_eq!(world.present().len(), 2);
    world.advance(Duration::from_secs(2));
    assert_eq!(world.present().len(), 1);
    assert_eq!(world.announced(), world.present());
}

#[test]
fn on_a_full_disk_no_topic_is_created() {
    let mut world = world();
    world.files.fail(Fault::disk_full());
    assert!(!accepted(&mut world, b"PUB old\n\0\0\0\x01x"));
    // No room for a new reserve: consumers use the space of the old one.
    world.files.set_capacity(Some(1 << 20));
    let before = world.present();
    for (way, create) in &WAYS[..4] {
        assert!(!create(&mut world), "{way}");
    }
    assert_eq!(world.present(), before);
    assert!(done(&mut world, Request::CreateTopic("memory".into(), Some(Durability::Memory))));
    world.files.set_capacity(None);
    world.advance(Duration::from_secs(2));
    assert!(accepted(&mut world, b"PUB new\n\0\0\0\x01x"));
}

#[test]
fn a_topic_with_files_keeps_them_whatever_new_topics_get() {
    let mut world = World::new(QueueOptions::default());
    let producer = world.client();
    world.publish(producer, "t", b"one");
    let options = QueueOptions::from(Settings { durability: Durability::Memory, ..Settings::default() });
    let World { files, .. } = world.crash(Crash::Process);
    let mut world = World::open(files, options, 1_700_000_000_000_000_000);
    let producer = world.client();
    world.publish(producer, "t", b"two");
    world.publish(producer, "new", b"x");
    assert!(done(&mut world, Request::CreateTopic("files".into(), Some(Durability::Os))));
    world.publish(producer, "files", b"x");
    let mut world = world.crash(Crash::Process);
    let names: Vec<String> = world.present().into_iter().map(|(topic, _)| topic).collect();
    assert_eq!(names, ["files", "t"]);
    assert_eq!(drain(&mut world, "t", "c"), ["one", "two"]);
    assert_eq!(drain(&mut world, "files", "c"), ["x"]);
}
