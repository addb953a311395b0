//! Moves of messages between journals: at every moment, whatever fails, one of the two has them.

#[path = "shard/harness.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod harness;

use std::collections::BTreeSet;
use std::time::Duration;

use harness::{Asked, World};
use journal::files::{Crash, Fault, MemFiles, Operation};
use nuthatch_queue::request::{Answer, Request};
use nuthatch_queue::settings::{ChannelSettings, Durability};
use nuthatch_queue::{QueueOptions, Settings};

const WALL: i64 = 1_700_000_000_000_000_000;
/// Seeds per test, for the order of disk jobs and power losses.
const SEEDS: u64 = 8;
const BODIES: [&str; 3] = ["one", "two", "three"];

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A queue whose messages are on the device before OK.
fn fsync(seed: u64) -> World {
    let options = QueueOptions::from(Settings { durability: Durability::Fsync, ..Settings::default() });
    World::open(MemFiles::new(seed), options, WALL)
}

fn dies_at_once(world: &mut World, dead_letter_topic: &str) {
    let settings = ChannelSettings { max_attempts: 1, dead_letter_topic: dead_letter_topic.into() };
    done(world.ask(Request::CreateTopic("t".into(), None)));
    done(world.ask(Request::CreateChannel("t".into(), "c".into())));
    done(world.ask(Request::ConfigureChannel("t".into(), "c".into(), settings)));
}

#[track_caller]
fn done(answer: Answer) {
    assert!(matches!(answer, Answer::Done), "{answer:?}");
}

fn publish(world: &mut World, bodies: &[&str]) {
    let producer = world.client();
    for body in bodies {
        world.publish(producer, "t", body.as_bytes());
        assert!(world.take(producer).ends_with(b"OK"));
    }
    world.disconnect(producer);
}

/// A consumer takes all messages and requeues them, all in one turn.
fn give_up(world: &mut World) {
    let consumer = world.consumer("t", "c", 100);
    let messages = world.messages(consumer);
    let requeues: Vec<u8> =
        messages.iter().flat_map(|(_, id, _)| format!("REQ {id} 0\n").into_bytes()).collect();
    world.send(consumer, &requeues);
    world.disconnect(consumer);
}

/// Messages that a consumer of the channel gets; each is finished.
fn drain(world: &mut World, topic: &str, channel: &str) -> Vec<String> {
    let consumer = world.consumer(topic, channel, 2500);
    let mut bodies = Vec::new();
    for (_, id, body) in world.messages(consumer) {
        bodies.push(String::from_utf8_lossy(&body).into_owned());
        world.send(consumer, format!("FIN {id}\n").as_bytes());
    }
    world.disconnect(consumer);
    bodies
}

fn redrive() -> Request {
    Request::Redrive { topic: "t".into(), channel: "c".into(), count: 100, died: None }
}

#[track_caller]
fn redriven(world: &mut World) -> u64 {
    match world.ask(redrive()) {
        Answer::Count(count) => count,
        other => panic!("{other:?}"),
    }
}

/// All messages of the channel and its dead-letter topic.
fn everything(world: &mut World) -> BTreeSet<String> {
    let mut bodies: BTreeSet<String> = drain(world, "t", "c").into_iter().collect();
    redriven(world);
    bodies.extend(drain(world, "t", "c"));
    bodies
}

fn lost(world: &mut World) -> u64 {
    let ask = Request::Stats { topic: Some("t".into()), channel: Some("c".into()), clients: false };
    let Answer::Stats(snapshot) = world.ask(ask) else { panic!("statistics") };
    snapshot.topics.expect("the topic")[0].channels[0].counters.lost
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % n as u64) as usize
    }
}

/// Direction of a move.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    /// Messages are given up, and go to the dead-letter topic.
    Out,
    /// Dead letters are brought back.
    Back,
}

/// Moves messages while the disk is slow: turns continue without it, and it runs one pending job at a time,
/// in random order. The file system stops at its `stop`-th change (0: never). Returns the number of changes
/// made.
fn move_slowly(world: &mut World, way: Way, random: &mut Random, stop: u64) -> u64 {
    let before = world.files.changes();
    if stop > 0 {
        world.files.stop_after(stop);
    }
    world.disk_works = false;
    match way {
        Way::Out => give_up(world),
        Way::Back => drop(world.ask_later(redrive())),
    }
    loop {
        // Events are written, and now and then a checkpoint.
        world.advance(if random.below(3) == 0 { Duration::from_secs(61) } else { millis(30) });
        if !world.work_one(|count| random.below(count)) || world.files.changes() > before + 100 {
            return world.files.changes() - before;
        }
    }
}

/// A queue with the messages on the device, on the source side of `way`.
fn before_the_move(seed: u64, way: Way, dead: Option<Durability>) -> World {
    let mut world = fsync(seed);
    dies_at_once(&mut world, "dead");
    if let Some(durability) = dead {
        done(world.ask(Request::CreateTopic("dead".into(), Some(durability))));
    }
    publish(&mut world, &BODIES);
    if way == Way::Back {
        give_up(&mut world);
        world.advance(Duration::from_secs(3));
        assert_eq!(world.counts("t", "c"), (0, 0, 0));
    }
    world
}

#[track_caller]
fn survives_a_loss_of_power_at_every_point(way: Way, dead: Option<Durability>) {
    let expected: BTreeSet<String> = BODIES.map(str::to_owned).into();
    for seed in 0..SEEDS {
        let changes = move_slowly(&mut before_the_move(seed, way, dead), way, &mut Random(seed), 0);
        assert!(changes >= 3, "a write there, its flush, and a write here: {changes}");
        for stop in 1..=changes + 1 {
            let mut world = before_the_move(seed, way, dead);
            move_slowly(&mut world, way, &mut Random(seed), stop);
            let mut world = world.crash(Crash::Power);
            assert_eq!(everything(&mut world), expected, "{way:?} {dead:?} seed {seed} stop {stop}");
        }
    }
}

#[test]
fn with_fsync_a_dead_letter_survives_a_loss_of_power_at_every_point() {
    survives_a_loss_of_power_at_every_point(Way::Out, None);
}

#[test]
fn with_fsync_what_is_brought_back_survives_a_loss_of_power_at_every_point() {
    survives_a_loss_of_power_at_every_point(Way::Back, None);
}

#[test]
fn a_message_of_a_topic_with_fsync_is_on_the_device_whatever_its_dead_letter_topic_is() {
    survives_a_loss_of_power_at_every_point(Way::Out, Some(Durability::Os));
}

#[test]
fn letters_that_are_not_safe_yet_are_in_their_channels_checkpoint() {
    for seed in 0..SEEDS {
        let mut world = before_the_move(seed, Way::Out, None);
        world.disk_works = false;
        give_up(&mut world);
        // The last two jobs are checkpoints: of this topic, and of the dead-letter topic, which does not run.
        world.advance(Duration::from_secs(61));
        let checkpoint = |world: &World| {
            let paths = world.files.paths();
            paths.iter().filter(|path| path.ends_with("t.topic/checkpoint")).count()
        };
        let before = checkpoint(&world);
        assert!(world.work_one(|count| count - 2));
        assert_eq!((before, checkpoint(&world)), (0, 1));
        let mut world = world.crash(Crash::Power);
        assert_eq!(everything(&mut world), BODIES.map(str::to_owned).into(), "seed {seed}");
    }
}

#[test]
fn letters_that_are_refused_are_tried_again_and_none_comes_twice() {
    for fault in [Fault::disk_full(), Fault::eio(Operation::Write)] {
        for durability in [Durability::Os, Durability::Fsync] {
            let mut world = World::open(
                MemFiles::new(7),
                QueueOptions::from(Settings { durability, ..Settings::default() }),
                WALL,
            );
            dies_at_once(&mut world, "dead");
            done(world.ask(Request::CreateTopic("dead".into(), None)));
            world.advance(Duration::from_secs(3));
            publish(&mut world, &BODIES);
            world.files.fail(fault.clone());
            give_up(&mut world);
            world.advance(millis(100));
            assert_eq!(drain(&mut world, "dead", "look"), [] as [&str; 0], "{fault:?}");
            world.advance(Duration::from_secs(3));
            assert_eq!(drain(&mut world, "dead", "look"), BODIES, "{fault:?}");
            let mut world = world.crash(Crash::Process);
            assert_eq!(world.counts("t", "c"), (0, 0, 0), "{fault:?}");
            assert_eq!(drain(&mut world, "dead", "late"), [] as [&str; 0], "{fault:?}");
        }
    }
}

#[test]
fn letters_whose_flush_fails_are_the_channels_again() {
    let mut world = fsync(3);
    dies_at_once(&mut world, "dead");
    done(world.ask(Request::CreateTopic("dead".into(), None)));
    publish(&mut world, &BODIES);
    world.disk_works = false;
    give_up(&mut world);
    world.files.fail(Fault::eio(Operation::Sync));
    world.work_disk();
    world.disk_works = true;
    world.advance(Duration::from_secs(3));
    assert!(world.health().is_some());
    let mut world = world.crash(Crash::Power);
    assert_eq!(everything(&mut world), BODIES.map(str::to_owned).into());
}

#[test]
fn letters_return_when_their_topic_is_deleted_before_they_are_safe() {
    let mut world = fsync(4);
    dies_at_once(&mut world, "dead");
    done(world.ask(Request::CreateTopic("dead".into(), None)));
    publish(&mut world, &BODIES);
    world.disk_works = false;
    give_up(&mut world);
    done(world.ask(Request::DeleteTopic("dead".into())));
    world.disk_works = true;
    world.advance(Duration::from_secs(2));
    assert_eq!(redriven(&mut world), 3);
    assert_eq!(drain(&mut world, "t", "c"), BODIES);
}

#[test]
fn a_channel_that_is_emptied_while_its_letters_move_gives_later_ones_away_as_usual() {
    let mut world = fsync(5);
    dies_at_once(&mut world, "dead");
    publish(&mut world, &["one"]);
    world.disk_works = false;
    give_up(&mut world);
    done(world.ask(Request::EmptyChannel("t".into(), "c".into())));
    let producer = world.client();
    world.publish(producer, "t", b"two");
    give_up(&mut world);
    world.disk_works = true;
    world.advance(Duration::from_secs(1));
    let mut world = world.crash(Crash::Power);
    assert_eq!(world.counts("t", "c"), (0, 0, 0));
    assert_eq!(drain(&mut world, "dead", "look"), ["one", "two"]);
}

#[test]
fn a_source_that_is_deleted_while_its_messages_move_is_gone() {
    for whole_topic in [false, true] {
        let mut world = fsync(6);
        dies_at_once(&mut world, "dead");
        publish(&mut world, &BODIES);
        world.disk_works = false;
        give_up(&mut world);
        done(world.ask(if whole_topic {
            Request::DeleteTopic("t".into())
        } else {
            Request::DeleteChannel("t".into(), "c".into())
        }));
        world.disk_works = true;
        world.advance(Duration::from_secs(1));
        assert_eq!(drain(&mut world, "dead", "look"), BODIES);
        assert!(world.is_idle());
    }
}

#[test]
fn a_topic_can_be_its_own_dead_letter_topic() {
    let mut world = fsync(8);
    dies_at_once(&mut world, "t");
    publish(&mut world, &["one"]);
    give_up(&mut world);
    world.advance(millis(100));
    let mut world = world.crash(Crash::Power);
    assert_eq!(drain(&mut world, "t", "c"), ["one"]);
    assert_eq!(world.counts("t", "c"), (0, 0, 0));
}

#[test]
fn a_redrive_is_answered_when_the_last_message_is_on_the_device() {
    let mut world = before_the_move(9, Way::Back, None);
    world.disk_works = false;
    let asked = world.ask_later(redrive());
    world.advance(Duration::from_secs(1));
    assert!(World::answered(&asked).is_none());
    world.disk_works = true;
    world.turn();
    assert!(matches!(World::answered(&asked), Some(Answer::Count(3))));
}

#[test]
fn a_redrive_of_more_than_a_batch_goes_on_batch_by_batch() {
    for durability in [Durability::Memory, Durability::Os, Durability::Fsync] {
        let mut world = World::open(
            MemFiles::new(1),
            QueueOptions::from(Settings { durability, ..Settings::default() }),
            WALL,
        );
        dies_at_once(&mut world, "dead");
        let bodies: Vec<String> = (0..700).map(|n| n.to_string()).collect();
        publish(&mut world, &bodies.iter().map(String::as_str).collect::<Vec<_>>());
        while world.counts("t", "c").0 > 0 {
            give_up(&mut world);
        }
        let Answer::Count(600) =
            world.ask(Request::Redrive { topic: "t".into(), channel: "c".into(), count: 600, died: None })
        else {
            panic!("{durability:?}")
        };
        assert_eq!(world.counts("t", "c").0, 600);
        assert_eq!(redriven(&mut world), 100);
        assert_eq!(redriven(&mut world), 0);
        assert_eq!(drain(&mut world, "t", "c"), bodies);
    }
}

#[test]
fn redrives_of_one_dead_letter_topic_take_turns() {
    let mut world = before_the_move(10, Way::Back, None);
    world.disk_works = false;
    let asked: Vec<Asked> = (0..3).map(|_| world.ask_later(redrive())).collect();
    world.disk_works = true;
    world.turn();
    let counts: Vec<_> = asked.iter().map(World::answered).collect();
    assert!(matches!(counts[..], [Some(Answer::Count(3)), Some(Answer::Count(0)), Some(Answer::Count(0))]));
    assert_eq!(drain(&mut world, "t", "c"), BODIES);
}

#[test]
fn a_redrive_is_refused_while_clients_consume_its_channel() {
    let mut world = before_the_move(11, Way::Back, None);
    let client = world.consumer("dead", "redrive", 1);
    assert_eq!(world.messages(client).len(), 1);
    let Answer::Refused(why) = world.ask(redrive()) else { panic!("refused") };
    assert_eq!(why.to_string(), "channel redrive of topic dead has consumers: disconnect them");
    world.disconnect(client);
    assert_eq!(redriven(&mut world), 3);
    // The client's message is behind the others.
    assert_eq!(drain(&mut world, "t", "c"), [BODIES[1], BODIES[2], BODIES[0]]);
}

#[test]
fn a_redrive_that_is_refused_leaves_the_letters_where_they_are() {
    for (fault, durability) in [
        (Fault::eio(Operation::Write), Durability::Fsync),
        (Fault::disk_full(), Durability::Os),
        (Fault::eio(Operation::Sync), Durability::Fsync),
    ] {
        let mut world = World::open(
            MemFiles::new(12),
            QueueOptions::from(Settings { durability, ..Settings::default() }),
            WALL,
        );
        dies_at_once(&mut world, "dead");
        publish(&mut world, &BODIES);
        give_up(&mut world);
        world.advance(Duration::from_secs(3));
        world.files.fail(fault.clone());
        let answer = world.ask(redrive());
        assert!(matches!(answer, Answer::Refused(_)), "{fault:?} {answer:?}");
        let mut world = world.crash(Crash::Power);
        assert_eq!(everything(&mut world), BODIES.map(str::to_owned).into(), "{fault:?}");
    }
}

#[test]
fn a_redrive_is_answered_although_a_topic_of_its_is_deleted() {
    for deleted in ["dead", "t"] {
        // No letter is in memory.
        let mut world = before_the_move(13, Way::Back, None).crash(Crash::Process);
        world.disk_works = false;
        let asked = world.ask_later(redrive());
        done(world.ask(Request::DeleteTopic(deleted.into())));
        world.disk_works = true;
        world.turn();
        assert!(World::answered(&asked).is_some(), "{deleted}");
        assert!(world.is_idle());
    }
}

#[test]
fn a_daemon_that_stops_waits_for_what_moves() {
    for way in [Way::Out, Way::Back] {
        let mut world = before_the_move(14, way, None);
        world.disk_works = false;
        match way {
            Way::Out => give_up(&mut world),
            Way::Back => drop(world.ask_later(redrive())),
        }
        world.stop();
        assert!(!world.is_idle());
        world.disk_works = true;
        world.turn();
        assert!(world.is_idle());
        let mut world = world.crash(Crash::Power);
        let (source, target) = match way {
            Way::Out => (("t", "c"), ("dead", "look")),
            Way::Back => (("dead", "redrive"), ("t", "c")),
        };
        assert_eq!(drain(&mut world, source.0, source.1), [] as [&str; 0], "{way:?}");
        assert_eq!(drain(&mut world, target.0, target.1), BODIES, "{way:?}");
    }
}

/// A message in flight whose record is no longer in memory.
fn delivered_and_forgotten() -> (World, net::ConnId, String) {
    let options = QueueOptions::from(Settings { journal_cache_bytes: 0, ..Settings::default() });
    let mut world = World::open(MemFiles::new(15), options, WALL);
    dies_at_once(&mut world, "dead");
    publish(&mut world, &["poison"]);
    let consumer = world.consumer("t", "c", 1);
    let id = world.messages(consumer).remove(0).1;
    // Caches are emptied after a write.
    publish(&mut world, &["other"]);
    world.advance(millis(100));
    (world, consumer, id)
}

#[test]
fn a_dead_letter_whose_read_fails_is_read_again() {
    for operation in [Operation::Read, Operation::Open] {
        let (mut world, consumer, id) = delivered_and_forgotten();
        world.disk_works = false;
        world.send(consumer, format!("REQ {id} 0\n").as_bytes());
        world.files.fail(Fault::eio(operation));
        assert!(world.work_disk() > 0, "the record is read from its file");
        world.disk_works = true;
        world.advance(Duration::from_secs(2));
        assert_eq!(lost(&mut world), 0);
        assert_eq!(drain(&mut world, "dead", "look"), ["poison"], "{operation:?}");
    }
}

#[test]
fn a_dead_letter_that_cannot_be_read_is_counted_as_lost() {
    let (mut world, consumer, id) = delivered_and_forgotten();
    let files = world.files.clone();
    let topic = |file: &std::path::PathBuf| file.to_string_lossy().contains("/t.topic/");
    let segment = files.paths().into_iter().find(topic).expect("a segment");
    let mut content = files.content(&segment).expect("its content");
    let at = content.windows(6).position(|bytes| bytes == b"poison").expect("the message");
    content[at] ^= 1;
    files.set_content(&segment, content);
    world.send(consumer, format!("REQ {id} 0\n").as_bytes());
    world.advance(Duration::from_secs(2));
    assert_eq!(lost(&mut world), 1);
    assert_eq!(world.counts("t", "c"), (0, 1, 0), "the other one is in flight");
}

#[test]
fn dead_letters_of_a_time_are_brought_back_and_the_others_stay() {
    let mut world = fsync(11);
    dies_at_once(&mut world, "dead");
    let bodies =
        |first: usize, count: usize| (first..first + count).map(|n| n.to_string()).collect::<Vec<_>>();
    let hour = Duration::from_hours(1);
    let mut begins = Vec::new();
    // More than a batch is passed over before the first that is wanted.
    for (first, count) in [(0, 300), (300, 400), (700, 5)] {
        begins.push(world.io.clock.wall.0);
        publish(&mut world, &bodies(first, count).iter().map(String::as_str).collect::<Vec<_>>());
        while world.counts("t", "c").0 > 0 {
            give_up(&mut world);
        }
        world.advance(hour);
    }
    let between =
        |died| Request::Redrive { topic: "t".into(), channel: "c".into(), count: 1000, died: Some(died) };
    let Answer::Count(400) = world.ask(between(begins[1]..begins[2])) else {
        panic!("those of the second hour")
    };
    assert_eq!(drain(&mut world, "t", "c"), bodies(300, 400));
    let Answer::Count(0) = world.ask(between(begins[1]..begins[2])) else { panic!("none is left of it") };
    let Answer::Count(305) = world.ask(between(i64::MIN..i64::MAX)) else { panic!("the others") };
    let mut others = drain(&mut world, "t", "c");
    others.sort_by_key(|body| body.parse::<usize>().expect("a number"));
    assert_eq!(others, [bodies(0, 300), bodies(700, 5)].concat());
}
