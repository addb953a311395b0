//! Settings, limits, dead letters, moved channels and shown messages of topics on an engine.

use std::collections::BTreeSet;
use std::time::Duration;

use engine::memory::Faults;
use net::ConnId;
use nuthatch_queue::request::{Answer, Batch, Layout, PeekAt, Peeked, Request};
use nuthatch_queue::settings::{AtLimit, ChannelSettings, TopicSettings};
use nuthatch_queue::topic::SeekTo;

use super::Fleet;

impl Fleet {
    /// Two nodes with the topic `e` and its channel `c`.
    fn with_channel(faults: Faults) -> Fleet {
        let mut fleet = Fleet::new(2, 1, faults);
        assert!(matches!(fleet.ask(0, Request::CreateTopic("e".into(), None)), Answer::Done));
        assert!(matches!(fleet.ask(0, Request::CreateChannel("e".into(), "c".into())), Answer::Done));
        fleet
    }

    fn configure(&mut self, node: usize, settings: TopicSettings) {
        let answer = self.ask(node, Request::ConfigureTopic("e".into(), settings));
        assert!(matches!(answer, Answer::Done), "{answer:?}");
    }

    fn attempts(&mut self, node: usize, max_attempts: u16) {
        let settings = ChannelSettings { max_attempts, ..ChannelSettings::default() };
        let answer = self.ask(node, Request::ConfigureChannel("e".into(), "c".into(), settings));
        assert!(matches!(answer, Answer::Done), "{answer:?}");
    }

    fn publish_all(&mut self, node: usize, bodies: &[&str]) {
        for body in bodies {
            self.publish(node, "e", body.as_bytes());
            self.soon();
        }
    }

    fn peek(&mut self, node: usize, topic: &str, channel: Option<&str>, what: PeekAt) -> Vec<Peeked> {
        let channel = channel.map(str::to_owned);
        match self.ask(node, Request::Peek { topic: topic.into(), channel, what, count: 10 }) {
            Answer::Messages(messages) => messages,
            other => panic!("{other:?}"),
        }
    }

    /// Answers the messages of a client with this command, however often they come.
    fn answer(&mut self, node: usize, conn: ConnId, command: &str, times: usize) -> Vec<String> {
        let mut got = Vec::new();
        for _ in 0..times {
            for (_, id, body) in self.node(node).messages(conn) {
                got.push(String::from_utf8(body).unwrap());
                let line = command.replace("ID", &id);
                self.node(node).send(conn, format!("{line}\n").as_bytes());
            }
            self.soon();
        }
        got
    }

    fn dead(&mut self, node: usize) -> u64 {
        let Answer::Stats(stats) =
            self.ask(node, Request::Stats { topic: Some("e".into()), channel: None, clients: false })
        else {
            panic!("no statistics")
        };
        stats.topics.expect("topics")[0].channels[0].counters.dead
    }
}

fn bodies(messages: &[Peeked]) -> Vec<String> {
    messages.iter().map(|message| String::from_utf8(message.body.to_vec()).unwrap()).collect()
}

#[test]
fn settings_hold_at_all_nodes_and_at_one_that_joins() {
    let mut fleet = Fleet::with_channel(Faults::default());
    let settings = TopicSettings { ttl_seconds: 60, bytes_max: 1000, ..TopicSettings::default() };
    fleet.configure(0, settings);
    fleet.attempts(1, 5);
    fleet.join();
    fleet.soon();
    for node in 0..3 {
        let answer = fleet.ask(node, Request::TopicSettings("e".into()));
        assert!(matches!(answer, Answer::TopicSettings(found) if found == settings), "{answer:?}");
        let answer = fleet.ask(node, Request::ChannelSettings("e".into(), "c".into()));
        assert!(matches!(&answer, Answer::ChannelSettings(found) if found.max_attempts == 5), "{answer:?}");
    }
    // A topic that is created again has none of them.
    assert!(matches!(fleet.ask(0, Request::DeleteTopic("e".into())), Answer::Done));
    assert!(matches!(fleet.ask(1, Request::CreateTopic("e".into(), None)), Answer::Done));
    let answer = fleet.ask(0, Request::TopicSettings("e".into()));
    assert!(
        matches!(answer, Answer::TopicSettings(found) if found == TopicSettings::default()),
        "{answer:?}"
    );
}

#[test]
fn a_message_whose_attempts_are_used_up_goes_to_a_topic_on_the_engine_and_back() {
    let mut fleet = Fleet::with_channel(Faults::default());
    fleet.attempts(0, 2);
    let other = fleet.consumer(1, "e", "other", 10);
    let reader = fleet.consumer_of(1, "e", "c");
    fleet.publish_all(0, &["a", "b"]);
    fleet.answer(1, other, "FIN ID", 1);
    assert_eq!(fleet.answer(1, reader, "REQ ID 0", 5), ["a", "b", "a", "b"]);
    assert_eq!((fleet.dead(0), fleet.dead(1)), (0, 2), "counted once, where it died");
    let letters = fleet.peek(0, "e", Some("c"), PeekAt::Dead);
    assert_eq!(bodies(&letters), ["a", "b"]);
    assert!(letters[0].origin.contains("\"channel\":\"c\"") && letters[0].origin.contains("\"attempts\":2"));
    let redrive = Request::Redrive { topic: "e".into(), channel: "c".into(), count: 1, died: None };
    assert!(matches!(fleet.ask(0, redrive.clone()), Answer::Count(1)));
    assert_eq!(fleet.answer(1, reader, "FIN ID", 1), ["a"]);
    assert!(fleet.answer(1, other, "FIN ID", 1).is_empty(), "it is for its channel alone");
    assert!(matches!(fleet.ask(1, redrive.clone()), Answer::Count(1)));
    assert!(matches!(fleet.ask(1, redrive), Answer::Count(0)));
    assert_eq!(fleet.answer(1, reader, "FIN ID", 1), ["b"]);
    fleet.soon();
    assert_eq!(fleet.memory.unfinished(), 0, "also for the other channel");
}

#[test]
fn letters_go_to_a_local_topic_of_that_name_and_back() {
    let mut fleet = Fleet::with_channel(Faults::default());
    let create = Request::CreateTopicOn("letters".into(), super::Storage::Local, None);
    assert!(matches!(fleet.ask(0, create), Answer::Done));
    let settings = ChannelSettings { max_attempts: 1, dead_letter_topic: "letters".into() };
    let configure = Request::ConfigureChannel("e".into(), "c".into(), settings);
    assert!(matches!(fleet.ask(0, configure), Answer::Done));
    let reader = fleet.consumer_of(0, "e", "c");
    fleet.publish_all(0, &["a"]);
    assert_eq!(fleet.answer(0, reader, "REQ ID 0", 2), ["a"]);
    assert_eq!(bodies(&fleet.peek(0, "letters", None, PeekAt::Queued)), ["a"]);
    let redrive = Request::Redrive { topic: "e".into(), channel: "c".into(), count: 9, died: None };
    assert!(matches!(fleet.ask(0, redrive), Answer::Count(1)));
    assert_eq!(fleet.answer(0, reader, "FIN ID", 2), ["a"]);
    assert_eq!(fleet.memory.unfinished(), 0);
}

#[test]
fn a_local_topic_may_have_its_letters_on_the_engine() {
    let mut fleet = Fleet::with_channel(Faults::default());
    let settings = ChannelSettings { max_attempts: 1, dead_letter_topic: "e".into() };
    let reader = fleet.node(0).consumer("local", "c", 10);
    let configure = Request::ConfigureChannel("local".into(), "c".into(), settings);
    assert!(matches!(fleet.ask(0, configure), Answer::Done));
    fleet.publish(0, "local", b"a");
    fleet.soon();
    assert_eq!(fleet.answer(0, reader, "REQ ID 0", 2), ["a"]);
    assert_eq!(bodies(&fleet.peek(1, "e", Some("c"), PeekAt::Queued)), ["a"]);
}

/// The node dies when the engine has the letter, and before it knows that the message is finished.
#[test]
fn a_letter_survives_its_node_and_has_one_copy() {
    let faults = Faults { lost_fates: 100, ..Faults::default() };
    let mut fleet = Fleet::with_channel(faults);
    fleet.attempts(0, 1);
    let reader = fleet.consumer_of(0, "e", "c");
    fleet.publish_all(0, &["a"]);
    assert_eq!(fleet.answer(0, reader, "REQ ID 0", 2), ["a"]);
    fleet.crash(0);
    fleet.memory.heal();
    let reader = fleet.consumer_of(1, "e", "c");
    fleet.run(Duration::from_secs(31));
    // It came back, was delivered once more, and is set aside again.
    assert_eq!(fleet.answer(1, reader, "REQ ID 0", 3), ["a"]);
    assert_eq!(bodies(&fleet.peek(1, "e", Some("c"), PeekAt::Dead)), ["a"], "one copy");
}

#[test]
fn a_message_that_comes_and_comes_is_set_aside_undelivered() {
    let mut fleet = Fleet::with_channel(Faults::default());
    let reader = fleet.consumer_of(0, "e", "c");
    fleet.publish_all(0, &["a"]);
    assert_eq!(fleet.answer(0, reader, "REQ ID 0", 4).len(), 4);
    let last = fleet.node(0).messages(reader);
    fleet.attempts(0, 2);
    fleet.node(0).disconnect(reader);
    drop(last);
    fleet.soon();
    // Set aside by its consumer's leaving.
    assert_eq!(bodies(&fleet.peek(0, "e", Some("c"), PeekAt::Dead)), ["a"]);
    // And one that its node lost: nobody gets it any more.
    let reader = fleet.consumer_of(0, "e", "c");
    fleet.attempts(0, 0);
    fleet.publish_all(0, &["b"]);
    assert_eq!(fleet.answer(0, reader, "REQ ID 0", 5).len(), 5);
    fleet.attempts(0, 2);
    fleet.crash(0);
    let reader = fleet.consumer_of(1, "e", "c");
    fleet.run(Duration::from_secs(31));
    assert!(fleet.bodies(1, reader).is_empty());
    assert_eq!(bodies(&fleet.peek(1, "e", Some("c"), PeekAt::Dead)), ["a", "b"]);
}

#[test]
fn a_full_topic_refuses_or_drops() {
    let mut fleet = Fleet::with_channel(Faults::default());
    fleet.configure(1, TopicSettings { bytes_max: 3, ..TopicSettings::default() });
    fleet.publish_all(0, &["a", "b", "c"]);
    let conn = fleet.publish(0, "e", b"d");
    fleet.soon();
    let frames = fleet.node(0).frames(conn);
    assert!(super::is(&frames, &[(1, b"E_PUB_FAILED PUB failed topic is full")]), "{frames:?}");
    let limits = nuthatch_queue::QueueOptions::default().limits();
    let batch = Batch::new(bytes::Bytes::from_static(b"e"), Layout::One, limits).unwrap();
    let answer = fleet.ask(1, Request::Publish { topic: "e".into(), batch, defer_ms: 0 });
    assert!(matches!(&answer, Answer::Refused(why) if why.to_string() == "topic is full"), "{answer:?}");
    fleet.configure(
        0,
        TopicSettings { bytes_max: 3, at_limit: AtLimit::DropOldest, ..TopicSettings::default() },
    );
    fleet.publish_all(0, &["f"]);
    let reader = fleet.consumer_of(0, "e", "c");
    fleet.soon();
    assert_eq!(fleet.bodies(0, reader), ["b", "c", "f"]);
}

#[test]
fn what_is_too_old_is_not_delivered() {
    let mut fleet = Fleet::with_channel(Faults::default());
    fleet.configure(0, TopicSettings { ttl_seconds: 2, ..TopicSettings::default() });
    fleet.publish_all(0, &["old"]);
    fleet.run(Duration::from_secs(3));
    fleet.publish_all(0, &["new"]);
    let reader = fleet.consumer_of(1, "e", "c");
    fleet.soon();
    assert_eq!(fleet.answer(1, reader, "FIN ID", 2), ["new"]);
    assert_eq!(fleet.memory.unfinished(), 0);
}

#[test]
fn a_channel_is_moved_and_what_nodes_hold_of_it_is_void() {
    let mut fleet = Fleet::with_channel(Faults::default());
    fleet.configure(0, TopicSettings { retention_seconds: 3600, ..TopicSettings::default() });
    let reader = fleet.consumer_of(1, "e", "c");
    fleet.publish_all(0, &["a", "b"]);
    let held = fleet.node(1).messages(reader);
    let finish = format!("FIN {}\n", held[0].1);
    fleet.node(1).send(reader, finish.as_bytes());
    fleet.run(Duration::from_secs(2));
    let time = fleet.node(0).io.clock.wall.0;
    fleet.publish_all(0, &["c"]);
    assert_eq!(fleet.answer(1, reader, "FIN ID", 1), ["c"]);
    let seek = |to| Request::Seek("e".into(), "c".into(), to);
    let answer = fleet.ask(0, seek(SeekTo::Beginning));
    assert!(matches!(answer, Answer::Sought(sought) if sought.count == 3), "{answer:?}");
    let finish = format!("FIN {}\n", held[1].1);
    fleet.node(1).send(reader, finish.as_bytes());
    fleet.run(Duration::from_secs(1));
    assert_eq!(fleet.answer(1, reader, "FIN ID", 1), ["a", "b", "c"]);
    let answer = fleet.ask(0, seek(SeekTo::Time(time)));
    assert!(matches!(answer, Answer::Sought(sought) if sought.count == 1), "{answer:?}");
    fleet.run(Duration::from_secs(1));
    assert_eq!(fleet.answer(1, reader, "FIN ID", 1), ["c"]);
    let answer = fleet.ask(0, seek(SeekTo::Beginning));
    assert!(matches!(answer, Answer::Sought(sought) if sought.count == 3), "{answer:?}");
    let answer = fleet.ask(0, seek(SeekTo::End));
    assert!(matches!(answer, Answer::Sought(sought) if sought.count == 0), "{answer:?}");
    fleet.node(1).messages(reader);
    fleet.publish_all(0, &["d"]);
    fleet.run(Duration::from_secs(1));
    assert_eq!(fleet.answer(1, reader, "FIN ID", 1), ["d"]);
}

#[test]
fn messages_are_shown_and_stay() {
    let mut fleet = Fleet::with_channel(Faults::default());
    fleet.publish_all(0, &["a", "b"]);
    let world = fleet.node(0);
    let conn = world.client();
    world.send(conn, b"DPUB e 60000\n\0\0\0\x05later");
    fleet.soon();
    assert_eq!(bodies(&fleet.peek(1, "e", Some("c"), PeekAt::Queued)), ["a", "b"]);
    assert_eq!(bodies(&fleet.peek(1, "e", None, PeekAt::Queued)), [""; 0], "the channel has them");
    let deferred = fleet.peek(1, "e", Some("c"), PeekAt::Deferred);
    assert_eq!(bodies(&deferred), ["later"]);
    assert!(deferred[0].due > fleet.node(0).io.clock.wall.0);
    let reader = fleet.node(1).consumer("e", "c", 1);
    fleet.soon();
    assert_eq!(bodies(&fleet.peek(1, "e", Some("c"), PeekAt::InFlight)), ["a"]);
    assert!(fleet.peek(0, "e", Some("c"), PeekAt::InFlight).is_empty(), "another node holds it");
    assert_eq!(bodies(&fleet.peek(0, "e", Some("c"), PeekAt::Queued)), ["b"]);
    assert_eq!(fleet.answer(1, reader, "FIN ID", 3), ["a", "b"]);
    for request in [
        Request::Peek { topic: "e".into(), channel: Some("no".into()), what: PeekAt::Queued, count: 1 },
        Request::Seek("e".into(), "no".into(), SeekTo::End),
        Request::Redrive { topic: "e".into(), channel: "no".into(), count: 1, died: None },
    ] {
        let answer = fleet.ask(0, request);
        assert!(
            matches!(&answer, Answer::Refused(why) if why.to_string() == "channel not found"),
            "{answer:?}"
        );
    }
}

/// Consumers that requeue at random, at nodes that die, over an engine that fails: whatever was published is
/// finished by the channel, or is a letter. `SEED` plays one seed.
#[test]
fn nothing_is_lost_between_a_channel_and_its_letters() {
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok());
    for seed in seed.map_or(1..7, |seed: u64| seed..seed + 1) {
        println!("SEED={seed}");
        letters_model(seed);
    }
}

fn letters_model(seed: u64) {
    let faults = Faults { lost_fates: 10, lost_fetches: 10, failed_publications: 10, late_ms: 40 };
    let mut fleet = Fleet::with_channel(faults);
    fleet.memory.heal();
    fleet.attempts(0, 2);
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 20) % below
    };
    fleet.memory.fail(faults);
    let (mut published, mut readers) = (0, Vec::<(usize, ConnId)>::new());
    let mut finished = BTreeSet::new();
    for _ in 0..600 {
        let node = next(2) as usize;
        match next(12) {
            0..5 => {
                published += 1;
                fleet.publish(node, "e", format!("{published}").as_bytes());
            }
            5 if readers.len() < 4 => {
                let world = fleet.node(node);
                let conn = world.client();
                world.send(conn, b"SUB e c\nRDY 5\n");
                readers.push((node, conn));
            }
            6 if !readers.is_empty() => {
                let (node, conn) = readers.swap_remove(next(readers.len() as u64) as usize);
                fleet.node(node).disconnect(conn);
            }
            7 if next(12) == 0 => {
                readers.retain(|(its, _)| *its != node);
                fleet.crash(node);
            }
            _ => {}
        }
        fleet.run(Duration::from_millis(next(40)));
        for (node, conn) in readers.clone() {
            for (_, id, body) in fleet.node(node).messages(conn) {
                let command = match next(10) {
                    0..4 => {
                        finished.insert(String::from_utf8(body).unwrap());
                        format!("FIN {id}\n")
                    }
                    4..8 => format!("REQ {id} {}\n", next(300)),
                    8 => format!("TOUCH {id}\n"),
                    _ => continue,
                };
                fleet.node(node).send(conn, command.as_bytes());
            }
        }
    }
    fleet.memory.heal();
    // What was refused may be stored all the same: everything that the engine has must be found.
    for (node, conn) in readers {
        fleet.node(node).disconnect(conn);
    }
    let reader = fleet.node(0).client();
    fleet.node(0).send(reader, b"SUB e c\nRDY 100\n");
    let letters = fleet.node(1).client();
    fleet.node(1).send(letters, b"SUB e.c.dead r\nRDY 100\n");
    fleet.step = Duration::from_millis(50);
    let mut dead = BTreeSet::new();
    for _ in 0..120 {
        fleet.run(Duration::from_secs(1));
        for (_, id, body) in fleet.node(0).messages(reader) {
            finished.insert(String::from_utf8(body).unwrap());
            fleet.node(0).send(reader, format!("FIN {id}\n").as_bytes());
        }
        for (_, id, body) in fleet.node(1).messages(letters) {
            dead.insert(String::from_utf8(body).unwrap());
            fleet.node(1).send(letters, format!("FIN {id}\n").as_bytes());
        }
    }
    let found: BTreeSet<String> = finished.union(&dead).cloned().collect();
    let stored = fleet.memory.published("e");
    assert!(stored.len() > 100 && !dead.is_empty(), "{} stored, {} dead", stored.len(), dead.len());
    let missing: Vec<&String> = stored.iter().filter(|body| !found.contains(*body)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(fleet.memory.unfinished(), 0);
}
