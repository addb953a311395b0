//! Inspection of a data directory: the next step of its import, if any. It is read-only.
//!
//! Queues that `nsqd.dat` does not name (after a crash between two files) are imported if they hold unread
//! messages: nsqd would find them as soon as their topic is used. Read positions come from the meta files;
//! see [`super::meta`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use journal::Files;
use journal::files::{Entry, OpenMode, read_full};

use super::marker::Marker;
use super::meta::Meta;
use super::metadata::{self, Metadata};
use super::queue::QueueFiles;
use super::set_aside::SetAside;
use super::{ImportError, names};

/// Largest meta file that is read, in bytes; a real one has some 40.
const META_BYTES_MAX: u64 = 4096;

/// Next step for a data directory.
#[derive(Debug)]
pub enum Step {
    /// No nsqd data: the store exists, or may be created.
    Nothing,
    /// nsqd data to be imported.
    Import(Plan),
    /// Imported nsqd data, whose originals are still to be moved.
    SetAside(SetAside),
}

/// nsqd data that is to be imported.
#[derive(Debug)]
pub struct Plan {
    pub(super) files: Arc<dyn Files>,
    pub(super) dir: PathBuf,
    pub(super) store: String,
    pub(super) originals: Vec<(String, u64)>,
    topics: Vec<TopicPlan>,
    warnings: Vec<String>,
}

/// A topic that is to be imported.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicPlan {
    /// Its name.
    pub name: String,
    /// True if paused: messages wait in the topic.
    pub paused: bool,
    /// Its channels.
    pub channels: Vec<ChannelPlan>,
    /// Its own queue.
    pub queue: QueueFiles,
}

/// A channel that is to be imported.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChannelPlan {
    /// Its name.
    pub name: String,
    /// True if paused: messages wait in the channel.
    pub paused: bool,
    /// Its queue.
    pub queue: QueueFiles,
}

impl Plan {
    /// Topics, those of `nsqd.dat` in its order first.
    pub fn topics(&self) -> &[TopicPlan] {
        &self.topics
    }

    /// Warnings for the operator: names that were left out, queues that `nsqd.dat` does not name, meta files
    /// that are missing, unreadable, or inconsistent with the data files.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Bytes that may hold unread messages: about the size of the store.
    pub fn unread_bytes(&self) -> u64 {
        let channels = |topic: &TopicPlan| topic.channels.iter().map(|c| c.queue.unread_bytes()).sum::<u64>();
        self.topics.iter().map(|topic| topic.queue.unread_bytes() + channels(topic)).sum()
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn files(&self) -> &dyn Files {
        &*self.files
    }
}

/// Inspects `dir`, whose directory `store` holds, or will hold, our own data. The caller holds the lock of
/// `dir`, so that no nsqd is using it.
pub fn plan(files: &Arc<dyn Files>, dir: &Path, store: &str) -> Result<Step, ImportError> {
    let entries = files.list(dir).map_err(ImportError::io("list", dir))?;
    let originals: Vec<&Entry> = entries.iter().filter(|e| !e.is_dir && names::is_nsqds(&e.name)).collect();
    if entries.iter().any(|entry| entry.is_dir && entry.name == store) {
        return match Marker::read(&**files, &dir.join(store))? {
            Some(marker) => Ok(Step::SetAside(SetAside::new(Arc::clone(files), dir, store, marker))),
            None if originals.is_empty() => Ok(Step::Nothing),
            None => Err(ImportError::conflict(dir, store, &originals[0].name)),
        };
    }
    if originals.is_empty() {
        return Ok(Step::Nothing);
    }
    let mut planner = Planner { files: &**files, dir, queues: BTreeMap::new(), warnings: Vec::new() };
    for entry in &originals {
        planner.add_file(entry)?;
    }
    planner.reconcile();
    let metadata = planner.metadata(&originals)?;
    let topics = planner.topics(metadata);
    let warnings = planner.warnings;
    let originals = originals.iter().map(|entry| (entry.name.clone(), entry.bytes)).collect();
    Ok(Step::Import(Plan {
        files: Arc::clone(files),
        dir: dir.into(),
        store: store.into(),
        originals,
        topics,
        warnings,
    }))
}

struct Planner<'a> {
    files: &'a dyn Files,
    dir: &'a Path,
    /// By topic and channel.
    queues: BTreeMap<(String, Option<String>), QueueFiles>,
    warnings: Vec<String>,
}

impl Planner<'_> {
    fn read(&self, name: &str, bytes: u64) -> Result<Vec<u8>, ImportError> {
        let path = self.dir.join(name);
        let file = self.files.open(&path, OpenMode::Read).map_err(ImportError::io("open", &path))?;
        let mut content = vec![0; bytes as usize];
        let filled = read_full(&*file, &mut content, 0).map_err(ImportError::io("read", &path))?;
        content.truncate(filled);
        Ok(content)
    }

    fn metadata(&mut self, originals: &[&Entry]) -> Result<Metadata, ImportError> {
        let Some(entry) = originals.iter().find(|entry| entry.name == names::METADATA) else {
            self.warnings.push("there is no nsqd.dat: topics are known by their files only".into());
            return Ok(Metadata::default());
        };
        if entry.bytes > metadata::BYTES_MAX {
            return Err(ImportError::Metadata(format!("it is larger than {} bytes", metadata::BYTES_MAX)));
        }
        let content = self.read(&entry.name, entry.bytes)?;
        let mut metadata = Metadata::parse(&content).map_err(ImportError::Metadata)?;
        self.warnings.append(&mut metadata.warnings);
        Ok(metadata)
    }

    fn add_file(&mut self, entry: &Entry) -> Result<(), ImportError> {
        let Some(file) = names::parse(&entry.name) else { return Ok(()) };
        let says = match file.number {
            None => {
                let bytes = self.read(&entry.name, entry.bytes.min(META_BYTES_MAX))?;
                let says = Meta::parse(&bytes).filter(|_| entry.bytes <= META_BYTES_MAX);
                if says.is_none() {
                    self.warnings.push(format!(
                        "{} is not readable: its queue is read from the beginning",
                        entry.name
                    ));
                }
                says
            }
            Some(_) => None,
        };
        let key = (file.topic.to_owned(), file.channel.map(str::to_owned));
        let queue = self.queues.entry(key).or_default();
        match file.number {
            None => {
                queue.meta = Some(entry.name.clone());
                (queue.says, queue.position) = (says, says.map(|says| says.read));
            }
            Some(number) => {
                queue.data.push((number, entry.name.clone(), entry.bytes));
                queue.data.sort_unstable();
            }
        }
        Ok(())
    }

    /// Compares meta files with data files.
    fn reconcile(&mut self) {
        for ((topic, channel), queue) in &mut self.queues {
            self.warnings.append(&mut queue.reconcile(&shown(topic, channel.as_deref())));
        }
    }

    /// The topics of `nsqd.dat` with their queues, then those that exist only as files.
    fn topics(&mut self, metadata: Metadata) -> Vec<TopicPlan> {
        let mut topics: Vec<TopicPlan> = Vec::new();
        for topic in metadata.topics {
            let queue = self.take(&topic.name, None);
            let named = topic.channels.into_iter();
            let channels = named.map(|channel| ChannelPlan {
                queue: self.take(&topic.name, Some(&channel.name)),
                name: channel.name,
                paused: channel.paused,
            });
            let channels = channels.collect();
            topics.push(TopicPlan { name: topic.name, paused: topic.paused, channels, queue });
        }
        for ((name, channel), queue) in std::mem::take(&mut self.queues) {
            if queue.unread_bytes() == 0 {
                continue;
            }
            self.note_queue(&name, channel.as_deref(), &queue);
            self.warnings.push(match &channel {
                Some(channel) => {
                    format!("channel {name}:{channel} is not in nsqd.dat but has messages: taken along")
                }
                None => format!("topic {name} is not in nsqd.dat but has messages: taken along"),
            });
            let i = topics.iter().position(|topic| topic.name == name).unwrap_or_else(|| {
                topics.push(TopicPlan { name, ..TopicPlan::default() });
                topics.len() - 1
            });
            match channel {
                None => topics[i].queue = queue,
                Some(name) => topics[i].channels.push(ChannelPlan { name, paused: false, queue }),
            }
        }
        topics
    }

    fn take(&mut self, topic: &str, channel: Option<&str>) -> QueueFiles {
        let queue = self.queues.remove(&(topic.to_owned(), channel.map(str::to_owned))).unwrap_or_default();
        self.note_queue(topic, channel, &queue);
        queue
    }

    fn note_queue(&mut self, topic: &str, channel: Option<&str>, queue: &QueueFiles) {
        if queue.meta.is_none() && !queue.data.is_empty() {
            let name = shown(topic, channel);
            self.warnings.push(format!("{name} has no meta file: its queue is read from the beginning"));
        }
    }
}

/// The name of a queue, as in the names of its files.
fn shown(topic: &str, channel: Option<&str>) -> String {
    channel.map_or_else(|| topic.to_owned(), |channel| format!("{topic}:{channel}"))
}
