//! A wall clock set back, while the daemon is down or running: no message waits, lives or is retained longer
//! than configured.

#[path = "shard/harness.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod harness;

use std::time::Duration;

use harness::World;
use journal::files::Crash;
use net::ConnId;
use nuthatch_queue::request::{Answer, Request};
use nuthatch_queue::settings::TopicSettings;
use nuthatch_queue::{QueueOptions, Settings};

const DAY: i64 = 86_400_000_000_000;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[track_caller]
fn done(answer: Answer) {
    assert!(matches!(answer, Answer::Done), "{answer:?}");
}

fn set_clock(world: &mut World, by: i64) {
    world.io.clock.wall.0 += by;
}

/// Sets the clock while the daemon is down.
fn restart(mut world: World, by: i64) -> World {
    set_clock(&mut world, by);
    world.crash(Crash::Process)
}

fn configure(world: &mut World, settings: TopicSettings) {
    done(world.ask(Request::CreateTopic("t".into(), None)));
    done(world.ask(Request::CreateChannel("t".into(), "c".into())));
    done(world.ask(Request::ConfigureTopic("t".into(), settings)));
}

fn defer(world: &mut World, seconds: u64) {
    let producer = world.client();
    world.send(producer, format!("DPUB t {}\n\0\0\0\x01x", seconds * 1000).as_bytes());
    world.disconnect(producer);
}

fn publish(world: &mut World, body: &[u8]) {
    let producer = world.client();
    world.publish(producer, "t", body);
    world.disconnect(producer);
}

/// Asserts that nothing arrives before this many seconds have passed, and that a message then does.
#[track_caller]
fn comes_after(world: &mut World, consumer: ConnId, seconds: u64, case: &str) {
    world.advance(secs(seconds).saturating_sub(Duration::from_millis(1)));
    assert!(world.messages(consumer).is_empty(), "{case}: too early");
    world.advance(Duration::from_millis(1));
    assert_eq!(world.messages(consumer).len(), 1, "{case}: too late");
}

#[test]
fn a_due_time_is_no_further_away_than_was_asked_for_after_the_clock_was_set_back() {
    for back in [3_600_000_000_000, DAY, 400 * DAY] {
        // The delay was given by DPUB, with a channel and without one, or by REQ.
        for case in ["DPUB", "DPUB without a channel", "REQ"] {
            let mut world = World::new(QueueOptions::default());
            match case {
                "DPUB" => {
                    configure(&mut world, TopicSettings::default());
                    defer(&mut world, 100);
                }
                "REQ" => {
                    let consumer = world.consumer("t", "c", 1);
                    publish(&mut world, b"x");
                    let id = world.messages(consumer).remove(0).1;
                    world.send(consumer, format!("REQ {id} 100000\n").as_bytes());
                    world.disconnect(consumer);
                }
                _ => defer(&mut world, 100),
            }
            world.advance(Duration::from_millis(100));
            // The length of the downtime is unknown: the whole delay starts again.
            let mut world = restart(world, -back);
            world.advance(secs(70));
            // A checkpoint has recorded the remaining delay meanwhile.
            let mut world = restart(world, -back);
            let consumer = world.consumer("t", "c", 1);
            comes_after(&mut world, consumer, 40, case);
        }
    }
}

#[test]
fn a_due_time_that_passed_while_the_daemon_was_down_has_passed() {
    let mut world = World::new(QueueOptions::default());
    configure(&mut world, TopicSettings::default());
    defer(&mut world, 100);
    let mut world = restart(world, 60_000_000_000);
    let consumer = world.consumer("t", "c", 1);
    comes_after(&mut world, consumer, 40, "a minute later");
    let mut world = restart(world, DAY);
    let consumer = world.consumer("t", "c", 1);
    assert_eq!(world.messages(consumer).len(), 1);
}

#[test]
fn a_delay_is_kept_although_less_is_allowed_now() {
    let mut world = World::new(QueueOptions::default());
    configure(&mut world, TopicSettings::default());
    defer(&mut world, 50);
    world.options.settings.max_defer_timeout = secs(10);
    let mut world = restart(world, 0);
    let consumer = world.consumer("t", "c", 1);
    comes_after(&mut world, consumer, 50, "asked for when it was allowed");
}

fn ttl(seconds: u64) -> TopicSettings {
    TopicSettings { ttl_seconds: seconds, ..TopicSettings::default() }
}

/// True if the only message is still delivered.
fn lives(world: &mut World) -> bool {
    let consumer = world.consumer("t", "c", 1);
    let lives = !world.messages(consumer).is_empty();
    world.disconnect(consumer);
    lives
}

#[test]
fn a_message_lives_no_longer_than_its_time_after_the_clock_was_set_back() {
    for down in [true, false] {
        for (seconds, expected) in [(290, true), (302, false)] {
            let mut world = World::new(QueueOptions::default());
            configure(&mut world, ttl(300));
            publish(&mut world, b"x");
            world.advance(secs(5));
            let mut world = if down {
                restart(world, -DAY)
            } else {
                set_clock(&mut world, -DAY);
                world
            };
            world.advance(secs(seconds));
            // The age of messages published now is exact.
            assert_eq!(lives(&mut world), expected, "down {down}, after {seconds} s");
            let consumer = world.consumer("t", "c", 2);
            publish(&mut world, b"y");
            assert_eq!(world.messages(consumer).len(), 1 + usize::from(expected));
        }
    }
}

#[test]
fn when_the_clock_was_set_back_is_known_after_the_next_restart() {
    for down in [true, false] {
        let mut world = World::new(QueueOptions::default());
        configure(&mut world, ttl(300));
        publish(&mut world, b"x");
        world.advance(secs(130));
        let mut world = if down {
            restart(world, -DAY)
        } else {
            set_clock(&mut world, -DAY);
            world
        };
        // An idle topic is checkpointed within a minute or two.
        world.advance(secs(150));
        let mut world = restart(world, 0);
        world.advance(secs(140));
        assert!(lives(&mut world), "{down}");
        world.advance(secs(20));
        assert!(!lives(&mut world), "{down}");
    }
}

#[test]
fn a_time_to_live_that_is_set_later_begins_no_later_than_then() {
    let mut world = World::new(QueueOptions::default());
    configure(&mut world, TopicSettings::default());
    publish(&mut world, b"x");
    set_clock(&mut world, -DAY);
    world.advance(secs(5));
    configure(&mut world, ttl(60));
    world.advance(secs(50));
    assert!(lives(&mut world));
    world.advance(secs(11));
    assert!(!lives(&mut world));
}

#[test]
fn retention_ends_in_time_after_the_clock_was_set_back() {
    for down in [true, false] {
        let mut world =
            World::new(QueueOptions::from(Settings { max_bytes_per_file: 256 << 10, ..Settings::default() }));
        configure(&mut world, TopicSettings { retention_seconds: 600, ..TopicSettings::default() });
        let consumer = world.consumer("t", "c", 100);
        for _ in 0..20 {
            publish(&mut world, &vec![b'x'; 50_000]);
            let id = world.messages(consumer).remove(0).1;
            world.send(consumer, format!("FIN {id}\n").as_bytes());
        }
        world.advance(secs(70));
        let mut world = if down {
            restart(world, -DAY)
        } else {
            set_clock(&mut world, -DAY);
            world
        };
        let segments = |world: &World| {
            let paths = world.files.paths();
            paths.iter().filter(|path| path.to_string_lossy().ends_with(".log")).count()
        };
        let before = segments(&world);
        assert!(before >= 4, "{before}");
        world.advance(secs(500));
        publish(&mut world, b"y");
        world.advance(secs(61));
        assert_eq!(segments(&world), before, "it is retained as long as was asked for");
        world.advance(secs(100));
        publish(&mut world, b"y");
        world.advance(secs(61));
        assert!(segments(&world) <= 2, "{} of {before}", segments(&world));
    }
}

#[test]
fn what_was_copied_forward_is_as_old_as_it_was() {
    let mut world =
        World::new(QueueOptions::from(Settings { max_bytes_per_file: 64 << 10, ..Settings::default() }));
    configure(&mut world, ttl(300));
    defer(&mut world, 250);
    let consumer = world.consumer("t", "c", 100);
    for _ in 0..60 {
        publish(&mut world, &[b'x'; 5_000]);
        let id = world.messages(consumer).remove(0).1;
        world.send(consumer, format!("FIN {id}\n").as_bytes());
    }
    world.disconnect(consumer);
    world.advance(secs(5));
    set_clock(&mut world, -DAY);
    let copied = |world: &World| {
        let moved = |path: &std::path::PathBuf| path.to_string_lossy().contains("0000000000000000.log");
        !world.files.paths().iter().any(moved)
    };
    for _ in 0..8 {
        world.advance(secs(30));
        publish(&mut world, &[b'x'; 5_000]);
        lives(&mut world);
    }
    assert!(copied(&world), "its segment is gone: {:?}", world.files.paths());
    world.advance(secs(70));
    let consumer = world.consumer("t", "c", 100);
    assert!(world.messages(consumer).iter().all(|(_, _, body)| body.len() > 1), "it is too old");
}
