//! The stop: waiting clients are answered, and messages in flight are requeued.

#[path = "shard/harness.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod harness;

use harness::World;
use net::{App, ConnId};
use nuthatch_queue::request::{Answer, Request};
use nuthatch_queue::settings::{ChannelSettings, Durability};
use nuthatch_queue::{Mail, QueueOptions, Settings};

const OK: &[u8] = b"\0\0\0\x06\0\0\0\0OK";

/// A queue in which a consumer has the message `body` for the first time; the channel's `max_attempts` is
/// given.
fn delivered(max_attempts: u16) -> (World, ConnId) {
    let mut world = World::new(QueueOptions::from(Settings::default()));
    assert!(matches!(world.ask(Request::CreateTopic("t".into(), None)), Answer::Done));
    assert!(matches!(world.ask(Request::CreateChannel("t".into(), "c".into())), Answer::Done));
    let settings = ChannelSettings { max_attempts, ..ChannelSettings::default() };
    let configure = Request::ConfigureChannel("t".into(), "c".into(), settings);
    assert!(matches!(world.ask(configure), Answer::Done));
    let consumer = world.consumer("t", "c", 1);
    let producer = world.client();
    world.publish(producer, "t", b"body");
    assert_eq!(attempts(&mut world, consumer), [1]);
    (world, consumer)
}

fn attempts(world: &mut World, consumer: ConnId) -> Vec<u16> {
    world.messages(consumer).into_iter().map(|(attempts, ..)| attempts).collect()
}

/// The next process on the same files.
fn next(world: World) -> World {
    let World { files, options, io, queue, .. } = world;
    drop(queue);
    World::open(files, options, io.clock.wall.0)
}

#[test]
fn who_waits_for_a_publication_learns_of_it_before_the_end() {
    let options = QueueOptions::from(Settings { durability: Durability::Fsync, ..Settings::default() });
    let mut world = World::new(options);
    let (waiting, idle) = (world.client(), world.client());
    world.disk_works = false;
    world.publish(waiting, "t", b"body");
    world.stop();
    assert!(world.wire(idle).closed && !world.wire(waiting).closed);
    assert!(world.take(waiting).is_empty() && !world.is_idle());
    // Nothing more is accepted from it.
    world.publish(waiting, "t", b"late");
    world.disk_works = true;
    world.turn();
    assert_eq!(world.take(waiting), OK);
    assert!(world.wire(waiting).closed && world.is_idle());
    let mut world = next(world);
    let consumer = world.consumer("t", "c", 10);
    let bodies: Vec<Vec<u8>> = world.messages(consumer).into_iter().map(|(.., body)| body).collect();
    assert_eq!(bodies, [b"body"]);
}

#[test]
fn a_delivery_that_a_stop_interrupts_is_an_attempt_unless_another_process_goes_on() {
    for (hands_over, expected) in [(false, 2), (true, 1)] {
        let (mut world, consumer) = delivered(0);
        if hands_over {
            world.queue.mail(&mut world.io, Mail::HandOver);
        }
        world.stop();
        assert!(world.wire(consumer).closed && world.is_idle());
        let mut world = next(world);
        let consumer = world.consumer("t", "c", 1);
        assert_eq!(attempts(&mut world, consumer), [expected], "hands over: {hands_over}");
    }
}

#[test]
fn a_message_does_not_die_of_a_hand_over() {
    let (mut world, _) = delivered(1);
    world.queue.mail(&mut world.io, Mail::HandOver);
    world.stop();
    let mut world = next(world);
    let consumer = world.consumer("t", "c", 1);
    assert_eq!(attempts(&mut world, consumer), [1]);
}
