//! Moves of local topics to the engine: under traffic, and cut short at every point.

use std::collections::BTreeMap;
use std::time::Duration;

use config::checked::Storage;
use engine::memory::Faults;
use net::ConnId;
use nuthatch_queue::request::{Answer, Request};
use nuthatch_queue::settings::{ChannelSettings, TopicSettings};

use super::{Fleet, is};

/// Local topic of these tests, with the channels `a` and `b`.
const TOPIC: &str = "m";

impl Fleet {
    fn with_local(faults: Faults) -> Fleet {
        let mut fleet = Fleet::new(2, 1, faults);
        fleet.ask_done(0, Request::CreateTopic(TOPIC.into(), None));
        for channel in ["a", "b"] {
            fleet.ask_done(0, Request::CreateChannel(TOPIC.into(), channel.into()));
        }
        fleet
    }

    pub(super) fn ask_done(&mut self, node: usize, request: Request) {
        let answer = self.ask(node, request);
        assert!(matches!(answer, Answer::Done), "{answer:?}");
    }

    fn move_topic(&mut self) {
        self.ask_done(0, Request::MoveTopic(TOPIC.into(), Storage::Engine));
    }

    pub(super) fn names(&mut self, node: usize) -> Vec<String> {
        let request = Request::Stats { topic: None, channel: None, clients: false };
        let Answer::Stats(stats) = self.ask(node, request) else { panic!("no statistics") };
        let mut names: Vec<String> =
            stats.topics.expect("topics").into_iter().map(|topic| topic.name).collect();
        names.sort();
        names
    }

    /// Publishes messages to the topic, each of which is answered with OK.
    fn fill(&mut self, node: usize, from: u32, to: u32) {
        for number in from..to {
            let conn = self.publish(node, TOPIC, number.to_string().as_bytes());
            self.soon();
            let frames = self.node(node).frames(conn);
            assert!(is(&frames, super::OK), "{frames:?}");
        }
    }

    /// Finishes what comes for some seconds; how often each body came.
    pub(super) fn drain(&mut self, node: usize, conn: ConnId, seconds: u64) -> BTreeMap<u32, usize> {
        let mut got = BTreeMap::new();
        for _ in 0..seconds * 5 {
            self.run(Duration::from_millis(200));
            for (_, id, body) in self.node(node).messages(conn) {
                *got.entry(String::from_utf8(body).unwrap().parse().unwrap()).or_default() += 1;
                self.node(node).send(conn, format!("FIN {id}\n").as_bytes());
            }
        }
        got
    }
}

pub(super) fn once(numbers: std::ops::Range<u32>) -> BTreeMap<u32, usize> {
    numbers.map(|number| (number, 1)).collect()
}

#[test]
fn clients_stay_connected_while_their_topic_moves() {
    let mut fleet = Fleet::with_local(Faults::default());
    let settings = TopicSettings { ttl_seconds: 3600, ..TopicSettings::default() };
    fleet.ask_done(0, Request::ConfigureTopic(TOPIC.into(), settings));
    let attempts = ChannelSettings { max_attempts: 9, ..ChannelSettings::default() };
    fleet.ask_done(0, Request::ConfigureChannel(TOPIC.into(), "a".into(), attempts));
    let reader = fleet.node(0).consumer(TOPIC, "a", 2);
    fleet.fill(0, 0, 5);
    let held = fleet.node(0).messages(reader);
    assert_eq!(held.len(), 2, "RDY 2");
    let publisher = fleet.publish(0, TOPIC, b"5");
    fleet.soon();
    fleet.move_topic();
    fleet.node(0).publish(publisher, TOPIC, b"6");
    fleet.soon();
    let frames = fleet.node(0).frames(publisher);
    assert!(is(&frames, &[(0, b"OK"), (0, b"OK")]), "{frames:?}");
    // Held since before the move: one is finished, one is returned.
    fleet.node(0).send(reader, format!("FIN {}\nREQ {} 0\n", held[0].1, held[1].1).as_bytes());
    assert_eq!(fleet.drain(0, reader, 5), once(1..7));
    assert_eq!(fleet.names(0), ["m"], "nothing is left here");
    assert_eq!(fleet.names(1), ["m"]);
    fleet.node(0).disconnect(reader);
    let other = fleet.node(1).consumer(TOPIC, "b", 10);
    assert_eq!(fleet.drain(1, other, 5), once(0..7));
    assert_eq!(fleet.memory.unfinished(), 0);
    let answer = fleet.ask(1, Request::TopicSettings(TOPIC.into()));
    assert!(matches!(answer, Answer::TopicSettings(found) if found == settings), "{answer:?}");
    let answer = fleet.ask(1, Request::ChannelSettings(TOPIC.into(), "a".into()));
    assert!(matches!(&answer, Answer::ChannelSettings(found) if found.max_attempts == 9), "{answer:?}");
    // A restart finds nothing of it.
    fleet.crash(0);
    fleet.soon();
    assert_eq!(fleet.names(0), ["m"]);
    fleet.move_topic();
}

#[test]
fn a_delay_ends_here_and_what_waits_for_a_first_channel_is_moved() {
    let mut fleet = Fleet::new(2, 1, Faults::default());
    let world = fleet.node(0);
    let conn = world.client();
    world.send(conn, b"DPUB m 2000\n\0\0\0\x011");
    fleet.fill(0, 0, 1);
    fleet.move_topic();
    let reader = fleet.consumer(1, TOPIC, "c", 10);
    assert_eq!(fleet.drain(1, reader, 1), once(0..1));
    assert_eq!(fleet.drain(1, reader, 5), once(1..2));
    assert_eq!(fleet.names(0), ["m"]);
}

#[test]
fn what_cannot_be_moved_is_refused() {
    let mut fleet = Fleet::with_local(Faults::default());
    fleet.ask_done(0, Request::MoveTopic(TOPIC.into(), Storage::Local));
    fleet.ask_done(0, Request::CreateTopic("e".into(), None));
    let long = "l".repeat(58);
    fleet.ask_done(0, Request::CreateTopic(long.clone(), None));
    for (topic, to, why) in [
        ("no", Storage::Engine, "topic not found"),
        ("no", Storage::Local, "topic not found"),
        (&*long, Storage::Engine, "moving a topic with a name longer than 57 characters is not available"),
    ] {
        let answer = fleet.ask(0, Request::MoveTopic(topic.into(), to));
        assert!(
            matches!(&answer, Answer::Refused(found) if found.to_string().starts_with(why)),
            "{answer:?}"
        );
    }
}

/// The node dies at every point of a move, twice, and the move is asked for again if need be.
#[test]
fn a_move_that_is_cut_short_goes_on() {
    let faults = Faults { late_ms: 30, ..Faults::default() };
    for cut in 0..40 {
        let mut fleet = Fleet::with_local(Faults::default());
        fleet.fill(0, 0, 20);
        fleet.memory.fail(faults);
        let request = Request::MoveTopic(TOPIC.into(), Storage::Engine);
        drop(fleet.node(0).ask_later(request.clone()));
        fleet.run(Duration::from_millis(cut * 5));
        fleet.crash(0);
        fleet.run(Duration::from_millis(cut * 3));
        drop(fleet.node(0).ask_later(request));
        fleet.run(Duration::from_millis(cut));
        fleet.crash(0);
        fleet.run(Duration::from_secs(1));
        fleet.memory.heal();
        fleet.move_topic();
        fleet.fill(0, 20, 22);
        fleet.fill(1, 22, 24);
        for channel in ["a", "b"] {
            let reader = fleet.node(1).consumer(TOPIC, channel, 100);
            assert_eq!(fleet.drain(1, reader, 4), once(0..24), "channel {channel}, cut at {cut}");
        }
        assert_eq!(fleet.names(0), ["m"], "cut at {cut}");
        assert_eq!(fleet.memory.unfinished(), 0, "cut at {cut}");
    }
}

/// A block that was read for a forwarder is left to it: the delivery to clients once took it, and it was
/// read again for ever.
#[test]
fn a_message_in_a_file_is_forwarded_or_moved_once_it_is_read() {
    for is_forwarded in [true, false] {
        let mut fleet = match is_forwarded {
            true => Fleet::accepting(2, Faults::default(), 0),
            false => Fleet::new(2, 1, Faults::default()),
        };
        let (topic, waiting) = if is_forwarded { ("e", "e.forward") } else { (TOPIC, "m.moving") };
        fleet.ask_done(0, Request::CreateTopic(topic.into(), None));
        fleet.ask_done(0, Request::CreateChannel(topic.into(), "c".into()));
        let world = fleet.node(0);
        let conn = world.client();
        world.send(conn, format!("DPUB {topic} 3000\n\0\0\0\x017").as_bytes());
        assert!(is(&world.frames(conn), super::OK));
        // After a start nothing of it is in memory.
        fleet.crash(0);
        fleet.soon();
        if !is_forwarded {
            fleet.move_topic();
        }
        assert!(fleet.names(0).iter().any(|name| name == waiting), "{waiting} waits here");
        fleet.node(0).disk_works = false;
        fleet.run(Duration::from_secs(4));
        // One read, and whatever else the disk has to do meanwhile.
        for _ in 0..20 {
            fleet.node(0).work_disk();
            fleet.soon();
        }
        let reader = fleet.node(1).consumer(topic, "c", 10);
        assert_eq!(fleet.drain(1, reader, 1), once(7..8), "{waiting} is forwarded");
    }
}
