//! Bit flips in a topic's journal, while the daemon is down or up: exactly the damaged messages are lost, and
//! only to channels that had not finished them; losses are counted; every count agrees with the deliveries;
//! later messages arrive.

#[path = "shard/harness.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod harness;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use harness::World;
use journal::files::{Crash, Fault, Operation};
use nuthatch_queue::request::{Answer, Request};
use nuthatch_queue::settings::{AtLimit, ChannelSettings, TopicSettings};
use nuthatch_queue::topic::SeekTo;
use nuthatch_queue::{QueueOptions, Settings};

/// Options under which no message times out and no consumer is disconnected.
fn options() -> QueueOptions {
    let hour = Duration::from_hours(1);
    QueueOptions {
        heartbeat_interval: hour,
        ..QueueOptions::from(Settings {
            msg_timeout: hour / 5,
            max_bytes_per_file: 1 << 20,
            ..Settings::default()
        })
    }
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The body of message `n`, by which it is found in the file.
fn body(n: usize) -> String {
    format!("<message {n:04}>")
}

fn publish(world: &mut World, numbers: impl IntoIterator<Item = usize>) {
    let producer = world.client();
    for n in numbers {
        world.publish(producer, "t", body(n).as_bytes());
    }
    world.disconnect(producer);
}

/// The segments of a topic.
fn segments(world: &World, topic: &str) -> Vec<PathBuf> {
    let dir = format!("{topic}.topic/");
    let is_segment = |path: &PathBuf| {
        path.to_string_lossy().contains(&dir) && path.extension().is_some_and(|extension| extension == "log")
    };
    world.files.paths().into_iter().filter(is_segment).collect()
}

/// Damages the record of a message of `t`; `at` is relative to its body, whose record begins 18 bytes
/// earlier.
fn hurt(world: &World, n: usize, at: isize) {
    let name = body(n);
    let mut found = 0;
    for path in segments(world, "t") {
        let content = world.files.content(&path).expect("it is there");
        let places = content.windows(name.len()).enumerate().filter(|(_, w)| *w == name.as_bytes());
        for (place, _) in places {
            world.files.flip(&path, place.checked_add_signed(at).expect("within the file"), 0x04);
            found += 1;
        }
    }
    assert_eq!(found, 1, "{name}");
}

/// Offset of a record's kind, as for [`hurt`].
const KIND: isize = -10;
/// Offsets in a record: checksum, length twice, kind, flags, time, body.
const PLACES: [isize; 7] = [-18, -14, -11, KIND, -9, -4, 1];

/// Unfinished messages of each channel of `t`.
type Owed = [(&'static str, BTreeSet<usize>)];

fn lost(world: &mut World, channel: &str) -> u64 {
    let ask = Request::Stats { topic: Some("t".into()), channel: Some(channel.into()), clients: false };
    let Answer::Stats(snapshot) = world.ask(ask) else { panic!("statistics") };
    snapshot.topics.expect("the topic is there")[0].channels[0].counters.lost
}

/// Depth of the topic itself.
fn waiting(world: &mut World) -> u64 {
    let ask = Request::Stats { topic: Some("t".into()), channel: None, clients: false };
    let Answer::Stats(snapshot) = world.ask(ask) else { panic!("statistics") };
    snapshot.topics.expect("the topic is there")[0].depth
}

/// Numbers of the messages that a fresh consumer gets, one at a time, so that each has to be requested; each
/// is finished.
fn drain(world: &mut World, channel: &str) -> BTreeSet<usize> {
    let consumer = world.consumer("t", channel, 1);
    let mut numbers = BTreeSet::new();
    loop {
        let messages = world.messages(consumer);
        if messages.is_empty() {
            world.disconnect(consumer);
            return numbers;
        }
        for (_, id, body) in messages {
            let number = String::from_utf8_lossy(&body[9..13]).parse().expect("a message of this test");
            assert!(numbers.insert(number), "{number} comes twice");
            world.send(consumer, format!("FIN {id}\n").as_bytes());
        }
    }
}

fn take_checkpoint(world: &mut World) {
    world.advance(secs(61));
    let taken = world.files.paths().iter().any(|path| path.ends_with("t.topic/checkpoint"));
    assert!(taken, "a checkpoint is taken when nothing happens");
}

/// Ten messages in two channels. In `a` 0 to 3 are finished, 4 and 5 requeued, 6 and 7 in flight when the
/// process ends, 8 and 9 not taken, 10 is deferred; `b` has taken nothing.
fn used(checkpoint: Option<Checkpoint>) -> World {
    let mut world = World::new(options());
    let a = world.consumer("t", "a", 0);
    world.consumer("t", "b", 0);
    publish(&mut world, 0..10);
    let producer = world.client();
    world.send(producer, &[b"DPUB t 600000\n\0\0\0\x0e", body(10).as_bytes()].concat());
    if checkpoint == Some(Checkpoint::Before) {
        take_checkpoint(&mut world);
    }
    world.send(a, b"RDY 8\n");
    let messages = world.messages(a);
    assert_eq!(messages.len(), 8);
    world.send(a, b"RDY 0\n");
    for (_, id, _) in &messages[..4] {
        world.send(a, format!("FIN {id}\n").as_bytes());
    }
    for (_, id, _) in &messages[4..6] {
        world.send(a, format!("REQ {id} 0\n").as_bytes());
    }
    world.advance(Duration::from_millis(100));
    if checkpoint == Some(Checkpoint::After) {
        take_checkpoint(&mut world);
    }
    world
}

/// Time of the checkpoint, relative to the deliveries.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Checkpoint {
    Before,
    After,
}

const CHECKPOINTS: [Option<Checkpoint>; 3] = [None, Some(Checkpoint::Before), Some(Checkpoint::After)];

/// Restarts, then checks that each channel has and delivers exactly what it is owed, and later messages.
fn check(name: &str, world: World, owed: &Owed, damaged: &BTreeSet<usize>, restarts: usize, told: bool) {
    let mut world = (0..restarts).fold(world, |world, _| world.crash(Crash::Process));
    for (channel, owed) in owed {
        let left: BTreeSet<usize> = owed.difference(damaged).copied().collect();
        let deferred = u64::from(left.contains(&10));
        let (depth, in_flight, later) = world.counts("t", channel);
        assert_eq!((depth + later, in_flight, later), (left.len() as u64, 0, deferred), "{name}: {channel}");
        let (gone, counted) = (owed.intersection(damaged).count() as u64, lost(&mut world, channel));
        assert!(counted == gone || !told && counted < gone, "{name}: lost to {channel}: {counted}");
        let now = left.into_iter().filter(|&n| n < 10).collect();
        assert_eq!(drain(&mut world, channel), now, "{name}: delivered to {channel}");
        assert_eq!(world.counts("t", channel), (0, 0, deferred), "{name}: {channel} when drained");
    }
    publish(&mut world, 20..23);
    for (channel, _) in owed {
        assert_eq!(drain(&mut world, channel), BTreeSet::from([20, 21, 22]), "{name}: later to {channel}");
    }
    world.advance(secs(61));
    let mut world = world.crash(Crash::Process);
    publish(&mut world, 23..26);
    for (channel, _) in owed {
        assert_eq!(drain(&mut world, channel), BTreeSet::from([23, 24, 25]), "{name}: last to {channel}");
    }
    world.advance(secs(601));
    for (channel, owed) in owed {
        let deferred = owed.difference(damaged).copied().filter(|&n| n == 10).collect();
        assert_eq!(drain(&mut world, channel), deferred, "{name}: deferred to {channel}");
        assert_eq!(world.counts("t", channel), (0, 0, 0), "{name}: {channel} in the end");
    }
}

fn owed() -> [(&'static str, BTreeSet<usize>); 2] {
    [("a", (4..=10).collect()), ("b", (0..=10).collect())]
}

#[test]
fn exactly_the_damaged_are_lost_and_only_where_they_were_not_finished() {
    let cases: [&[usize]; 9] =
        [&[], &[0], &[0, 1, 2], &[4], &[6], &[9], &[7, 8, 9], &[10], &[1, 2, 3, 4, 5, 8, 10]];
    for checkpoint in CHECKPOINTS {
        for case in cases {
            for restarts in [1, 2] {
                let world = used(checkpoint);
                for &n in case {
                    hurt(&world, n, 1);
                }
                let name = format!("{case:?}, checkpoint {checkpoint:?}, {restarts} restarts");
                check(&name, world, &owed(), &case.iter().copied().collect(), restarts, true);
            }
        }
    }
}

#[test]
fn wherever_a_bit_flips_in_a_record_only_that_record_is_lost() {
    for checkpoint in CHECKPOINTS {
        for place in PLACES {
            for n in [0, 4, 9] {
                let world = used(checkpoint);
                hurt(&world, n, place);
                let name = format!("{n} at {place}, checkpoint {checkpoint:?}");
                // After the checkpoint only its kind identifies a record as a message.
                let told = place != KIND || checkpoint.is_some();
                check(&name, world, &owed(), &BTreeSet::from([n]), 1, told);
            }
        }
    }
}

#[test]
fn what_was_not_counted_anew_is_settled_when_it_is_met() {
    for checkpoint in CHECKPOINTS {
        for case in [&[0][..], &[9], &[4, 8, 9], &[0, 1, 2, 5, 7]] {
            let mut world = used(checkpoint);
            for &n in case {
                hurt(&world, n, 1);
            }
            world.options.recount_bytes = 0;
            let mut world = world.crash(Crash::Process);
            let damaged: BTreeSet<usize> = case.iter().copied().collect();
            for (channel, owed) in owed() {
                let name = format!("{case:?}, checkpoint {checkpoint:?}, {channel}");
                let left = owed.difference(&damaged).copied().filter(|&n| n < 10).collect();
                assert_eq!(drain(&mut world, channel), left, "{name}");
                assert_eq!(lost(&mut world, channel), owed.intersection(&damaged).count() as u64, "{name}");
                assert_eq!(world.counts("t", channel), (0, 0, 1), "{name}");
            }
            publish(&mut world, 20..23);
            assert_eq!(drain(&mut world, "a"), BTreeSet::from([20, 21, 22]));
            assert_eq!(drain(&mut world, "b"), BTreeSet::from([20, 21, 22]));
        }
    }
}

#[test]
fn damage_under_a_running_daemon_is_counted_when_it_is_met() {
    for places in [&[1][..], &[-14], &[KIND]] {
        // Written messages are not in memory after a start.
        let mut world = used(Some(Checkpoint::After)).crash(Crash::Process);
        for n in [5, 7, 8] {
            for &place in places {
                hurt(&world, n, place);
            }
        }
        let consumer = world.consumer("t", "b", 6);
        assert_eq!(world.messages(consumer).len(), 6);
        let (depth, ..) = world.counts("t", "b");
        // 5 was met. 6 follows it, 9 is to come, and the loss of 7 and 8 is not known yet.
        assert!((1..=4).contains(&depth), "{depth}");
        world.disconnect(consumer);
        assert_eq!(drain(&mut world, "b"), BTreeSet::from([0, 1, 2, 3, 4, 6, 9]));
        assert_eq!((lost(&mut world, "b"), world.counts("t", "b")), (3, (0, 0, 1)), "{places:?}");
        publish(&mut world, 20..23);
        assert_eq!(drain(&mut world, "b"), BTreeSet::from([20, 21, 22]));
        assert_eq!(drain(&mut world, "a"), BTreeSet::from([4, 6, 9, 20, 21, 22]));
        assert_eq!((lost(&mut world, "a"), world.counts("t", "a")), (3, (0, 0, 1)), "{places:?}");
    }
}

#[test]
fn what_a_device_does_not_read_at_the_start_is_there_once_it_does() {
    let mut opened = 0;
    for checkpoint in CHECKPOINTS {
        // All reads from the nth on fail until the queue is open.
        for skip in 0..12 {
            let mut world = used(checkpoint);
            publish(&mut world, 15..18);
            let (files, options, wall) = (world.files.clone(), world.options.clone(), world.io.clock.wall.0);
            drop(world);
            files.crash(Crash::Process);
            files.fail(Fault { skip, times: 1000, ..Fault::eio(Operation::Read) });
            let Ok(mut world) = World::try_open(files, options, wall) else { continue };
            if world.present().len() < 3 {
                // The unread part contained the creation of the channels.
                assert_eq!(checkpoint, None);
                continue;
            }
            opened += 1;
            world.files.clear_faults();
            let name = format!("checkpoint {checkpoint:?}, after {skip} reads");
            publish(&mut world, 20..23);
            for (channel, owed) in owed() {
                let mut owed: BTreeSet<usize> = owed.into_iter().filter(|&n| n < 10).collect();
                owed.extend((15..18).chain(20..23));
                // The unread part may have contained FINs.
                let got = drain(&mut world, channel);
                assert!(got.is_superset(&owed), "{name}: {channel} got {got:?}");
                assert_eq!((world.counts("t", channel).0, lost(&mut world, channel)), (0, 0), "{name}");
            }
        }
    }
    assert!(opened > 20, "{opened}");
}

#[test]
fn damage_in_what_waits_in_the_topic_is_counted_as_well() {
    for (paused, checkpoint) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut world = World::new(options());
        let producer = world.client();
        world.publish(producer, "t", body(90).as_bytes());
        if paused {
            world.consumer("t", "a", 0);
            assert!(matches!(world.ask(Request::PauseTopic("t".into(), true)), Answer::Done));
        }
        publish(&mut world, 0..6);
        world.send(producer, &[b"DPUB t 600000\n\0\0\0\x0e", body(10).as_bytes()].concat());
        if checkpoint {
            take_checkpoint(&mut world);
        }
        publish(&mut world, 6..9);
        for n in [1, 2, 7, 10] {
            hurt(&world, n, 1);
        }
        let mut world = world.crash(Crash::Process);
        let name = format!("paused {paused}, checkpoint {checkpoint}");
        assert_eq!(waiting(&mut world), if paused { 6 } else { 7 }, "{name}");
        if paused {
            assert_eq!(world.counts("t", "a"), (1, 0, 0), "{name}");
            assert!(matches!(world.ask(Request::PauseTopic("t".into(), false)), Answer::Done));
        }
        world.consumer("t", "a", 0);
        assert_eq!((waiting(&mut world), world.counts("t", "a")), (0, (7, 0, 0)), "{name}");
        assert_eq!(drain(&mut world, "a"), BTreeSet::from([0, 3, 4, 5, 6, 8, 90]), "{name}");
        publish(&mut world, 20..23);
        assert_eq!(drain(&mut world, "a"), BTreeSet::from([20, 21, 22]), "{name}");
        assert_eq!(world.counts("t", "a"), (0, 0, 0), "{name}");
    }
}

#[test]
fn a_limit_that_drops_the_oldest_drops_no_more_than_they_were() {
    let settings =
        TopicSettings { bytes_max: 8 << 10, at_limit: AtLimit::DropOldest, ..TopicSettings::default() };
    for with_channel in [false, true] {
        for hurt_from in [None, Some(0), Some(25)] {
            let mut world = World::new(options());
            publish(&mut world, [9999]);
            assert!(matches!(world.ask(Request::ConfigureTopic("t".into(), settings)), Answer::Done));
            if with_channel {
                world.consumer("t", "a", 0);
            }
            // In batches, so that the running daemon's marks are where replay has none.
            for batch in 0..40 {
                let bodies = (batch * 10..batch * 10 + 10).map(|n| body(n).into_bytes());
                let messages: Vec<u8> = bodies.flat_map(|body| [b"\0\0\0\x0e", &body[..]].concat()).collect();
                let (count, size) = (10u32.to_be_bytes(), (4 + messages.len() as u32).to_be_bytes());
                let producer = world.client();
                world.send(producer, &[b"MPUB t\n", &size[..], &count, &messages].concat());
                world.disconnect(producer);
            }
            let first = {
                let depth = if with_channel { world.counts("t", "a").0 } else { waiting(&mut world) };
                400 - depth as usize
            };
            assert!(first > 100, "the oldest were dropped");
            let damaged: BTreeSet<usize> =
                hurt_from.map_or(0..0, |from| first - 10 + from..first + 5 + from).collect();
            for &n in &damaged {
                hurt(&world, n, 1);
            }
            let left: BTreeSet<usize> = (first..400).filter(|n| !damaged.contains(n)).collect();
            let mut world = world.crash(Crash::Process);
            let depth = if with_channel { world.counts("t", "a").0 } else { waiting(&mut world) };
            assert_eq!(depth, left.len() as u64, "channel {with_channel}, damage from {hurt_from:?}");
            // Deliveries do not depend on the count.
            world.options.recount_bytes = 0;
            let mut world = world.crash(Crash::Process);
            assert_eq!(drain(&mut world, "a"), left, "channel {with_channel}, damage from {hurt_from:?}");
            assert_eq!(world.counts("t", "a"), (0, 0, 0));
        }
    }
}

#[test]
fn a_channel_that_goes_back_gets_what_had_a_due_time_and_all_the_others() {
    let mut world = World::new(options());
    let settings = TopicSettings { retention_seconds: 3600, ..TopicSettings::default() };
    world.consumer("t", "a", 0);
    assert!(matches!(world.ask(Request::ConfigureTopic("t".into(), settings)), Answer::Done));
    let producer = world.client();
    for n in 0..3 {
        world.send(producer, &[b"DPUB t 1000\n\0\0\0\x0e", body(n).as_bytes()].concat());
    }
    publish(&mut world, 3..6);
    for n in 6..8 {
        world.send(producer, &[b"DPUB t 1000\n\0\0\0\x0e", body(n).as_bytes()].concat());
    }
    world.advance(secs(2));
    let all = (0..8).collect::<BTreeSet<_>>();
    assert_eq!(drain(&mut world, "a"), all);
    for hurt_one in [false, true] {
        let mut expected = all.clone();
        if hurt_one {
            hurt(&world, 4, 1);
            world = world.crash(Crash::Process);
            expected.remove(&4);
        }
        assert!(matches!(
            world.ask(Request::Seek("t".into(), "a".into(), SeekTo::Beginning)),
            Answer::Sought(_)
        ));
        let later = 20 + 10 * usize::from(hurt_one);
        publish(&mut world, later..later + 3);
        expected.extend((20..23).chain(later..later + 3));
        assert_eq!(drain(&mut world, "a"), expected);
        assert_eq!(world.counts("t", "a"), (0, 0, 0));
    }
}

#[test]
fn what_was_finished_after_a_channel_went_back_is_not_lost() {
    let mut world = World::new(options());
    world.consumer("t", "a", 0);
    publish(&mut world, 0..3);
    assert!(matches!(world.ask(Request::Seek("t".into(), "a".into(), SeekTo::Beginning)), Answer::Sought(_)));
    let consumer = world.consumer("t", "a", 1);
    let (_, id, _) = world.messages(consumer).remove(0);
    world.send(consumer, format!("RDY 0\nFIN {id}\n").as_bytes());
    world.advance(secs(1));
    for n in [0, 1] {
        hurt(&world, n, 1);
    }
    let mut world = world.crash(Crash::Process);
    assert_eq!((world.counts("t", "a"), lost(&mut world, "a")), ((1, 0, 0), 1));
    assert_eq!(drain(&mut world, "a"), BTreeSet::from([2]));
}

#[test]
fn a_damaged_message_that_was_tried_too_often_is_lost_and_not_dead() {
    let mut world = World::new(options());
    world.consumer("t", "a", 0);
    let settings = ChannelSettings { max_attempts: 1, ..ChannelSettings::default() };
    assert!(matches!(world.ask(Request::ConfigureChannel("t".into(), "a".into(), settings)), Answer::Done));
    publish(&mut world, 0..2);
    let producer = world.client();
    // So large that reading it back evicts earlier blocks from memory.
    let long = 900_000;
    world.send(producer, &[&b"PUB t\n"[..], &u32::to_be_bytes(long), &vec![b'x'; long as usize]].concat());
    let mut world = world.crash(Crash::Process);
    let consumer = world.consumer("t", "a", 3);
    hurt(&world, 1, 1);
    for (_, id, _) in world.messages(consumer) {
        world.send(consumer, format!("REQ {id} 0\n").as_bytes());
    }
    let ask = Request::Stats { topic: Some("t".into()), channel: Some("a".into()), clients: false };
    let Answer::Stats(snapshot) = world.ask(ask) else { panic!("statistics") };
    let counters = snapshot.topics.expect("it is there")[0].channels[0].counters;
    assert_eq!((counters.dead, counters.lost), (2, 1));
}

/// A queue that is used, stopped, started and damaged at random, and the messages owed to its channels.
struct Random {
    world: World,
    seed: u64,
    next: usize,
    /// Unfinished messages of each channel.
    owed: [(&'static str, BTreeSet<usize>); 2],
    published: BTreeSet<usize>,
    damaged: BTreeSet<usize>,
}

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed % n
    }

    fn step(&mut self) {
        match self.below(12) {
            0..4 => {
                let to = self.next + 1 + self.below(5) as usize;
                publish(&mut self.world, self.next..to);
                self.published.extend(self.next..to);
                self.owed.iter_mut().for_each(|(_, owed)| owed.extend(self.next..to));
                self.next = to;
            }
            4..8 => self.consume(),
            8 => self.world.advance(secs(61)),
            9 => {
                let (channel, owed) = &mut self.owed[0];
                let ask = Request::Seek("t".into(), (*channel).into(), SeekTo::Beginning);
                assert!(matches!(self.world.ask(ask), Answer::Sought(_)));
                owed.clone_from(&self.published);
            }
            10 => self.hurt(),
            _ => {
                if self.below(2) == 0 {
                    self.hurt();
                }
                self.restart();
            }
        }
    }

    fn hurt(&mut self) {
        for _ in 0..=self.below(4) {
            let n = self.below(self.next as u64 + 1) as usize;
            if self.published.contains(&n) && self.damaged.insert(n) {
                let place = PLACES[self.below(PLACES.len() as u64) as usize];
                // The message's name stays intact, so that the others can still be told apart.
                hurt(&self.world, n, place.min(-4));
            }
        }
    }

    /// Takes some messages, finishes some of them and requeues the others.
    fn consume(&mut self) {
        let which = self.below(2) as usize;
        let ready = 1 + self.below(6) as u32;
        let consumer = self.world.consumer("t", self.owed[which].0, ready);
        for (_, id, body) in self.world.messages(consumer) {
            let number = String::from_utf8_lossy(&body[9..13]).parse().expect("a message of this test");
            self.world.send(consumer, b"RDY 0\n");
            if self.below(3) > 0 {
                // A damaged one may still have been in memory.
                let owed = self.owed[which].1.remove(&number);
                assert!(owed, "{number} was finished");
                self.world.send(consumer, format!("FIN {id}\n").as_bytes());
            } else {
                self.world.send(consumer, format!("REQ {id} 0\n").as_bytes());
            }
        }
        self.world.disconnect(consumer);
    }

    fn restart(&mut self) {
        self.world.advance(Duration::from_millis(100));
        let recount = self.below(2) == 0;
        let mut world = std::mem::replace(&mut self.world, World::new(options()));
        world.options.recount_bytes = if recount { u64::MAX } else { 0 };
        self.world = world.crash(Crash::Process);
        for (channel, owed) in &self.owed {
            if recount {
                let left = owed.difference(&self.damaged).count() as u64;
                assert_eq!(self.world.counts("t", channel), (left, 0, 0), "{channel} after a restart");
            }
        }
    }

    fn end(mut self) {
        self.restart();
        for (channel, owed) in &self.owed {
            let left: BTreeSet<usize> = owed.difference(&self.damaged).copied().collect();
            assert_eq!(drain(&mut self.world, channel), left, "{channel} in the end");
            assert_eq!(self.world.counts("t", channel), (0, 0, 0), "{channel} in the end");
        }
    }
}

/// The seed alone replays a run: `DAMAGE_SEED=… cargo test -p nuthatch-queue --test damage random`.
#[test]
fn random_damage_costs_what_it_hits() {
    let seeds = match std::env::var("DAMAGE_SEED") {
        Ok(seed) => vec![seed.parse().expect("a number")],
        Err(_) => (1..=40).collect::<Vec<u64>>(),
    };
    for seed in seeds {
        println!("DAMAGE_SEED={seed}");
        let mut options = options();
        options.settings.max_bytes_per_file = 2 << 10;
        let mut world = World::new(options);
        let settings = TopicSettings { retention_seconds: 1_000_000, ..TopicSettings::default() };
        world.consumer("t", "a", 0);
        world.consumer("t", "b", 0);
        assert!(matches!(world.ask(Request::ConfigureTopic("t".into(), settings)), Answer::Done));
        let owed = [("a", BTreeSet::new()), ("b", BTreeSet::new())];
        let (published, damaged) = (BTreeSet::new(), BTreeSet::new());
        let mut random = Random {
            world,
            seed: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            next: 0,
            owed,
            published,
            damaged,
        };
        for _ in 0..60 {
            random.step();
        }
        random.end();
    }
}
