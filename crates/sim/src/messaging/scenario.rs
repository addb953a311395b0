//! The scenario of a seed: topics and their users, the daemon's configuration, and the faults.

use std::time::Duration;

use journal::files::Operation;
use queue::settings::{AtLimit, Durability, TopicSettings};
use queue::{QueueOptions, Settings};

use super::names::is_ephemeral;
use crate::network::Travel;
use crate::rng::Rng;

/// The end of a life of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// `kill -9`.
    Kill,
    /// The machine loses power.
    Power,
    /// A graceful stop.
    Stop,
}

/// Faults of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The device or the file system fails.
    Io(Operation),
    /// No space is left.
    Full,
    /// The process has no file descriptor left.
    Descriptors,
    /// The machine stops in the middle of a change, and nothing works any more until the life has ended.
    Halt,
}

/// A topic and its channels.
#[derive(Debug, Clone)]
pub(crate) struct TopicPlan {
    pub(crate) name: String,
    pub(crate) channels: Vec<String>,
    /// True if they are created before their first use; otherwise their first user does it.
    pub(crate) upfront: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) topics: Vec<TopicPlan>,
    pub(crate) options: QueueOptions,
    pub(crate) producers: usize,
    pub(crate) consumers: usize,
    /// Messages of a producer, about.
    pub(crate) messages: u64,
    /// Most filler bytes of a body.
    pub(crate) fill_max: usize,
    /// Most milliseconds between two of a client's actions.
    pub(crate) think_ms: u64,
    /// Longest delay of DPUB and REQ, in milliseconds.
    pub(crate) delay_ms_max: u64,
    pub(crate) travel: Travel,
    /// Time during which faults happen; none do afterwards.
    pub(crate) chaos: Duration,
    /// Ends of lives before that.
    pub(crate) ends: Vec<End>,
    /// Faults of the disk.
    pub(crate) troubles: Vec<Trouble>,
    /// Steps of the wall clock, in nanoseconds.
    pub(crate) steps: Vec<i64>,
    /// Number of operators' orders.
    pub(crate) orders: u64,
    /// Deliveries after which a message is set aside; 0 for never.
    pub(crate) max_attempts: u16,
    /// Messages that an nsqd has left for each channel and each topic.
    pub(crate) left_behind: Option<u64>,
    /// Settings of the topics that are created upfront; their durability is drawn for each.
    pub(crate) settings: TopicSettings,
    /// Damaged places, at most, for each life that ends.
    pub(crate) rot: u64,
    /// Most microseconds that a job of a disk thread takes.
    pub(crate) job_us_max: u64,
}

impl Scenario {
    pub(crate) fn of(seed: u64) -> Scenario {
        let mut rng = Rng::new(seed);
        let chaos_ms = rng.pick(&[300, 2000, 2000, 10_000, 150_000]);
        let think_ms = (chaos_ms / rng.pick(&[10, 40, 100])).max(1);
        let topics = (0..rng.between(1, 3))
            .map(|n| TopicPlan {
                name: format!("t{n}"),
                channels: (0..rng.between(1, 3)).map(|c| format!("c{c}")).collect(),
                upfront: !rng.one_in(3),
            })
            .collect();
        let ways =
            rng.pick(&[&[End::Kill, End::Stop][..], &[End::Power], &[End::Kill, End::Power, End::Stop]]);
        let some =
            |rng: &mut Rng, one_in: u64, most: u64| if rng.one_in(one_in) { rng.between(1, most) } else { 0 };
        let troubles = some(&mut rng, 3, 6);
        let steps = some(&mut rng, 4, 4);
        let mut scenario = Scenario {
            topics,
            options: options(&mut rng),
            producers: rng.between(1, 4) as usize,
            consumers: rng.between(1, 6) as usize,
            messages: rng.pick(&[5, 30, 100]),
            fill_max: rng.pick(&[5, 100, 3000]),
            think_ms,
            delay_ms_max: rng.pick(&[100, 2000, 20_000]),
            travel: Travel {
                latency: rng.pick(&[(5, 50), (50, 3000)]),
                segment_max: rng.pick(&[40, 1000, 70_000]),
                window: [1 << 20, rng.pick(&[2000, 1 << 20])],
            },
            chaos: Duration::from_millis(chaos_ms),
            ends: (0..rng.below(6)).map(|_| rng.pick(ways)).collect(),
            troubles: (0..troubles).map(|_| trouble(&mut rng)).collect(),
            steps: (0..steps).map(|_| step(&mut rng)).collect(),
            orders: some(&mut rng, 2, 30),
            max_attempts: if rng.one_in(3) { rng.between(1, 3) as u16 } else { 0 },
            left_behind: rng.one_in(6).then(|| rng.below(8)),
            settings: settings(&mut rng),
            rot: some(&mut rng, 4, 4),
            job_us_max: rng.pick(&[10, 3000, 300_000]),
        };
        // From a stream of its own: whoever has none of them stays as it was.
        let mut rng = Rng::new(seed ^ 0xe9e);
        if rng.one_in(3) {
            scenario.add_ephemeral(&mut rng);
        }
        if rng.one_in(4) {
            scenario.limit_memory(&mut rng);
        }
        scenario
    }

    /// Gives topics in memory little room, and topics few channels.
    pub(crate) fn limit_memory(&mut self, rng: &mut Rng) {
        if !self.has_ephemeral_topics() {
            self.add_ephemeral(rng);
        }
        (self.options.settings.max_memory_bytes, self.options.settings.mem_queue_size) =
            (rng.pick(&[64 << 10, 256 << 10]), 10_000);
        self.options.settings.max_channels_per_topic = rng.between(1, 3);
        (self.messages, self.fill_max) = (100, 3000);
    }

    /// Adds topics and channels that go with their last user.
    pub(crate) fn add_ephemeral(&mut self, rng: &mut Rng) {
        self.options.settings.mem_queue_size = rng.pick(&[3, 20, 10_000, 10_000]);
        self.consumers += 2;
        if rng.one_in(2) {
            // A disk that fails keeps what is to be deleted.
            self.troubles.clear();
            self.topics.iter_mut().for_each(|plan| plan.channels.push("e#ephemeral".to_owned()));
        }
        let channels = rng.pick(&[&["c0#ephemeral"][..], &["c0#ephemeral", "c1"], &["c0"]]);
        self.topics.push(TopicPlan {
            name: "e#ephemeral".to_owned(),
            channels: channels.iter().map(|name| (*name).to_owned()).collect(),
            upfront: rng.one_in(3),
        });
    }
}

impl Scenario {
    pub(crate) fn has_ephemeral_topics(&self) -> bool {
        self.topics.iter().any(|plan| is_ephemeral(&plan.name))
    }

    pub(crate) fn is_short_of_memory(&self) -> bool {
        self.options.settings.max_memory_bytes < 1 << 20
    }

    /// The worst way in which lives end here.
    pub(crate) fn worst(&self) -> End {
        if self.ends.contains(&End::Power) { End::Power } else { End::Kill }
    }
}

fn trouble(rng: &mut Rng) -> Trouble {
    let operations = [
        Operation::Write,
        Operation::Sync,
        Operation::SyncDir,
        Operation::Read,
        Operation::Rename,
        Operation::Truncate,
    ];
    match rng.below(8) {
        0..3 => Trouble::Halt,
        3..5 => Trouble::Full,
        5..7 => Trouble::Descriptors,
        _ => Trouble::Io(rng.pick(&operations)),
    }
}

/// Up to a day, forth or back.
fn step(rng: &mut Rng) -> i64 {
    let nanos = rng.pick(&[1_000_000_000, 60_000_000_000, 86_400_000_000_000]);
    let nanos = rng.between(1, nanos) as i64;
    if rng.one_in(2) { nanos } else { -nanos }
}

/// A limit, in every third run.
fn settings(rng: &mut Rng) -> TopicSettings {
    let none = TopicSettings::default();
    match rng.below(12) {
        0 => TopicSettings { ttl_seconds: rng.pick(&[1, 5, 60]), ..none },
        1 => TopicSettings { bytes_max: rng.pick(&[1000, 20_000]), ..none },
        2 => TopicSettings { bytes_max: rng.pick(&[5000, 40_000]), at_limit: AtLimit::DropOldest, ..none },
        3 => TopicSettings { retention_seconds: 3600, ..none },
        _ => none,
    }
}

fn options(rng: &mut Rng) -> QueueOptions {
    QueueOptions::from(Settings {
        data_path: "/data".into(),
        durability: rng.pick(&[Durability::Os, Durability::Fsync]),
        msg_timeout: Duration::from_millis(rng.pick(&[200, 1000, 5000])),
        max_msg_timeout: Duration::from_secs(8),
        max_bytes_per_file: rng.pick(&[1 << 10, 8 << 10, 1 << 20]),
        journal_cache_bytes: rng.pick(&[0, 16 << 10, 1 << 20]),
        deflate: false,
        snappy: false,
        ..Settings::default()
    })
}
