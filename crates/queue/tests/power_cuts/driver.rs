//! The work done on a queue while the recorder logs its disk operations: everything that clients and
//! operators do, and the disk's jobs one at a time, in any order. What the clients know, and since when, goes
//! into the [`Ledger`].

use std::sync::Arc;
use std::time::Duration;

use journal::MemFiles;
use net::ConnId;
use nuthatch_queue::request::{Answer, Request};
use nuthatch_queue::settings::{ChannelSettings, Durability};
use nuthatch_queue::{Clock, QueueOptions, Settings, import};

use super::device::Random;
use super::harness::World;
use super::ledger::Ledger;
use super::nsqd;
use super::recorder::{Lie, Recorder};

pub const WALL: i64 = 1_700_000_000_000_000_000;
/// Longest delay requested.
pub const DELAY_MAX: Duration = Duration::from_secs(4);
const MILLI: Duration = Duration::from_millis(1);

/// Small segments, so that new ones are begun and old ones deleted.
pub fn options() -> QueueOptions {
    QueueOptions::from(Settings {
        data_path: ".".into(),
        durability: Durability::Fsync,
        max_bytes_per_file: 4096,
        ..Settings::default()
    })
}

/// The results of a run.
pub struct Run {
    pub recorder: Recorder,
    /// Length of the list when the run began.
    pub start: usize,
    pub ledger: Ledger,
}

pub struct Driver {
    world: World,
    random: Random,
    recorder: Recorder,
    ledger: Ledger,
    producer: ConnId,
    /// Publications without an answer, in order.
    unanswered: Vec<String>,
    next: usize,
    /// True if the run begins with the import of an nsqd topic.
    imports: bool,
}

/// Runs this many steps.
pub fn run(seed: u64, steps: usize, lie: Option<Lie>) -> Run {
    run_on(MemFiles::new(seed), seed, steps, lie, Ledger::default())
}

/// A run that begins with the import of an nsqd data directory.
pub fn run_after_import(seed: u64, steps: usize, lie: Option<Lie>) -> Run {
    let mut ledger = Ledger::default();
    run_on(nsqd::left_behind(seed, &mut ledger), seed, steps, lie, ledger)
}

fn run_on(files: MemFiles, seed: u64, steps: usize, lie: Option<Lie>, ledger: Ledger) -> Run {
    let recorder = Recorder::new(files.clone(), lie);
    let start = recorder.length();
    let seen: Arc<dyn journal::Files> = Arc::new(recorder.clone());
    let clock = Clock { now: net::Instant(1_000_000), wall: net::WallTime(WALL) };
    let imports = import::run(&seen, &options(), clock).expect("imported").is_some();
    let mut world = World::open_through(files, seen, options(), WALL).expect("opens");
    let producer = world.client();
    let mut driver = Driver {
        world,
        random: Random(seed),
        recorder,
        ledger,
        producer,
        unanswered: Vec::new(),
        next: 0,
        imports,
    };
    driver.set_up();
    for _ in 0..steps {
        driver.step();
        driver.listen();
    }
    driver.settle();
    Run { recorder: driver.recorder, start, ledger: driver.ledger }
}

impl Driver {
    fn set_up(&mut self) {
        self.ledger.note_time(self.recorder.length(), self.world.io.clock.wall.0);
        for (topic, durability, channels) in
            [("t", Durability::Fsync, &["c", "d"][..]), ("os", Durability::Os, &["x"])]
        {
            self.ask(Request::CreateTopic(topic.into(), Some(durability)));
            for channel in channels {
                self.ask(Request::CreateChannel(topic.into(), (*channel).into()));
            }
        }
        let settings = ChannelSettings { max_attempts: 2, dead_letter_topic: "dead".into() };
        self.ask(Request::ConfigureChannel("t".into(), "c".into(), settings));
        self.create_passing();
        self.settle();
        // From here on jobs wait until they are picked.
        self.world.disk_works = false;
    }

    /// Creates the topic and the channel that are deleted and created repeatedly.
    fn create_passing(&mut self) {
        self.ask(Request::CreateTopic("passing".into(), Some(Durability::Fsync)));
        self.ask(Request::CreateChannel("passing".into(), "x".into()));
        self.ask(Request::CreateChannel("t".into(), "passing".into()));
    }

    fn step(&mut self) {
        match self.random.below(32) {
            0..=5 => self.publish("t"),
            6..=7 => self.publish("os"),
            8..=9 => self.publish("passing"),
            10..=14 => self.consume("t", "c"),
            15..=16 => self.consume("t", "d"),
            17 if self.imports => self.consume(nsqd::TOPIC, nsqd::CHANNELS[0]),
            17 => self.consume("os", "x"),
            18 => self.consume("passing", "x"),
            19 => drop(self.world.ask_later(Request::Redrive {
                topic: "t".into(),
                channel: "c".into(),
                count: 100,
                died: None,
            })),
            20 => self.delete_passing(),
            21..=24 => self.advance(30 * MILLI),
            25 => self.advance(3000 * MILLI),
            // Topics are checkpointed.
            26 => (0..4).for_each(|_| self.advance(16_000 * MILLI)),
            27 => self.settle(),
            _ => {
                for _ in 0..=self.random.below(3) {
                    let random = &mut self.random;
                    self.world.work_one(|count| random.below(count));
                    self.listen();
                }
            }
        }
    }

    fn advance(&mut self, by: Duration) {
        self.world.advance(by);
        self.listen();
        self.ledger.note_time(self.recorder.length(), self.world.io.clock.wall.0);
    }

    fn ask(&mut self, ask: Request) {
        let answer = self.world.ask(ask);
        assert!(matches!(answer, Answer::Done), "{answer:?}");
    }

    /// Publishes one message or a few, some of them large, some deferred.
    fn publish(&mut self, topic: &str) {
        let mut commands = Vec::new();
        for _ in 0..=self.random.below(3) {
            self.next += 1;
            let long = if self.random.below(4) == 0 { 1 + self.random.below(1500) } else { 0 };
            let body = format!("{topic}-{}{}", self.next, ".".repeat(long));
            let delay = if self.random.below(6) == 0 { 1 + self.random.below(4) as i64 } else { 0 };
            let command = match delay {
                0 => format!("PUB {topic}\n"),
                seconds => format!("DPUB {topic} {}\n", seconds * 1000),
            };
            commands.extend_from_slice(command.as_bytes());
            commands.extend_from_slice(&(body.len() as u32).to_be_bytes());
            commands.extend_from_slice(body.as_bytes());
            let due = self.world.io.clock.wall.0 + delay * 1_000_000_000;
            self.ledger.send(topic, &body, due, self.recorder.length());
            self.unanswered.push(body);
        }
        self.world.send(self.producer, &commands);
    }

    /// Takes the producer's answers. Topics answer independently, but a connection's answers are in order.
    fn listen(&mut self) {
        assert!(!self.world.wire(self.producer).closed);
        for (kind, data) in self.world.frames(self.producer) {
            if data == b"_heartbeat_" {
                self.world.send(self.producer, b"NOP\n");
                continue;
            }
            assert_eq!((kind, &data[..]), (0, &b"OK"[..]));
            self.ledger.accept(&self.unanswered.remove(0), self.recorder.length());
        }
    }

    /// Some messages are finished, some requeued, some left in flight when the connection closes.
    fn consume(&mut self, topic: &str, channel: &str) {
        let ready = 1 + self.random.below(6) as u32;
        let consumer = self.world.consumer(topic, channel, ready);
        // Runs pending reads.
        for _ in 0..self.random.below(3) {
            let random = &mut self.random;
            self.world.work_one(|count| random.below(count));
        }
        for (_, id, body) in self.world.messages(consumer) {
            let body = String::from_utf8(body).expect("ours");
            let command = match self.random.below(10) {
                0..=4 => {
                    self.ledger.finish(channel, &body, self.recorder.length());
                    format!("FIN {id}\n")
                }
                5..=6 => format!("REQ {id} 0\n"),
                7..=8 => format!("REQ {id} {}\n", 1000 + self.random.below(3000)),
                _ => continue,
            };
            self.world.send(consumer, command.as_bytes());
        }
        self.world.disconnect(consumer);
    }

    /// Deletes the temporary topic or channel and creates it again.
    fn delete_passing(&mut self) {
        let length = self.recorder.length();
        if self.random.below(2) == 0 {
            self.ledger.delete("t", "passing", length);
            self.ask(Request::DeleteChannel("t".into(), "passing".into()));
            self.ask(Request::CreateChannel("t".into(), "passing".into()));
        } else {
            // Publications not answered yet would be refused.
            self.settle();
            let length = self.recorder.length();
            self.ledger.delete("passing", "x", length);
            self.ask(Request::DeleteTopic("passing".into()));
            self.create_passing();
        }
    }

    /// Waits until everything is written and on the device: events within 25 ms, data of other durabilities
    /// within seconds.
    fn settle(&mut self) {
        self.world.disk_works = true;
        self.world.turn();
        self.advance(5000 * MILLI);
        self.world.disk_works = false;
        self.listen();
        assert!(self.unanswered.is_empty(), "{:?}", self.unanswered);
        self.ledger.settle(self.recorder.length());
    }
}
