//! A channel that was moved back, across a restart.

#[path = "shard/harness.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod harness;

use std::time::Duration;

use harness::World;
use journal::files::Crash;
use nuthatch_queue::QueueOptions;
use nuthatch_queue::request::{Answer, Request};
use nuthatch_queue::topic::SeekTo;

/// Finishes up to `count` messages that a channel delivers.
fn take(world: &mut World, count: usize) -> String {
    let consumer = world.consumer("t", "c", 1);
    let mut taken = String::new();
    while taken.len() < count {
        let messages = world.messages(consumer);
        if messages.is_empty() {
            break;
        }
        for (_, id, body) in messages {
            taken.push_str(std::str::from_utf8(&body).expect("letters"));
            let ready = u32::from(taken.len() < count);
            world.send(consumer, format!("RDY {ready}\nFIN {id}\n").as_bytes());
        }
    }
    world.disconnect(consumer);
    taken
}

/// Deferred messages are not counted in the stream, but are replayed from it.
#[test]
fn a_replay_of_deferred_messages_leaves_no_other_behind_after_a_restart() {
    let mut world = World::new(QueueOptions { recount_bytes: 0, ..QueueOptions::default() });
    let producer = world.client();
    assert!(matches!(world.ask(Request::CreateTopic("t".into(), None)), Answer::Done));
    assert!(matches!(world.ask(Request::CreateChannel("t".into(), "c".into())), Answer::Done));
    for body in [b'D', b'E'] {
        world.send(producer, &[b"DPUB t 1\n\0\0\0\x01".as_slice(), &[body]].concat());
    }
    for body in [b"a", b"b", b"c"] {
        world.publish(producer, "t", body);
    }
    world.advance(Duration::from_millis(2));
    assert_eq!(take(&mut world, 9).len(), 5);
    let seek = Request::Seek("t".into(), "c".into(), SeekTo::Beginning);
    assert!(matches!(world.ask(seek), Answer::Sought(_)));
    for body in [b"f", b"g", b"h"] {
        world.publish(producer, "t", body);
    }
    assert_eq!(take(&mut world, 2), "DE");
    world.advance(Duration::from_secs(1));
    let mut world = world.crash(Crash::Process);
    assert_eq!(take(&mut world, 9), "abcfgh");
}

/// By the wall clock, messages published after the seek are older than it.
#[test]
fn what_is_published_after_a_seek_by_time_is_delivered_though_the_clock_was_set_back() {
    let mut world = World::new(QueueOptions::default());
    let producer = world.client();
    assert!(matches!(world.ask(Request::CreateTopic("t".into(), None)), Answer::Done));
    assert!(matches!(world.ask(Request::CreateChannel("t".into(), "c".into())), Answer::Done));
    world.publish(producer, "t", b"a");
    world.advance(Duration::from_secs(1));
    world.publish(producer, "t", b"b");
    let seek = Request::Seek("t".into(), "c".into(), SeekTo::Time(world.io.clock.wall.0 - 1));
    assert!(matches!(world.ask(seek), Answer::Sought(_)));
    world.io.clock.wall.0 -= 3_600_000_000_000;
    world.publish(producer, "t", b"c");
    assert_eq!(take(&mut world, 9), "bc");
}
