//! Reading a topic: its channels' queues first, then its own.
//!
//! After a crash the same message can be in a queue twice (it was read, put back, and the read position was
//! not flushed) or in the topic's queue and already in a channel's. Such duplicates lie near the read
//! position, so that remembering the first `REMEMBERED_MAX` messages of each queue finds them; nsqd flushes
//! every 2500 by default.

use std::path::Path;

use journal::Files;
use rustc_hash::{FxHashMap, FxHashSet};

use super::queue::{Failed, QueueFiles, Skipped};
use super::{Message, Plan, TopicPlan};

/// Messages of a queue that are remembered to detect duplicates. 16 bytes each.
pub const REMEMBERED_MAX: usize = 100_000;
/// Skipped stretches that a report lists one by one.
const SKIPPED_LISTED_MAX: usize = 100;

/// Recipients of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// For the channel of this index in [`TopicPlan::channels`] only.
    Channel(usize),
    /// From the topic's own queue: for every channel (or the first one created, if there is none), except
    /// those that already have it from their own queue.
    Topic {
        /// Indices of those channels, ascending.
        held_by: &'a [usize],
    },
}

/// Result of reading a topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicReport {
    /// Messages of the topic's own queue.
    pub topic_messages: u64,
    /// Messages of its channels' queues.
    pub channel_messages: u64,
    /// Duplicates within one queue, which were left out.
    pub duplicates: u64,
    /// Unreadable stretches: at most 100 of them.
    pub skipped: Vec<Skipped>,
    /// Number of them.
    pub skipped_count: u64,
    /// Bytes in all of them.
    pub skipped_bytes: u64,
}

impl TopicReport {
    /// Adds another topic's report.
    pub(super) fn add(&mut self, other: TopicReport) {
        self.topic_messages += other.topic_messages;
        self.channel_messages += other.channel_messages;
        self.duplicates += other.duplicates;
        self.skipped_count += other.skipped_count;
        self.skipped_bytes += other.skipped_bytes;
        let room = SKIPPED_LISTED_MAX.saturating_sub(self.skipped.len());
        self.skipped.extend(other.skipped.into_iter().take(room));
    }
}

/// Identity of a message: its id and its timestamp, since ids alone can repeat between nodes.
type Identity = (u64, i64);

/// Passes every unread message of `topic` to `each`: those of the channels in order, then those of the
/// topic's own queue. Memory is bounded by `REMEMBERED_MAX`, not by the backlog. A body larger than
/// `body_bytes_max` is skipped and reported.
pub fn read_topic<E>(
    plan: &Plan,
    topic: &TopicPlan,
    body_bytes_max: usize,
    mut each: impl FnMut(Target<'_>, Message<'_>) -> Result<(), E>,
) -> Result<TopicReport, Failed<E>> {
    let mut report = TopicReport::default();
    let source = Source { files: plan.files(), dir: plan.dir(), body_bytes_max };
    let mut held = if topic.channels.iter().any(|channel| channel.queue.unread_bytes() > 0) {
        source.front(topic)?
    } else {
        FxHashMap::default()
    };
    for (i, channel) in topic.channels.iter().enumerate() {
        source.once(&channel.queue, &mut report, &mut |report, message| {
            report.channel_messages += 1;
            if let Some(holders) = held.get_mut(&(message.id, message.timestamp)) {
                holders.push(i);
            }
            each(Target::Channel(i), message)
        })?;
    }
    source.once(&topic.queue, &mut report, &mut |report, message| {
        report.topic_messages += 1;
        let holders = held.get(&(message.id, message.timestamp));
        each(Target::Topic { held_by: holders.map_or(&[], Vec::as_slice) }, message)
    })?;
    Ok(report)
}

struct Source<'a> {
    files: &'a dyn Files,
    dir: &'a Path,
    body_bytes_max: usize,
}

impl Source<'_> {
    /// The first messages of the topic's own queue, held by no channel yet.
    fn front<E>(&self, topic: &TopicPlan) -> Result<FxHashMap<Identity, Vec<usize>>, Failed<E>> {
        let mut front = FxHashMap::default();
        topic.queue.read(self.files, self.dir, self.body_bytes_max, &mut |_| {}, &mut |message| {
            front.insert((message.id, message.timestamp), Vec::new());
            Ok(front.len() < REMEMBERED_MAX)
        })?;
        Ok(front)
    }

    /// Passes on each message of a queue once.
    fn once<E>(
        &self,
        queue: &QueueFiles,
        report: &mut TopicReport,
        each: &mut dyn FnMut(&mut TopicReport, Message<'_>) -> Result<(), E>,
    ) -> Result<(), Failed<E>> {
        let mut seen: FxHashSet<Identity> = FxHashSet::default();
        let mut skips = Skips { listed_max: SKIPPED_LISTED_MAX - report.skipped.len(), ..Skips::default() };
        queue.read(
            self.files,
            self.dir,
            self.body_bytes_max,
            &mut |stretch| skips.note(stretch),
            &mut |message| {
                let identity = (message.id, message.timestamp);
                if seen.contains(&identity) {
                    report.duplicates += 1;
                    return Ok(true);
                }
                if seen.len() < REMEMBERED_MAX {
                    seen.insert(identity);
                }
                each(report, message).map(|()| true)
            },
        )?;
        report.skipped_count += skips.count;
        report.skipped_bytes += skips.bytes;
        report.skipped.append(&mut skips.listed);
        Ok(())
    }
}

/// Skipped stretches of one queue.
#[derive(Default)]
struct Skips {
    listed: Vec<Skipped>,
    listed_max: usize,
    count: u64,
    bytes: u64,
}

impl Skips {
    fn note(&mut self, stretch: Skipped) {
        self.count += 1;
        self.bytes += stretch.bytes;
        if self.listed.len() < self.listed_max {
            self.listed.push(stretch);
        }
    }
}
