//! The order of deliveries, which is nsqd's: requeued messages go behind waiting ones.

#[path = "shard/harness.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod harness;

use std::time::Duration;

use harness::World;
use journal::files::Crash;
use net::{ConnId, Instant, WallTime};
use nuthatch_queue::channel::{Channel, Source};
use nuthatch_queue::consumers::{Nearness, Terms};
use nuthatch_queue::deferred::Waiting;
use nuthatch_queue::request::{Answer, Request};
use nuthatch_queue::settings::ChannelSettings;
use nuthatch_queue::{Clock, QueueOptions, Settings};

const SECOND: Duration = Duration::from_secs(1);

fn publish(world: &mut World, bodies: &str) {
    let producer = world.client();
    for body in bodies.bytes() {
        world.publish(producer, "t", &[body]);
    }
}

/// Id and body of the single message that a consumer got.
fn one(world: &mut World, consumer: ConnId) -> (String, String) {
    let mut messages = world.messages(consumer);
    assert_eq!(messages.len(), 1, "{messages:?}");
    let (_, id, body) = messages.remove(0);
    (id, String::from_utf8(body).expect("letters"))
}

/// Messages that a consumer with RDY 1 gets, finishing each; messages already received come first.
fn rest(world: &mut World, consumer: ConnId) -> String {
    let mut got = String::new();
    loop {
        for (_, id, body) in world.messages(consumer) {
            got.push_str(std::str::from_utf8(&body).expect("letters"));
            world.send(consumer, format!("FIN {id}\n").as_bytes());
        }
        if world.wire(consumer).sent.is_empty() {
            return got;
        }
    }
}

/// A, B, C are published, and a consumer with RDY 1 has A.
fn with_a() -> (World, ConnId, String) {
    let mut world = World::new(QueueOptions::from(Settings { msg_timeout: SECOND, ..Settings::default() }));
    let consumer = world.consumer("t", "c", 1);
    publish(&mut world, "ABC");
    let (id, body) = one(&mut world, consumer);
    assert_eq!(body, "A");
    (world, consumer, id)
}

#[test]
fn what_is_requeued_stands_behind_what_waits() {
    let (mut world, consumer, id) = with_a();
    world.send(consumer, format!("REQ {id} 0\n").as_bytes());
    publish(&mut world, "D");
    assert_eq!(rest(&mut world, consumer), "BCAD");
}

#[test]
fn who_requeues_everything_gets_it_round_and_round() {
    let (mut world, consumer, id) = with_a();
    world.send(consumer, format!("REQ {id} 0\n").as_bytes());
    let mut got = String::from("A");
    for _ in 0..8 {
        let (id, body) = one(&mut world, consumer);
        got.push_str(&body);
        world.send(consumer, format!("REQ {id} 0\n").as_bytes());
    }
    assert_eq!(got, "ABCABCABC");
}

#[test]
fn what_times_out_stands_behind_what_waits() {
    let (mut world, consumer, _) = with_a();
    world.advance(SECOND);
    publish(&mut world, "D");
    assert_eq!(rest(&mut world, consumer), "BCAD");
}

#[test]
fn what_a_lost_connection_had_stands_behind_what_waits() {
    let (mut world, consumer, _) = with_a();
    world.disconnect(consumer);
    publish(&mut world, "D");
    let consumer = world.consumer("t", "c", 1);
    assert_eq!(rest(&mut world, consumer), "BCAD");
}

#[test]
fn what_is_due_stands_behind_what_waits() {
    let (mut world, consumer, id) = with_a();
    world.send(consumer, format!("RDY 0\nREQ {id} 1000\n").as_bytes());
    world.advance(SECOND);
    publish(&mut world, "D");
    world.send(consumer, b"RDY 1\n");
    assert_eq!(rest(&mut world, consumer), "BCAD");

    let mut world = World::new(QueueOptions::default());
    let (consumer, producer) = (world.consumer("t", "c", 0), world.client());
    world.send(producer, b"DPUB t 1000\n\0\0\0\x01A");
    publish(&mut world, "BC");
    world.advance(SECOND);
    publish(&mut world, "D");
    world.send(consumer, b"RDY 1\n");
    assert_eq!(rest(&mut world, consumer), "BCAD");
}

#[test]
fn what_is_brought_back_from_the_dead_stands_behind_what_waits() {
    let (mut world, consumer, id) = with_a();
    let settings = ChannelSettings { max_attempts: 1, ..ChannelSettings::default() };
    assert!(matches!(world.ask(Request::ConfigureChannel("t".into(), "c".into(), settings)), Answer::Done));
    world.send(consumer, format!("RDY 0\nREQ {id} 0\n").as_bytes());
    let redrive = Request::Redrive { topic: "t".into(), channel: "c".into(), count: 1, died: None };
    assert!(matches!(world.ask(redrive), Answer::Count(1)));
    publish(&mut world, "D");
    for crash in [false, true] {
        if crash {
            world = world.crash(Crash::Process);
        }
        let consumer = world.consumer("t", "c", 4);
        let bodies: Vec<_> = world.messages(consumer).into_iter().map(|(_, _, body)| body).collect();
        assert_eq!(bodies.concat(), b"BCAD", "after a crash: {crash}");
    }
}

#[test]
fn the_order_outlasts_the_process() {
    // The events are after the last checkpoint, or in it.
    for checkpoint in [false, true] {
        let (mut world, consumer, id) = with_a();
        world.send(consumer, format!("REQ {id} 0\n").as_bytes());
        let (id, body) = one(&mut world, consumer);
        assert_eq!(body, "B");
        world.send(consumer, format!("RDY 0\nREQ {id} 0\n").as_bytes());
        world.advance(SECOND);
        publish(&mut world, "D");
        if checkpoint {
            world.advance(60 * SECOND);
        }
        let mut world = world.crash(Crash::Process);
        publish(&mut world, "E");
        let consumer = world.consumer("t", "c", 1);
        assert_eq!(rest(&mut world, consumer), "CABDE", "checkpoint: {checkpoint}");
    }
}

/// A consumer that requeues everything: the number of requeued messages is bounded, and each gets its turn.
#[test]
fn a_backlog_that_is_requeued_wholly_is_not_moved_into_memory() {
    const LIMIT: usize = 100_000;
    let clock = Clock { now: Instant(1), wall: WallTime(1) };
    let mut channel = Channel::new("c", 1, 0, 0);
    let terms = Terms {
        conn: ConnId { index: 1, generation: 0 },
        timeout: SECOND,
        timeout_max: SECOND,
        sample_rate: 0,
        nearness: Nearness::Elsewhere,
    };
    let consumer = channel.subscribe(terms);
    channel.set_ready(consumer, 1);
    let end = 2 * LIMIT as u64;
    channel.pumped(end, end);
    let (mut again, mut stream) = (0, 0);
    for _ in 0..2 * LIMIT {
        let message = match channel.next_source(end).expect("something waits") {
            Source::Again(message) => {
                again += 1;
                channel.pop_again();
                message
            }
            Source::Cursor(at) => {
                stream += 1;
                channel.advance(at + 1);
                Waiting { at, id: at, attempts: 0 }
            }
        };
        channel.hand_over(consumer, message, 0, clock.now).expect("nothing else is in flight");
        channel.requeue(consumer, message.id, Duration::ZERO, clock).expect("it is in flight");
        assert!(channel.again_count() <= LIMIT);
    }
    assert_eq!((stream, again), (LIMIT, LIMIT));
    // Finished messages make room for new ones.
    for _ in 0..10 {
        let Some(Source::Again(message)) = channel.next_source(end) else { panic!("the line is full") };
        channel.pop_again();
        channel.hand_over(consumer, message, 0, clock.now).expect("delivered");
        channel.finish(consumer, message.id).expect("it is in flight");
        let Some(Source::Cursor(at)) = channel.next_source(end) else { panic!("there is room") };
        channel.advance(at + 1);
        let message = Waiting { at, id: at, attempts: 0 };
        channel.hand_over(consumer, message, 0, clock.now).expect("delivered");
        channel.requeue(consumer, at, Duration::ZERO, clock).expect("it is in flight");
    }
}
