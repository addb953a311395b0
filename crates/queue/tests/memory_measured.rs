//! The memory figures of topics and channels, compared with the real use of a process. Must be alone in its
//! process.

#[path = "shard/harness.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod harness;

use harness::World;
use nuthatch_queue::QueueOptions;
use nuthatch_queue::channel::CHANNEL_BYTES;
use nuthatch_queue::request::Request;
use nuthatch_queue::topic::TOPIC_BYTES;

/// Topics of the measurement.
const COUNT: usize = 4_000;

fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("procfs");
    text.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("a number") * 4096
}

/// Resident bytes used by each further item.
fn measure(world: &mut World, mut make: impl FnMut(&mut World, usize)) -> usize {
    let before = resident_bytes();
    (0..COUNT).for_each(|n| make(world, n));
    resident_bytes().saturating_sub(before) / COUNT
}

fn topic(n: usize) -> String {
    format!("a-topic-with-a-name-of-usual-length-{n}#ephemeral")
}

#[test]
fn a_topic_and_a_channel_take_no_more_than_they_are_counted_with() {
    let mut world = World::new(QueueOptions::default());
    let topics = measure(&mut world, |world, n| {
        world.ask(Request::CreateTopic(topic(n), None));
    });
    let channels = measure(&mut world, |world, n| {
        world.ask(Request::CreateChannel(topic(n), format!("a-channel-{n}")));
    });
    println!("topic {topics}, channel {channels}");
    assert!(topics <= TOPIC_BYTES, "{topics}");
    assert!(channels <= CHANNEL_BYTES, "{channels}");
    let producer = world.client();
    let messages = measure(&mut world, |world, n| world.publish(producer, &topic(n), b"0123456789"));
    println!("first message {messages}");
}
