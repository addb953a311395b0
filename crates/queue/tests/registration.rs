//! Registration with nsqlookupds: all existing topics and channels are announced, however they were created.

#[path = "shard/harness.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod harness;

use std::time::Duration;

use harness::World;
use journal::files::Crash;
use nuthatch_queue::QueueOptions;
use nuthatch_queue::request::{Answer, Request};
use nuthatch_queue::settings::{ChannelSettings, Durability};

/// Names as `topic` or `topic/channel`, in order.
fn shown(names: impl IntoIterator<Item = harness::Name>) -> Vec<String> {
    let show = |(topic, channel): harness::Name| match channel {
        Some(channel) => format!("{topic}/{channel}"),
        None => topic,
    };
    let mut list: Vec<String> = names.into_iter().map(show).collect();
    list.sort();
    list
}

fn check(world: &mut World, expected: &[&str]) {
    assert_eq!(shown(world.announced()), expected);
    assert_eq!(world.present(), world.announced());
}

fn done(world: &mut World, ask: Request) {
    let text = format!("{ask:?}");
    let answer = world.ask(ask);
    assert!(matches!(answer, Answer::Done), "{text}: {answer:?}");
}

#[test]
fn restored_topics_and_channels_are_announced() {
    let mut world = World::new(QueueOptions::default());
    let producer = world.client();
    world.publish(producer, "alone", b"x");
    world.publish(producer, "in-memory#ephemeral", b"x");
    done(&mut world, Request::CreateTopic("memory".into(), Some(Durability::Memory)));
    for (topic, channel) in [("t", "a"), ("t", "b"), ("t", "c#ephemeral"), ("u", "d")] {
        world.consumer(topic, channel, 1);
    }
    let kept = ["alone", "t", "t/a", "t/b", "u", "u/d"];
    let all = ["alone", "in-memory#ephemeral", "memory", "t", "t/a", "t/b", "t/c#ephemeral", "u", "u/d"];
    check(&mut world, &all);
    assert_eq!(world.heard.lock().unwrap().asked.len(), 5, "others are asked about each new topic");
    for how in [Crash::Process, Crash::Process] {
        world = world.crash(how);
        check(&mut world, &kept);
        assert!(world.heard.lock().unwrap().asked.is_empty(), "nobody is asked about what was here before");
    }
    // Later changes are announced incrementally.
    done(&mut world, Request::DeleteChannel("t".into(), "a".into()));
    done(&mut world, Request::DeleteTopic("u".into()));
    world.consumer("t", "e", 1);
    check(&mut world, &["alone", "t", "t/b", "t/e"]);
}

#[test]
fn what_comes_and_goes_by_itself_is_announced() {
    let mut world = World::new(QueueOptions::default());
    let producer = world.client();
    // A dead-letter topic, the channel of a redrive.
    let consumer = world.consumer("t", "c", 1);
    let settings = ChannelSettings { max_attempts: 1, ..ChannelSettings::default() };
    done(&mut world, Request::ConfigureChannel("t".into(), "c".into(), settings));
    world.publish(producer, "t", b"poison");
    let (_, id, _) = world.messages(consumer).remove(0);
    world.send(consumer, format!("REQ {id} 0\n").as_bytes());
    check(&mut world, &["t", "t.c.dead", "t/c"]);
    let redrive = Request::Redrive { topic: "t".into(), channel: "c".into(), count: 1, died: None };
    assert!(matches!(world.ask(redrive), Answer::Count(1)));
    check(&mut world, &["t", "t.c.dead", "t.c.dead/redrive", "t/c"]);
    // An ephemeral channel goes with its consumer, an ephemeral topic with its channel.
    let last = world.consumer("gone#ephemeral", "x#ephemeral", 1);
    check(
        &mut world,
        &["gone#ephemeral", "gone#ephemeral/x#ephemeral", "t", "t.c.dead", "t.c.dead/redrive", "t/c"],
    );
    world.disconnect(last);
    check(&mut world, &["t", "t.c.dead", "t.c.dead/redrive", "t/c"]);
    let mut world = world.crash(Crash::Process);
    check(&mut world, &["t", "t.c.dead", "t.c.dead/redrive", "t/c"]);
}

#[test]
fn what_could_not_be_taken_in_is_announced_later() {
    let mut world = World::new(QueueOptions::default());
    world.consumer("before", "c", 1);
    world.heard.lock().unwrap().busy = true;
    world.consumer("t", "a", 1);
    world.consumer("t", "b", 1);
    done(&mut world, Request::DeleteChannel("t".into(), "a".into()));
    done(&mut world, Request::DeleteTopic("before".into()));
    world.advance(Duration::from_secs(3));
    assert_eq!(shown(world.announced()), ["before", "before/c"]);
    world.heard.lock().unwrap().busy = false;
    // Not announced individually before the full announcement: the sum would be wrong.
    world.consumer("u", "c", 1);
    world.advance(Duration::from_secs(2));
    check(&mut world, &["t", "t/b", "u", "u/c"]);
    world.consumer("u", "d", 1);
    check(&mut world, &["t", "t/b", "u", "u/c", "u/d"]);
}

#[test]
fn a_client_is_refused_when_too_many_wait_for_their_authorization() {
    let mut options = QueueOptions::default();
    options.settings.auth_http_addresses = vec!["authority.internal".into()];
    let mut world = World::new(options);
    world.heard.lock().unwrap().busy = true;
    let client = world.client();
    world.send(client, b"AUTH\n\0\0\0\x06secret");
    let wire = &world.io.wires[&client];
    assert!(wire.sent.ends_with(b"E_AUTH_FAILED AUTH failed"), "{}", wire.sent.escape_ascii());
    assert!(wire.closed);
    world.heard.lock().unwrap().busy = false;
    let client = world.client();
    world.send(client, b"AUTH\n\0\0\0\x06secret");
    assert!(!world.io.wires[&client].closed, "it waits");
}
