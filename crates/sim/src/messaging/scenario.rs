//! The scenario of a seed: topics and their users, the daemon's configuration, and the faults.

use std::time::Duration;

use journal::files::Operation;
use queue::settings::{AtLimit, Durability, TopicSettings};
use queue::{QueueOptions, Settings};

use super::names::is_ephemeral;
use crate::network::Travel;
use crate::rng::Rng;

/// Ways in which a life of the daemon ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// `kill -9`.
    Kill,
    /// The machine loses power.
    Power,
    /// A graceful stop.
    Stop,
}

/// Disk faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// An I/O error of the device or the file system.
    Io(Operation),
    /// No space left.
    Full,
    /// No file descriptors left for the process.
    Descriptors,
    /// The machine stops in the middle of a change, and nothing works until the life has ended.
    Halt,
}

/// A topic and its channels.
#[derive(Debug, Clone)]
pub(crate) struct TopicPlan {
    pub(crate) name: String,
    pub(crate) channels: Vec<String>,
    /// True if they are created before their first use; otherwise by their first user.
    pub(crate) upfront: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) topics: Vec<TopicPlan>,
    pub(crate) options: QueueOptions,
    pub(crate) producers: usize,
    pub(crate) consumers: usize,
    /// Approximate messages per producer.
    pub(crate) messages: u64,
    /// Most filler bytes in a body.
    pub(crate) fill_max: usize,
    /// Most milliseconds between two of a client's actions.
    pub(crate) think_ms: u64,
    /// Longest delay of DPUB and REQ, in milliseconds.
    pub(crate) delay_ms_max: u64,
    pub(crate) travel: Travel,
    /// Duration of faults; there are none afterwards.
    pub(crate) chaos: Duration,
    /// Ends of lives during chaos.
    pub(crate) ends: Vec<End>,
    /// Disk faults.
    pub(crate) troubles: Vec<Trouble>,
    /// Steps of the wall clock, in nanoseconds.
    pub(crate) steps: Vec<i64>,
    /// Number of operator orders.
    pub(crate) orders: u64,
    /// Deliveries after which a message becomes a dead letter; 0 for no limit.
    pub(crate) max_attempts: u16,
    /// Messages that an nsqd has left per channel and topic.
    pub(crate) left_behind: Option<u64>,
    /// Settings of the topics created upfront; durability is drawn per topic.
    pub(crate) settings: TopicSettings,
    /// Most damaged places per end of a life.
    pub(crate) rot: u64,
    /// Longest job of a disk thread, in microseconds.
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
        // Separate random stream, so that scenarios without them stay unchanged.
        let mut rng = Rng::new(seed ^ 0xe9e);
        if rng.one_in(3) {
            scenario.add_ephemeral(&mut rng);
        }
        if rng.one_in(4) {
            scenario.limit_memory(&mut rng);
        }
        scenario
    }

    /// Limits the memory of topics in memory, and the channels of topics.
    pub(crate) fn limit_memory(&mut self, rng: &mut Rng) {
        if !self.has_ephemeral_topics() {
            self.add_ephemeral(rng);
        }
        (self.options.settings.max_memory_bytes, self.options.settings.mem_queue_size) =
            (rng.pick(&[64 << 10, 256 << 10]), 10_000);
        self.options.settings.max_channels_per_topic = rng.between(1, 3);
        (self.messages, self.fill_max) = (100, 3000);
    }

    /// Adds ephemeral topics and channels.
    pub(crate) fn add_ephemeral(&mut self, rng: &mut Rng) {
        self.options.settings.mem_queue_size = rng.pick(&[3, 20, 10_000, 10_000]);
        self.consumers += 2;
        if rng.one_in(2) {
            // A failing disk keeps files that should be deleted.
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

    /// Most severe end of a life in this scenario.
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

/// Clock step of up to a day, forwards or backwards.
fn step(rng: &mut Rng) -> i64 {
    let nanos = rng.pick(&[1_000_000_000, 60_000_000_000, 86_400_000_000_000]);
    let nanos = rng.between(1, nanos) as i64;
    if rng.one_in(2) { nanos } else { -nanos }
}

/// Settings with a limit, in a third of the runs.
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
