//! Moves of topics from the engine to the nodes: under traffic, cut short at every point, and what comes
//! late.

use std::collections::BTreeMap;
use std::time::Duration;

use config::checked::Storage;
use engine::memory::Faults;
use nuthatch_queue::request::{Answer, Request};
use nuthatch_queue::settings::{ChannelSettings, TopicSettings};

use super::moving::once;
use super::{Fleet, is};

/// Topic of these tests, which the rules put on the engine, with the channels `a` and `b`.
const TOPIC: &str = "e";

impl Fleet {
    fn with_topic(nodes: usize, faults: Faults) -> Fleet {
        let mut fleet = Fleet::new(nodes, 1, faults);
        fleet.ask_done(0, Request::CreateTopic(TOPIC.into(), None));
        for channel in ["a", "b"] {
            fleet.ask_done(0, Request::CreateChannel(TOPIC.into(), channel.into()));
        }
        fleet
    }

    fn leave(&mut self, node: usize) {
        self.ask_done(node, Request::MoveTopic(TOPIC.into(), Storage::Local));
    }

    /// Publishes messages, each of which is answered with OK.
    fn accept(&mut self, node: usize, numbers: std::ops::Range<u32>) {
        for number in numbers {
            let conn = self.publish(node, TOPIC, number.to_string().as_bytes());
            self.soon();
            let frames = self.node(node).frames(conn);
            assert!(is(&frames, super::OK), "{frames:?}");
        }
    }

    fn is_on_engine(&mut self, node: usize, topic: &str) -> bool {
        let request = Request::Stats { topic: Some(topic.into()), channel: None, clients: false };
        let Answer::Stats(stats) = self.ask(node, request) else { panic!("no statistics") };
        stats.topics.expect("topics").iter().any(|its| its.name == topic && its.replicas.is_some())
    }
}

/// Counts of what came at several nodes.
fn together(parts: impl IntoIterator<Item = BTreeMap<u32, usize>>) -> BTreeMap<u32, usize> {
    parts.into_iter().flatten().fold(BTreeMap::new(), |mut all, (body, count)| {
        *all.entry(body).or_default() += count;
        all
    })
}

#[test]
fn clients_of_all_nodes_stay_connected_while_their_topic_leaves() {
    let mut fleet = Fleet::with_topic(2, Faults::default());
    let settings = TopicSettings { ttl_seconds: 3600, ..TopicSettings::default() };
    fleet.ask_done(0, Request::ConfigureTopic(TOPIC.into(), settings));
    let attempts = ChannelSettings { max_attempts: 9, ..ChannelSettings::default() };
    fleet.ask_done(0, Request::ConfigureChannel(TOPIC.into(), "a".into(), attempts));
    fleet.ask_done(0, Request::PauseChannel(TOPIC.into(), "b".into(), true));
    let readers = [0, 1].map(|node| fleet.node(node).consumer(TOPIC, "a", 2));
    fleet.accept(0, 0..6);
    let held: Vec<_> = (0..2).map(|node| fleet.node(node).messages(readers[node])).collect();
    assert_eq!(held.iter().map(Vec::len).sum::<usize>(), 4, "RDY 2 at each node");
    let publishers: Vec<_> = (0..2).map(|node| fleet.publish(node, TOPIC, &[b'6' + node as u8])).collect();
    fleet.soon();
    fleet.leave(0);
    for (node, publisher) in publishers.iter().enumerate() {
        fleet.node(node).publish(*publisher, TOPIC, &[b'8' + node as u8]);
        fleet.soon();
        let frames = fleet.node(node).frames(*publisher);
        assert!(is(&frames, &[(0, b"OK"), (0, b"OK")]), "{frames:?}");
        assert!(!fleet.is_on_engine(node, TOPIC), "a rule does not bring it back");
    }
    // Held since before the move: at each node one is finished, one is returned.
    for node in 0..2 {
        let [finished, returned] = [0, 1].map(|index| held[node][index].1.clone());
        fleet.node(node).send(readers[node], format!("FIN {finished}\nREQ {returned} 0\n").as_bytes());
    }
    let finished: Vec<u32> =
        held.iter().map(|held| String::from_utf8_lossy(&held[0].2).parse().unwrap()).collect();
    let got = together((0..2).map(|node| fleet.drain(node, readers[node], 10)));
    let mut expected = once(0..10);
    expected.retain(|number, _| !finished.contains(number));
    assert_eq!(got, expected);
    for node in 0..2 {
        let paused = fleet.node(node).consumer(TOPIC, "b", 10);
        assert!(fleet.drain(node, paused, 1).is_empty(), "it is paused");
        fleet.node(node).disconnect(paused);
        fleet.ask_done(node, Request::PauseChannel(TOPIC.into(), "b".into(), false));
    }
    let others = [0, 1].map(|node| fleet.node(node).consumer(TOPIC, "b", 10));
    assert_eq!(together((0..2).map(|node| fleet.drain(node, others[node], 5))), once(0..10));
    assert_eq!(fleet.names(0), [TOPIC], "nothing is left at the engine");
    assert_eq!(fleet.names(1), [TOPIC]);
    for node in 0..2 {
        let Answer::TopicSettings(found) = fleet.ask(node, Request::TopicSettings(TOPIC.into())) else {
            panic!("no settings")
        };
        assert_eq!(found.ttl_seconds, 3600);
        let answer = fleet.ask(node, Request::ChannelSettings(TOPIC.into(), "a".into()));
        assert!(matches!(&answer, Answer::ChannelSettings(found) if found.max_attempts == 9), "{answer:?}");
    }
}

#[test]
fn delays_end_and_a_topic_without_channels_leaves_with_its_backlog() {
    let mut fleet = Fleet::new(2, 1, Faults::default());
    fleet.ask_done(0, Request::CreateTopic(TOPIC.into(), None));
    let world = fleet.node(1);
    let conn = world.client();
    world.send(conn, b"DPUB e 9000\n\0\0\0\x015");
    fleet.accept(1, 0..5);
    fleet.leave(0);
    let reader = fleet.node(0).consumer(TOPIC, "c", 10);
    assert_eq!(fleet.drain(0, reader, 7), once(0..5), "the delay is kept");
    assert_eq!(fleet.drain(0, reader, 15), once(5..6));
    assert_eq!(fleet.names(0), [TOPIC]);
}

#[test]
fn an_ephemeral_channel_gets_the_rest_of_its_messages() {
    let mut fleet = Fleet::with_topic(2, Faults::default());
    let reader = fleet.consumer(1, TOPIC, "c#ephemeral", 1);
    fleet.accept(0, 0..4);
    let held = fleet.node(1).messages(reader);
    assert_eq!(held.len(), 1, "RDY 1");
    fleet.leave(0);
    fleet.node(1).send(reader, format!("FIN {}\n", held[0].1).as_bytes());
    assert_eq!(fleet.drain(1, reader, 15), once(1..4));
}

/// The home dies at every point of the move, twice, and other nodes with it.
#[test]
fn leaving_that_is_cut_short_goes_on() {
    let faults = Faults { late_ms: 30, ..Faults::default() };
    for cut in 0..40 {
        let mut fleet = Fleet::with_topic(2, Faults::default());
        fleet.accept(0, 0..20);
        fleet.memory.fail(faults);
        let request = Request::MoveTopic(TOPIC.into(), Storage::Local);
        drop(fleet.node(0).ask_later(request.clone()));
        fleet.run(Duration::from_millis(cut * 5));
        fleet.crash(0);
        fleet.run(Duration::from_millis(cut * 3));
        if cut % 2 == 0 {
            fleet.crash(1);
        }
        drop(fleet.node(0).ask_later(request));
        fleet.run(Duration::from_millis(cut));
        fleet.crash(0);
        fleet.run(Duration::from_secs(1));
        fleet.memory.heal();
        fleet.step = Duration::from_millis(50);
        fleet.leave(0);
        fleet.accept(0, 20..22);
        fleet.accept(1, 22..24);
        for channel in ["a", "b"] {
            let readers = [0, 1].map(|node| fleet.node(node).consumer(TOPIC, channel, 100));
            // What a dead node had fetched comes back after half a minute.
            let got = together([fleet.drain(0, readers[0], 45), fleet.drain(1, readers[1], 2)]);
            let missing: Vec<u32> = (0..24).filter(|number| !got.contains_key(number)).collect();
            assert!(missing.is_empty(), "channel {channel} lacks {missing:?}, cut at {cut}");
        }
        assert_eq!(fleet.names(0), [TOPIC], "cut at {cut}");
        assert_eq!(fleet.memory.unfinished(), 0, "cut at {cut}");
        // A restart finds a local topic, and no more than that.
        fleet.crash(0);
        fleet.run(Duration::from_secs(5));
        assert_eq!(fleet.names(0), [TOPIC], "cut at {cut}");
    }
}

/// The home dies before the engine has heard of what it took, and its consumers finish that before it comes
/// again.
#[test]
fn what_is_finished_after_a_crash_does_not_come_again() {
    let mut fleet = Fleet::with_topic(2, Faults::default());
    fleet.accept(0, 0..20);
    fleet.memory.fail(Faults { lost_fates: 100, ..Faults::default() });
    fleet.leave(0);
    fleet.run(Duration::from_secs(1));
    fleet.crash(0);
    fleet.memory.heal();
    let readers = ["a", "b"].map(|channel| {
        let reader = fleet.node(0).consumer(TOPIC, channel, 100);
        (reader, fleet.drain(0, reader, 2))
    });
    assert!(fleet.memory.unfinished() > 0, "they come again");
    fleet.step = Duration::from_millis(50);
    for (reader, got) in readers {
        assert_eq!(got, once(0..20));
        assert!(fleet.drain(0, reader, 45).is_empty());
    }
    assert_eq!(fleet.memory.unfinished(), 0);
    assert_eq!(fleet.names(0), [TOPIC]);
}

/// A node that accepts publications itself, and forwards them when the topic has left long ago.
#[test]
fn what_is_forwarded_late_comes_to_the_home() {
    let mut fleet = Fleet::accepting(2, Faults::default(), 0);
    for channel in ["a", "b"] {
        fleet.ask_done(0, Request::CreateTopic(TOPIC.into(), None));
        fleet.ask_done(0, Request::CreateChannel(TOPIC.into(), channel.into()));
    }
    let world = fleet.node(1);
    let conn = world.client();
    world.send(conn, b"DPUB e 20000\n\0\0\0\x010");
    assert!(is(&world.frames(conn), super::OK));
    fleet.leave(0);
    fleet.run(Duration::from_secs(15));
    assert_eq!(fleet.names(0), [TOPIC], "it has left");
    fleet.crash(1);
    let readers = ["a", "b"].map(|channel| fleet.node(0).consumer(TOPIC, channel, 10));
    assert_eq!(fleet.drain(0, readers[0], 30), once(0..1));
    assert_eq!(fleet.drain(0, readers[1], 1), once(0..1));
    fleet.run(Duration::from_secs(10));
    assert_eq!(fleet.names(0), [TOPIC], "and has left again");
}

#[test]
fn a_topic_goes_there_and_back() {
    let mut fleet = Fleet::with_topic(1, Faults::default());
    fleet.accept(0, 0..3);
    fleet.leave(0);
    let busy = fleet.ask(0, Request::MoveTopic(TOPIC.into(), Storage::Engine));
    assert!(matches!(&busy, Answer::Refused(why) if why.to_string().contains("is moved")), "{busy:?}");
    fleet.run(Duration::from_secs(10));
    fleet.ask_done(0, Request::MoveTopic(TOPIC.into(), Storage::Engine));
    fleet.run(Duration::from_secs(5));
    assert!(fleet.is_on_engine(0, TOPIC));
    fleet.accept(0, 3..4);
    fleet.join();
    fleet.soon();
    for channel in ["a", "b"] {
        let reader = fleet.node(1).consumer(TOPIC, channel, 10);
        assert_eq!(fleet.drain(1, reader, 5), once(0..4));
    }
    fleet.leave(1);
    fleet.run(Duration::from_secs(10));
    assert_eq!((fleet.names(0), fleet.names(1)), (vec![TOPIC.to_owned()], vec![TOPIC.to_owned()]));
    assert!(!fleet.is_on_engine(0, TOPIC) && !fleet.is_on_engine(1, TOPIC));
}

#[test]
fn what_an_operator_drops_meanwhile_is_dropped_at_the_engine_too() {
    let mut fleet = Fleet::with_topic(2, Faults::default());
    let holders = ["a", "b"].map(|channel| fleet.node(1).consumer(TOPIC, channel, 2));
    fleet.accept(0, 0..4);
    let held = holders.map(|conn| fleet.node(1).messages(conn));
    assert_eq!(held.each_ref().map(Vec::len), [2, 2], "RDY 2");
    fleet.leave(0);
    fleet.ask_done(0, Request::DeleteChannel(TOPIC.into(), "b".into()));
    fleet.ask_done(0, Request::EmptyChannel(TOPIC.into(), "a".into()));
    for (conn, messages) in holders.into_iter().zip(held) {
        fleet.node(1).send(conn, format!("REQ {} 0\n", messages[0].1).as_bytes());
    }
    fleet.step = Duration::from_millis(50);
    fleet.run(Duration::from_secs(45));
    let reader = fleet.node(0).consumer(TOPIC, "a", 10);
    assert!(fleet.drain(0, reader, 3).is_empty());
    assert_eq!(fleet.names(0), [TOPIC]);
    assert_eq!(fleet.memory.unfinished(), 0);
}

/// Dead letters on the engine come back to a channel that is local.
#[test]
fn letters_on_the_engine_come_back_to_a_local_topic() {
    let mut fleet = Fleet::with_topic(1, Faults::default());
    let attempts = ChannelSettings { max_attempts: 1, ..ChannelSettings::default() };
    fleet.ask_done(0, Request::ConfigureChannel(TOPIC.into(), "a".into(), attempts));
    let reader = fleet.node(0).consumer(TOPIC, "a", 10);
    fleet.accept(0, 0..4);
    for (_, id, _) in fleet.node(0).messages(reader) {
        fleet.node(0).send(reader, format!("REQ {id} 0\n").as_bytes());
    }
    fleet.run(Duration::from_secs(2));
    fleet.leave(0);
    fleet.run(Duration::from_secs(10));
    assert_eq!(fleet.names(0), [TOPIC, "e.a.dead"]);
    assert!(fleet.is_on_engine(0, "e.a.dead"));
    for (count, expected) in [(3, 3), (10, 1), (10, 0)] {
        let request = Request::Redrive { topic: TOPIC.into(), channel: "a".into(), count, died: None };
        let asked = fleet.node(0).ask_later(request);
        fleet.run(Duration::from_secs(2));
        let answer = super::World::answered(&asked).expect("an answer by now");
        assert!(matches!(answer, Answer::Count(moved) if moved == expected), "{answer:?}");
    }
    assert_eq!(fleet.drain(0, reader, 2), once(0..4));
}

#[test]
fn a_channel_that_is_emptied_is_emptied_in_what_other_nodes_hold() {
    let mut fleet = Fleet::with_topic(2, Faults::default());
    let reader = fleet.node(1).consumer(TOPIC, "a", 2);
    fleet.accept(0, 0..4);
    let held = fleet.node(1).messages(reader);
    assert_eq!(held.len(), 2, "RDY 2");
    fleet.ask_done(0, Request::EmptyChannel(TOPIC.into(), "a".into()));
    fleet.node(1).send(reader, format!("REQ {} 0\n", held[0].1).as_bytes());
    fleet.accept(0, 4..5);
    assert_eq!(fleet.drain(1, reader, 40), once(4..5));
}
