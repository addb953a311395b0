//! Topics on an engine: the queue's side of it, over an engine in memory.

#[path = "shard/harness.rs"]
#[allow(dead_code, reason = "shared by several test programs")]
mod harness;

#[path = "on_engine/features.rs"]
mod features;
#[path = "on_engine/leaving.rs"]
mod leaving;
#[path = "on_engine/moving.rs"]
mod moving;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use access::Glob;
use config::checked::{Storage, TopicRule};
use engine::memory::{Faults, Memory};
use harness::World;
use journal::files::Crash;
use net::{App, ConnId};
use nuthatch_queue::request::{Answer, Request};
use nuthatch_queue::settings::{Durability, TopicSettings};
use nuthatch_queue::{Mail, QueueOptions};

/// Nodes over one engine.
struct Fleet {
    memory: Memory,
    nodes: Vec<(usize, World)>,
    now: Duration,
    step: Duration,
    rule: TopicRule,
    forward_bytes_max: u64,
}

/// Topics that begin with `e` are on the engine.
fn rule(accept_locally: bool) -> TopicRule {
    TopicRule { pattern: Glob::new(b"e*"), storage: Some(Storage::Engine), accept_locally }
}

fn options(rule: TopicRule) -> QueueOptions {
    let mut options = QueueOptions::default();
    options.settings.topics = vec![rule];
    options
}

impl Fleet {
    fn new(nodes: usize, seed: u64, faults: Faults) -> Fleet {
        Fleet::with(nodes, seed, faults, rule(false), 0)
    }

    /// Nodes that accept publications themselves.
    fn accepting(nodes: usize, faults: Faults, forward_bytes_max: u64) -> Fleet {
        Fleet::with(nodes, 1, faults, rule(true), forward_bytes_max)
    }

    fn with(nodes: usize, seed: u64, faults: Faults, rule: TopicRule, forward_bytes_max: u64) -> Fleet {
        let mut fleet = Fleet {
            memory: Memory::new(seed, faults),
            nodes: Vec::new(),
            now: Duration::ZERO,
            step: Duration::from_millis(5),
            rule,
            forward_bytes_max,
        };
        (0..nodes).for_each(|_| fleet.join());
        fleet
    }

    /// Starts a node.
    fn join(&mut self) {
        let (number, node) = self.memory.node();
        let mut world = World::new(options(self.rule.clone()));
        world.advance(self.now);
        world.queue.use_engine(Box::new(node), number as u32 + 1, self.forward_bytes_max);
        self.nodes.push((number, world));
    }

    /// Runs engine and nodes for this long.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            // Until nobody has anything more to say at this time.
            for _ in 0..6 {
                let wall = self.nodes[0].1.io.clock.wall.0;
                for (number, completion) in self.memory.step(self.now, wall) {
                    if let Some((_, world)) = self.nodes.iter_mut().find(|(node, _)| *node == number) {
                        world.queue.mail(&mut world.io, Mail::Engine(completion));
                    }
                }
                self.nodes.iter_mut().for_each(|(_, world)| world.turn());
            }
            if self.now >= end {
                return;
            }
            self.now += self.step;
            let step = self.step;
            self.nodes.iter_mut().for_each(|(_, world)| world.advance(step));
        }
    }

    /// A node dies and starts again over its files.
    fn crash(&mut self, node: usize) {
        let (dead, world) = self.nodes.remove(node);
        self.memory.leave(dead);
        let mut world = world.crash(Crash::Process);
        let (number, engine) = self.memory.node();
        world.queue.use_engine(Box::new(engine), number as u32 + 1, self.forward_bytes_max);
        self.nodes.insert(node, (number, world));
    }

    fn soon(&mut self) {
        self.run(Duration::from_millis(100));
    }

    fn node(&mut self, node: usize) -> &mut World {
        &mut self.nodes[node].1
    }

    fn publish(&mut self, node: usize, topic: &str, body: &[u8]) -> ConnId {
        let world = self.node(node);
        let conn = world.client();
        world.publish(conn, topic, body);
        conn
    }

    /// A client that subscribes; it is answered once the engine has the channel.
    fn consumer(&mut self, node: usize, topic: &str, channel: &str, ready: u32) -> ConnId {
        let world = self.node(node);
        let conn = world.client();
        world.send(conn, format!("SUB {topic} {channel}\n").as_bytes());
        assert!(world.take(conn).is_empty(), "the engine has not answered");
        self.soon();
        let world = self.node(node);
        assert_eq!(world.frames(conn), [(0, b"OK".to_vec())]);
        world.send(conn, format!("RDY {ready}\n").as_bytes());
        conn
    }

    fn ask(&mut self, node: usize, request: Request) -> Answer {
        let asked = self.node(node).ask_later(request);
        self.soon();
        World::answered(&asked).expect("an answer by now")
    }

    fn bodies(&mut self, node: usize, conn: ConnId) -> Vec<String> {
        let messages = self.node(node).messages(conn);
        messages.into_iter().map(|(_, _, body)| String::from_utf8(body).unwrap()).collect()
    }
}

const OK: &[(u32, &[u8])] = &[(0, b"OK")];

fn is(frames: &[(u32, Vec<u8>)], expected: &[(u32, &[u8])]) -> bool {
    frames.iter().map(|(kind, data)| (*kind, data.as_slice())).eq(expected.iter().copied())
}

#[test]
fn ok_follows_the_engine() {
    let mut fleet = Fleet::new(2, 1, Faults::default());
    let conn = fleet.publish(0, "e", b"m");
    assert!(fleet.node(0).frames(conn).is_empty(), "the engine has not answered");
    fleet.soon();
    assert!(is(&fleet.node(0).frames(conn), OK));
    let reader = fleet.consumer(1, "e", "c", 1);
    fleet.soon();
    assert_eq!(fleet.bodies(1, reader), ["m"]);
}

#[test]
fn a_publication_that_the_engine_refuses_is_refused() {
    let faults = Faults { failed_publications: 100, ..Faults::default() };
    let mut fleet = Fleet::new(1, 1, faults);
    let conn = fleet.publish(0, "e", b"m");
    fleet.soon();
    let frames = fleet.node(0).frames(conn);
    assert!(is(&frames, &[(1, b"E_PUB_FAILED PUB failed engine: no acknowledgement")]), "{frames:?}");
}

#[test]
fn a_message_is_asked_for_when_a_consumer_can_take_it() {
    let mut fleet = Fleet::new(1, 1, Faults::default());
    let reader = fleet.consumer(0, "e", "c", 2);
    for body in [b"1", b"2", b"3"] {
        fleet.publish(0, "e", body);
    }
    fleet.soon();
    let got = fleet.node(0).messages(reader);
    assert_eq!(got.len(), 2, "RDY 2");
    fleet.node(0).send(reader, format!("FIN {}\n", got[0].1).as_bytes());
    fleet.soon();
    assert_eq!(fleet.bodies(0, reader), ["3"]);
    assert_eq!(fleet.memory.unfinished(), 2);
}

#[test]
fn what_no_consumer_can_take_goes_back_and_to_another_node() {
    let mut fleet = Fleet::new(2, 1, Faults::default());
    let first = fleet.consumer(0, "e", "c", 10);
    fleet.soon();
    for n in 0..4 {
        fleet.publish(1, "e", format!("{n}").as_bytes());
    }
    fleet.soon();
    assert_eq!(fleet.bodies(0, first).len(), 4);
    let second = fleet.node(1).client();
    fleet.node(1).send(second, b"SUB e c\nRDY 10\n");
    fleet.node(0).disconnect(first);
    fleet.soon();
    let got = fleet.node(1).messages(second);
    assert_eq!(
        got.iter().map(|message| message.0).collect::<Vec<_>>(),
        [2; 4],
        "the second delivery of each"
    );
}

#[test]
fn a_stop_hands_messages_back_at_once() {
    let mut fleet = Fleet::new(2, 1, Faults::default());
    let first = fleet.consumer(0, "e", "c", 10);
    fleet.publish(1, "e", b"m");
    fleet.soon();
    assert_eq!(fleet.bodies(0, first), ["m"]);
    fleet.node(0).stop();
    let second = fleet.node(1).client();
    fleet.node(1).send(second, b"SUB e c\nRDY 10\n");
    fleet.soon();
    assert_eq!(fleet.bodies(1, second), ["m"]);
    assert!(fleet.node(0).is_idle());
}

#[test]
fn a_message_that_is_worked_on_is_extended() {
    let mut fleet = Fleet::new(2, 1, Faults::default());
    let world = fleet.node(0);
    let first = world.client();
    let identify = b"{\"msg_timeout\":60000}";
    let mut command = b"IDENTIFY\n".to_vec();
    command.extend_from_slice(&(identify.len() as u32).to_be_bytes());
    command.extend_from_slice(identify);
    command.extend_from_slice(b"SUB e c\nRDY 1\n");
    world.send(first, &command);
    let second = fleet.consumer(1, "e", "c", 1);
    fleet.soon();
    fleet.node(1).send(second, b"RDY 0\n");
    fleet.publish(1, "e", b"m");
    fleet.soon();
    assert_eq!(fleet.bodies(0, first), ["m"]);
    fleet.node(1).send(second, b"RDY 1\n");
    fleet.run(Duration::from_secs(45));
    assert!(fleet.bodies(1, second).is_empty(), "it is held by the first node");
    // Its timeout is the nuthatch's.
    fleet.run(Duration::from_secs(16));
    assert_eq!(fleet.bodies(1, second).len() + fleet.bodies(0, first).len(), 1);
}

#[test]
fn changes_hold_for_all_nodes() {
    let mut fleet = Fleet::new(2, 1, Faults::default());
    let create = Request::CreateChannel("e".into(), "c".into());
    assert!(matches!(fleet.ask(0, Request::CreateTopic("e".into(), None)), Answer::Done));
    assert!(matches!(fleet.ask(0, create), Answer::Done));
    assert_eq!(fleet.node(1).present().len(), 2);
    let reader = fleet.consumer_of(1, "e", "c");
    assert!(matches!(fleet.ask(0, Request::PauseChannel("e".into(), "c".into(), true)), Answer::Done));
    fleet.publish(0, "e", b"m");
    fleet.soon();
    assert!(fleet.bodies(1, reader).is_empty());
    assert!(matches!(fleet.ask(1, Request::EmptyChannel("e".into(), "c".into())), Answer::Done));
    assert!(matches!(fleet.ask(1, Request::PauseChannel("e".into(), "c".into(), false)), Answer::Done));
    fleet.publish(0, "e", b"next");
    fleet.soon();
    assert_eq!(fleet.bodies(1, reader), ["next"]);
    assert!(matches!(fleet.ask(0, Request::DeleteTopic("e".into())), Answer::Done));
    assert!(fleet.node(1).present().is_empty());
    assert!(fleet.node(1).wire(reader).closed);
}

impl Fleet {
    /// A client of a channel that the node knows.
    fn consumer_of(&mut self, node: usize, topic: &str, channel: &str) -> ConnId {
        self.node(node).consumer(topic, channel, 10)
    }
}

#[test]
fn what_is_accepted_here_is_forwarded_once() {
    // Every batch is stored, and answered with an error: it is sent again.
    let faults = Faults { failed_publications: 100, ..Faults::default() };
    let mut fleet = Fleet::accepting(2, faults, 0);
    for n in 0..3 {
        let conn = fleet.publish(0, "e", format!("{n}").as_bytes());
        assert!(is(&fleet.node(0).frames(conn), OK), "the engine was not asked");
    }
    fleet.run(Duration::from_secs(3));
    let (depth, in_flight, _) = fleet.node(0).counts("e.forward", "engine");
    assert_eq!(depth + in_flight, 3, "taken again and again");
    fleet.memory.heal();
    fleet.run(Duration::from_secs(2));
    assert_eq!(fleet.node(0).counts("e.forward", "engine"), (0, 0, 0));
    assert_eq!(fleet.memory.unfinished(), 3, "one copy of each");
    let reader = fleet.consumer(1, "e", "c", 10);
    fleet.soon();
    assert_eq!(fleet.bodies(1, reader), ["0", "1", "2"]);
}

#[test]
fn what_was_accepted_here_survives_a_crash_and_a_delay_is_kept() {
    let mut fleet = Fleet::accepting(2, Faults::default(), 0);
    let world = fleet.node(0);
    let conn = world.client();
    world.send(conn, b"DPUB e 1500\n\0\0\0\x05later");
    assert!(is(&world.frames(conn), OK));
    fleet.soon();
    assert_eq!(fleet.memory.unfinished(), 0, "it is not due");
    // Nothing of this reaches the engine before the crash.
    fleet.publish(0, "e", b"now");
    fleet.crash(0);
    fleet.run(Duration::from_millis(800));
    let reader = fleet.consumer(1, "e", "c", 10);
    fleet.soon();
    assert_eq!(fleet.bodies(1, reader), ["now"]);
    fleet.run(Duration::from_secs(2));
    assert_eq!(fleet.bodies(1, reader), ["later"]);
}

#[test]
fn what_waits_to_be_forwarded_is_limited() {
    let mut fleet = Fleet::accepting(1, Faults::default(), 1000);
    let body = [b'x'; 400];
    // The first one is under way.
    for expected in [OK, OK, OK, &[(1, b"E_PUB_FAILED PUB failed topic is full".as_slice())]] {
        let conn = fleet.publish(0, "e", &body);
        let frames = fleet.node(0).frames(conn);
        assert!(is(&frames, expected), "{frames:?}");
    }
    fleet.run(Duration::from_secs(2));
    let conn = fleet.publish(0, "e", &body);
    assert!(is(&fleet.node(0).frames(conn), OK), "there is room again");
}

#[test]
fn local_topics_stay_local() {
    let mut fleet = Fleet::new(2, 1, Faults::default());
    let conn = fleet.publish(0, "local", b"m");
    assert!(is(&fleet.node(0).frames(conn), OK));
    let conn = fleet.publish(0, "e#ephemeral", b"m");
    assert!(is(&fleet.node(0).frames(conn), OK));
    fleet.soon();
    assert!(fleet.node(1).present().is_empty());
}

#[test]
fn what_is_too_large_for_the_engine_is_refused_at_once() {
    let max = (1 << 20) - 256;
    for accept_locally in [false, true] {
        let mut fleet = Fleet::with(1, 1, Faults::default(), rule(accept_locally), 0);
        let reader = fleet.consumer(0, "e", "c", 10);
        for (size, is_taken) in [(max, true), (max + 1, false), (1, true)] {
            let conn = fleet.publish(0, "e", &vec![b'x'; size]);
            fleet.soon();
            let frames = fleet.node(0).frames(conn);
            let too_large = format!(
                "E_PUB_FAILED PUB failed message of {size} bytes is too large for the engine: {max} by its max_payload"
            );
            let refused: &[(u32, &[u8])] = &[(1, too_large.as_bytes())];
            assert!(is(&frames, if is_taken { OK } else { refused }), "{frames:?}");
        }
        fleet.run(Duration::from_secs(2));
        let sizes: Vec<usize> = fleet.bodies(0, reader).iter().map(String::len).collect();
        assert_eq!(sizes, [max, 1]);
    }
}

#[test]
fn who_creates_a_topic_says_where_it_is_kept() {
    let mut fleet = Fleet::new(2, 1, Faults::default());
    let on = |topic: &str, storage| Request::CreateTopicOn(topic.into(), storage, None);
    assert!(matches!(fleet.ask(0, on("asked", Storage::Engine)), Answer::Done));
    assert!(matches!(fleet.ask(0, on("asked", Storage::Engine)), Answer::Done), "it is there");
    assert_eq!(fleet.node(1).present().len(), 1, "it is on the engine");
    assert!(matches!(fleet.ask(0, on("else", Storage::Local)), Answer::Done));
    assert_eq!(fleet.node(1).present().len(), 1, "the rule is overruled");
    for (topic, storage, wanted) in [
        ("asked", Storage::Local, "storage is fixed: topic asked is on the engine"),
        ("else", Storage::Engine, "storage is fixed: topic else is local"),
        ("e#ephemeral", Storage::Engine, "being ephemeral is not available for topics on the engine"),
    ] {
        let Answer::Refused(why) = fleet.ask(0, on(topic, storage)) else { panic!("{topic} was created") };
        assert_eq!(why.to_string(), wanted);
    }
}

#[test]
fn the_engine_is_in_the_statistics() {
    let faults = Faults { failed_publications: 100, ..Faults::default() };
    let mut fleet = Fleet::accepting(1, faults, 0);
    fleet.publish(0, "e", b"m");
    fleet.run(Duration::from_secs(3));
    let Answer::Stats(stats) = fleet.ask(0, Request::Stats { topic: None, channel: None, clients: false })
    else {
        panic!("no statistics")
    };
    let engine = stats.engine.expect("an engine");
    assert_eq!((engine.topics, engine.forward_messages), (1, 1));
    let age = Duration::from_nanos((stats.now - engine.forward_oldest).unsigned_abs());
    assert!((3..4).contains(&age.as_secs()), "{age:?}");
    fleet.memory.heal();
    fleet.run(Duration::from_secs(2));
    let Answer::Stats(stats) = fleet.ask(0, Request::Stats { topic: None, channel: None, clients: false })
    else {
        panic!("no statistics")
    };
    let engine = stats.engine.expect("an engine");
    assert_eq!((engine.forward_messages, engine.forward_oldest), (0, 0));
}

#[test]
fn what_the_engine_does_not_do_is_refused() {
    let mut fleet = Fleet::new(1, 1, Faults::default());
    assert!(matches!(fleet.ask(0, Request::CreateTopic("e".into(), None)), Answer::Done));
    let durable = TopicSettings { durability: Some(Durability::Os), ..TopicSettings::default() };
    let replayed = TopicSettings { retention_bytes: 1, ..TopicSettings::default() };
    for (settings, what) in [(durable, "a durability"), (replayed, "retention_bytes")] {
        let answer = fleet.ask(0, Request::ConfigureTopic("e".into(), settings));
        let Answer::Refused(why) = answer else { panic!("{answer:?}") };
        assert_eq!(why.to_string(), format!("{what} is not available for topics on the engine"));
    }
}

/// Publishers and consumers at three nodes that do and suffer random things, over an engine that fails in
/// every way it may. Whatever was answered with OK reaches every channel, and nothing comes before it is
/// due. `SEED` plays one seed, `STEPS` makes it longer.
#[test]
fn nothing_accepted_is_lost() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seeds = number("SEED").map_or(1..9, |seed: u64| seed..seed + 1);
    let steps = number("STEPS").unwrap_or(1500) as usize;
    for seed in seeds {
        println!("SEED={seed} STEPS={steps}");
        Model::new(seed).run(steps);
    }
}

struct Model {
    fleet: Fleet,
    random: u64,
    /// Publications that are not answered: node, client, body.
    asked: Vec<(usize, ConnId, String)>,
    accepted: BTreeSet<String>,
    consumers: Vec<(usize, ConnId, &'static str)>,
    /// Bodies that each channel has finished, and the earliest time for those with a delay.
    got: BTreeMap<&'static str, BTreeSet<String>>,
    due: BTreeMap<String, Duration>,
    published: u64,
    /// Messages that every channel has finished, which are no longer in the maps.
    settled: usize,
}

const CHANNELS: [&str; 2] = ["a", "b"];

impl Model {
    fn new(seed: u64) -> Model {
        let faults = Faults { lost_fates: 10, lost_fetches: 10, failed_publications: 5, late_ms: 40 };
        let mut fleet = Fleet::new(3, seed * 77 + 1, faults);
        for channel in CHANNELS {
            let client = fleet.node(0).client();
            fleet.node(0).send(client, format!("SUB e {channel}\n").as_bytes());
            fleet.run(Duration::from_millis(500));
        }
        Model {
            fleet,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            asked: Vec::new(),
            accepted: BTreeSet::new(),
            consumers: Vec::new(),
            got: CHANNELS.iter().map(|channel| (*channel, BTreeSet::new())).collect(),
            due: BTreeMap::new(),
            published: 0,
            settled: 0,
        }
    }

    fn next(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 20) % below
    }

    fn run(mut self, steps: usize) {
        for step in 0..steps {
            self.act();
            let time = Duration::from_millis(self.next(30));
            self.fleet.run(time);
            self.look(true);
            if step % 1000 == 999 {
                self.settle();
            }
        }
        self.fleet.memory.heal();
        // Everything that was held comes back, and is finished.
        for channel in CHANNELS {
            self.subscribe(channel);
        }
        self.fleet.step = Duration::from_millis(50);
        for round in 0.. {
            self.fleet.run(Duration::from_millis(100));
            self.look(false);
            let is_drained = self.fleet.memory.unfinished() == 0;
            // What was held comes back within a minute and a half; a backlog takes as long as its steps.
            if round >= 900 && is_drained || round >= 900 + steps {
                break;
            }
        }
        for channel in CHANNELS {
            let missing: Vec<&String> = self.accepted.difference(&self.got[channel]).collect();
            assert!(missing.is_empty(), "{channel} lacks {missing:?}");
        }
        let accepted = self.settled + self.accepted.len();
        println!("{accepted} of {} accepted", self.published);
        assert!(accepted > steps / 10, "{accepted} of {} accepted", self.published);
        assert_eq!(self.fleet.memory.unfinished(), 0);
    }

    /// Forgets what every channel has finished.
    fn settle(&mut self) {
        let (got, due) = (&mut self.got, &mut self.due);
        let before = self.accepted.len();
        self.accepted.retain(|body| {
            let open = !got.values().all(|bodies| bodies.contains(body));
            if !open {
                for bodies in got.values_mut() {
                    bodies.remove(body);
                }
                due.remove(body);
            }
            open
        });
        self.settled += before - self.accepted.len();
    }

    fn act(&mut self) {
        let node = self.next(3) as usize;
        match self.next(20) {
            0..9 => self.publish(node),
            9..11 => {
                let channel = CHANNELS[self.next(2) as usize];
                if self.consumers.len() < 6 {
                    self.subscribe(channel);
                }
            }
            11 if !self.consumers.is_empty() => {
                let at = self.next(self.consumers.len() as u64) as usize;
                let (node, conn, _) = self.consumers.swap_remove(at);
                self.fleet.node(node).disconnect(conn);
            }
            12 if !self.consumers.is_empty() => {
                let at = self.next(self.consumers.len() as u64) as usize;
                let (node, conn, _) = self.consumers[at];
                let ready = self.next(6);
                self.fleet.node(node).send(conn, format!("RDY {ready}\n").as_bytes());
            }
            13 if self.next(8) == 0 => self.crash(node),
            _ => {}
        }
    }

    fn publish(&mut self, node: usize) {
        self.published += 1;
        let body = format!("m{}", self.published);
        let world = self.fleet.node(node);
        let conn = world.client();
        let command = if self.random.is_multiple_of(4) {
            let delay = self.next(2000);
            self.due.insert(body.clone(), self.fleet.now + Duration::from_millis(delay));
            format!("DPUB e {delay}\n")
        } else {
            "PUB e\n".to_owned()
        };
        let mut command = command.into_bytes();
        command.extend_from_slice(&(body.len() as u32).to_be_bytes());
        command.extend_from_slice(body.as_bytes());
        self.fleet.node(node).send(conn, &command);
        self.asked.push((node, conn, body));
    }

    fn subscribe(&mut self, channel: &'static str) {
        let node = self.next(3) as usize;
        let world = self.fleet.node(node);
        let conn = world.client();
        world.send(conn, format!("SUB e {channel}\nRDY 5\n").as_bytes());
        self.consumers.push((node, conn, channel));
    }

    /// A node dies with all it has; another takes its place.
    fn crash(&mut self, node: usize) {
        self.consumers.retain(|(its, ..)| *its != node);
        self.asked.retain(|(its, ..)| *its != node);
        let last = self.fleet.nodes.len() - 1;
        self.fleet.join();
        let (dead, _) = self.fleet.nodes.swap_remove(node);
        self.fleet.memory.leave(dead);
        debug_assert_eq!(self.fleet.nodes.len(), last + 1);
    }

    /// Reads answers and messages; consumers treat them at random, or finish everything.
    fn look(&mut self, at_random: bool) {
        for (node, conn, body) in std::mem::take(&mut self.asked) {
            let answer = self.fleet.node(node).frames(conn).first().map(|(kind, _)| *kind);
            match answer {
                None => self.asked.push((node, conn, body)),
                Some(kind) => {
                    self.fleet.node(node).disconnect(conn);
                    if kind == 0 {
                        self.accepted.insert(body);
                    }
                }
            }
        }
        for (node, conn, channel) in self.consumers.clone() {
            let now = self.fleet.now;
            for (_, id, body) in self.fleet.node(node).messages(conn) {
                let body = String::from_utf8(body).unwrap();
                assert!(self.due.get(&body).is_none_or(|due| *due <= now), "{body} came early");
                let command = match if at_random { self.next(10) } else { 0 } {
                    0..6 => {
                        self.got.get_mut(channel).unwrap().insert(body);
                        format!("FIN {id}\n")
                    }
                    6..8 => format!("REQ {id} {}\n", self.next(500)),
                    8 => format!("TOUCH {id}\n"),
                    _ => continue,
                };
                self.fleet.node(node).send(conn, command.as_bytes());
            }
        }
    }
}
