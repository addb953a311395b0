//! The complete import of an nsqd data directory into a store, called before a daemon opens its queue.
//!
//! A topic's journal is laid out so that recovery needs no memory for the backlog of its largest channel:
//!
//! ```text
//! created A │ messages of A, as the stream │ created B, C │ messages of B or C alone │ paused? │ the topic's own, as the stream
//! ```
//! A is the channel with most to read. While it is the only one, the stream is its alone; B and C start after
//! it. Their own messages are private records, whose positions a channel keeps (24 bytes each). Ids,
//! timestamps and attempts are preserved. The journals are closed without a checkpoint: opening the queue
//! replays them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use journal::Files;
use wire::nsq::is_ephemeral;

use super::{
    Failed, ImportError, Message as Original, Plan, Step, Target, TopicPlan, TopicReport, plan, read_topic,
};
use crate::clock::Clock;
use crate::message::Message;
use crate::options::QueueOptions;
use crate::queue::{STORE, topic_directory, topic_tag};
use crate::settings::Durability;
use crate::topic::{ChannelKey, Known, Topic};

/// Staged bytes at which a batch is written.
const BATCH_BYTES: usize = 1 << 20;
/// Bytes a record may need beside the body.
const HEAD_BYTES_MAX: usize = 64;

/// Result of an import.
#[derive(Debug, Default)]
pub struct Imported {
    /// Topics.
    pub topics: usize,
    /// Their channels.
    pub channels: usize,
    /// Messages read, all topics together.
    pub read: TopicReport,
    /// Warnings for the operator.
    pub warnings: Vec<String>,
    /// Directory that holds the originals now.
    pub originals: PathBuf,
}

/// Imports the nsqd data in `options.settings.data_path`, if any is not imported yet, into a store that
/// [`crate::Queue::open`] opens. Resumes an interrupted attempt. Blocks until all of it is read and written.
/// The caller holds the lock of the directory.
///
/// # Errors
/// The originals are unchanged, though some may have been moved already; the next call resumes.
pub fn run(
    files: &Arc<dyn Files>,
    options: &QueueOptions,
    clock: Clock,
) -> Result<Option<Imported>, ImportError> {
    let mut imported = Imported::default();
    let aside = match plan(files, &options.settings.data_path, STORE)? {
        Step::Nothing => return Ok(None),
        Step::SetAside(aside) => aside,
        Step::Import(plan) => {
            imported.warnings = plan.warnings().to_vec();
            let staging = plan.begin()?;
            let mut options = options.clone();
            options.settings.durability = Durability::Os;
            for topic in plan.topics() {
                if is_ephemeral(&topic.name) {
                    imported.warnings.push(format!("topic {} is ephemeral: left out", topic.name));
                    continue;
                }
                let mut store = TopicStore::open(files, &staging, topic, &options, clock)?;
                imported.read.add(store.fill(&plan)?);
                imported.topics += 1;
                imported.channels += store.plan.channels.len();
            }
            plan.publish()?
        }
    };
    imported.originals = aside.run()?;
    Ok(Some(imported))
}

/// One topic being imported.
struct TopicStore {
    plan: TopicPlan,
    topic: Topic<()>,
    channels: Vec<ChannelKey>,
    clock: Clock,
    body_bytes_max: usize,
    /// Set once only the topic's own messages are missing.
    complete: bool,
}

impl TopicStore {
    fn open(
        files: &Arc<dyn Files>,
        staging: &Path,
        plan: &TopicPlan,
        options: &QueueOptions,
        clock: Clock,
    ) -> Result<TopicStore, ImportError> {
        let mut plan = plan.clone();
        plan.channels.retain(|channel| !is_ephemeral(&channel.name));
        plan.channels.sort_by_key(|channel| std::cmp::Reverse(channel.queue.unread_bytes()));
        let dir = staging.join(topic_directory(&plan.name));
        let tag = topic_tag(&plan.name, clock.wall);
        let opened =
            Topic::open(&plan.name, Known { tag, end: 0 }, Arc::clone(files), &dir, options, clock, &mut 0);
        let (topic, _) = opened.map_err(|e| not_written(&plan.name, e))?;
        let body_bytes_max = options.journal(Durability::Os).record_bytes_max - HEAD_BYTES_MAX;
        let mut store =
            TopicStore { plan, topic, channels: Vec::new(), clock, body_bytes_max, complete: false };
        store.create_channels(1)?;
        Ok(store)
    }

    /// Writes every unread message, and the paused states.
    fn fill(&mut self, plan: &Plan) -> Result<TopicReport, ImportError> {
        let (topic, body_bytes_max) = (self.plan.clone(), self.body_bytes_max);
        let read = read_topic(plan, &topic, body_bytes_max, |target, message| self.take(target, message));
        let report = read.map_err(|failed| match failed {
            Failed::Import(error) | Failed::Caller(error) => error,
        })?;
        self.complete()?;
        self.topic.commit(self.clock).map_err(|why| not_written(&self.plan.name, why))?;
        Ok(report)
    }

    fn take(&mut self, target: Target<'_>, message: Original<'_>) -> Result<(), ImportError> {
        match target {
            Target::Channel(0) => self.write(None, message),
            Target::Channel(i) => {
                self.create_channels(self.plan.channels.len())?;
                self.write(Some(i), message)
            }
            Target::Topic { held_by } => {
                self.complete()?;
                if held_by.is_empty() {
                    return self.write(None, message);
                }
                let mut others = (0..self.plan.channels.len()).filter(|i| !held_by.contains(i));
                others.try_for_each(|i| self.write(Some(i), message))
            }
        }
    }

    /// Writes one message, for one channel or into the stream.
    fn write(&mut self, channel: Option<usize>, original: Original<'_>) -> Result<(), ImportError> {
        let message = Message {
            id: Some(original.id),
            attempts: original.attempts,
            channel: channel.and_then(|i| self.topic.channel(self.channels[i])).map(|channel| channel.number),
            ..Message::new(original.timestamp, original.body)
        };
        self.topic.stage(&message, None).map_err(|e| not_written(&self.plan.name, e))?;
        if self.topic.journal.staged_bytes() >= BATCH_BYTES {
            self.topic.commit(self.clock).map_err(|why| not_written(&self.plan.name, why))?;
        }
        Ok(())
    }

    /// Creates those of the first `count` channels that do not exist yet.
    fn create_channels(&mut self, count: usize) -> Result<(), ImportError> {
        for channel in self.plan.channels.iter().take(count).skip(self.channels.len()) {
            let created = self.topic.create_channel(&channel.name, false, self.clock);
            let key = created.map_err(|e| not_written(&self.plan.name, e))?;
            if channel.paused {
                let paused = self.topic.pause_channel(key, true, self.clock);
                paused.map_err(|e| not_written(&self.plan.name, e))?;
            }
            self.channels.push(key);
        }
        Ok(())
    }

    /// Completes everything but the topic's own messages.
    fn complete(&mut self) -> Result<(), ImportError> {
        if std::mem::replace(&mut self.complete, true) {
            return Ok(());
        }
        self.create_channels(self.plan.channels.len())?;
        if self.plan.paused {
            self.topic.pause(true, self.clock).map_err(|e| not_written(&self.plan.name, e))?;
        }
        Ok(())
    }
}

fn not_written(topic: &str, why: impl std::fmt::Display) -> ImportError {
    ImportError::Store(format!("topic {topic} cannot be written: {why}"))
}
