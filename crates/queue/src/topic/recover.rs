//! A topic out of its journal.
//!
//! The image in the last checkpoint, then every record behind it, in order: each has the effect that it had when it was
//! written. A record that is not well-formed although its checksum is right was written by another version; it is
//! counted and passed over, and the topic is told to be complete but for that.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use journal::{Files, Recovered, Recovery};

use super::Topic;
use super::checkpoint::TopicImage;
use super::milestones::Milestone;
use crate::channel::{ChannelImage, ImagedMessage, Recovering};
use crate::clock::Clock;
use crate::message::Message;
use crate::options::Options;
use crate::record::{ChannelNumber, KIND_COPY, KIND_MESSAGE, KIND_PRIVATE, Record};
use crate::settings::Durability;

/// Why a topic could not be opened.
#[derive(Debug)]
pub enum RecoverError {
    /// The journal could not be opened.
    Open(journal::OpenError),
    /// The checkpoint is whole, but not one that this program can read.
    Checkpoint,
}

impl std::fmt::Display for RecoverError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RecoverError::Open(e) => e.fmt(f),
            RecoverError::Checkpoint => f.write_str("checkpoint was written by another version"),
        }
    }
}

impl std::error::Error for RecoverError {}

struct Replay {
    image: TopicImage,
    channels: BTreeMap<ChannelNumber, Recovering>,
    /// Where segments begin that are still to come.
    starts: VecDeque<u64>,
    /// The segment that is read, until a message of the stream has told what time it was when it was begun.
    begun: Option<u64>,
    unknown: u64,
}

impl<W> Topic<W> {
    /// Opens the topic whose journal is in `dir`; a new one if there is nothing.
    pub fn open(
        name: &str,
        new_tag: u32,
        files: Arc<dyn Files>,
        dir: &Path,
        options: &Options,
        clock: Clock,
    ) -> Result<(Topic<W>, Recovered), RecoverError> {
        // What has files keeps them, whatever new topics get.
        let durability = match options.durability {
            Durability::Memory => Durability::Os,
            other => other,
        };
        let recovery = Recovery::open(files, dir, options.journal(durability)).map_err(RecoverError::Open)?;
        let image = match recovery.checkpoint() {
            Some(checkpoint) => TopicImage::decode(&checkpoint.payload).ok_or(RecoverError::Checkpoint)?,
            None => TopicImage { tag: new_tag, next_number: 1, ..TopicImage::default() },
        };
        let had_checkpoint = recovery.checkpoint().is_some();
        let mut replay = Replay::new(image);
        replay.starts = recovery.segment_starts().map(|start| start.0).collect();
        let (journal, recovered) =
            recovery.replay(|record| replay.apply(record)).map_err(RecoverError::Open)?;
        let fresh = journal.end().0 == 0 && !had_checkpoint;
        if fresh {
            return Ok((Topic::create(name, new_tag, journal, options), recovered));
        }
        let mut topic = Topic::create(name, replay.image.tag, journal, options);
        topic.journal.discard();
        topic.restore(replay, options, clock);
        Ok((topic, recovered))
    }

    fn restore(&mut self, replay: Replay, options: &Options, clock: Clock) {
        let Replay { image, channels, .. } = replay;
        self.paused = image.paused;
        self.next_number = image.next_number;
        self.pumped = image.pumped;
        self.waiting = image.waiting;
        self.sequence = image.sequence;
        self.milestones = image.milestones;
        self.settings = image.settings;
        self.apply_durability(options);
        for message in &image.held {
            self.held.push((clock.to_instant(message.due, options.max_defer_timeout), message.as_waiting()));
        }
        if !self.paused && !channels.is_empty() {
            self.pumped = self.end();
        }
        for recovering in channels.into_values() {
            let channel = recovering.into_channel(self.pumped, clock, options.max_defer_timeout);
            if channel.ephemeral {
                // It went with the process; what is published from now on is not its.
                self.stage_record(&Record::ChannelDeleted(channel.number));
            } else {
                self.insert_channel(channel);
            }
        }
    }

    /// Makes the journal as durable as the topic's settings say, or the daemon's if they do not.
    pub fn apply_durability(&mut self, options: &Options) {
        let durability = self.settings.durability.unwrap_or(options.durability);
        self.journal.set_durability(match durability {
            Durability::Memory => journal::Durability::Memory,
            Durability::Os => journal::Durability::Os,
            Durability::Fsync => journal::Durability::Fsync,
        });
    }
}

impl Replay {
    fn new(mut image: TopicImage) -> Replay {
        let channels = std::mem::take(&mut image.channels);
        let channels = channels.into_iter().map(|image| (image.number, Recovering::new(image))).collect();
        Replay { image, channels, starts: VecDeque::new(), begun: None, unknown: 0 }
    }

    fn apply(&mut self, record: journal::Record<'_>) {
        while self.starts.front().is_some_and(|start| *start <= record.position.0) {
            self.begun = self.starts.pop_front();
        }
        match record.kind {
            KIND_MESSAGE | KIND_PRIVATE | KIND_COPY => match Message::decode(record.payload) {
                Some(message) => self.message(&message, record.position.0, record.kind),
                None => self.unknown += 1,
            },
            kind => match Record::decode(kind, record.payload) {
                Some(event) => self.event(event, record.position.0),
                None => self.unknown += 1,
            },
        }
    }

    fn message(&mut self, message: &Message<'_>, at: u64, kind: u8) {
        let id = message.id_at(self.image.tag, at).0;
        let apart = ImagedMessage { at, id, attempts: message.attempts, due: message.due, behind: at };
        if kind == KIND_COPY {
            if let Some(from) = message.moved_from {
                self.channels.values_mut().for_each(|channel| channel.moved(from, at));
                self.image.held.iter_mut().filter(|held| held.at == from).for_each(|held| held.at = at);
            }
            return;
        }
        if let Some(number) = message.channel {
            if let Some(channel) = self.channels.get_mut(&number) {
                channel.set_apart(apart);
            }
            return;
        }
        let mark = |at| Milestone { at, sequence: self.image.sequence, time: message.timestamp };
        match self.begun.take() {
            Some(start) => self.image.milestones.begin(mark(start)),
            None => self.image.milestones.pass(mark(at), self.image.settings.bytes_max),
        }
        let flows = !self.image.paused && !self.channels.is_empty();
        if message.due != 0 {
            if flows {
                self.channels.values_mut().for_each(|channel| channel.set_apart(apart));
            } else {
                self.image.held.push(apart);
            }
            return;
        }
        self.image.sequence += 1;
        if flows {
            self.channels.values_mut().for_each(|channel| channel.pumped(1));
        } else {
            self.image.waiting += 1;
        }
    }

    fn event(&mut self, event: Record, at: u64) {
        match event {
            Record::TopicCreated { tag, .. } => self.image.tag = tag,
            Record::TopicPaused(paused) => {
                if !self.image.paused && !self.channels.is_empty() {
                    self.image.pumped = at;
                }
                self.image.paused = paused;
                self.pump(at);
            }
            Record::TopicEmptied(from, to) => {
                self.image.waiting = 0;
                self.image.held.clear();
                self.image.pumped = to;
                self.channels.values_mut().for_each(|channel| channel.add_hole(from, to));
            }
            Record::Configured(None, json) => match serde_json::from_str(&json) {
                Ok(settings) => self.image.settings = settings,
                Err(_) => self.unknown += 1,
            },
            Record::ChannelCreated { number, cursor, name } => {
                let image = ChannelImage { number, cursor, name, ..ChannelImage::default() };
                self.channels.insert(number, Recovering::new(image));
                self.image.next_number = self.image.next_number.max(number + 1);
                self.pump(at);
            }
            Record::ChannelDeleted(number) => {
                let last = self.channels.remove(&number).is_some() && self.channels.is_empty();
                // What waits in a paused topic goes on waiting.
                if last && !self.image.paused {
                    self.image.pumped = at;
                }
            }
            Record::Dropped { floor, channels } => self.dropped(floor, channels),
            other => {
                let end = if self.image.paused { self.image.pumped } else { at };
                self.channel_event(other, end);
            }
        }
    }

    /// The stream ended at `end` then.
    fn channel_event(&mut self, event: Record, end: u64) {
        let number = match &event {
            Record::Finished(n, _)
            | Record::Requeued(n, _)
            | Record::ChannelPaused(n, _)
            | Record::ChannelEmptied(n, _)
            | Record::Configured(Some(n), _)
            | Record::ChannelSought { number: n, .. } => *n,
            _ => return,
        };
        // A channel that was deleted since may have had its last events written after that.
        let Some(channel) = self.channels.get_mut(&number) else { return };
        match event {
            Record::Finished(_, positions) => positions.into_iter().for_each(|at| channel.finished(at)),
            Record::Requeued(_, list) => list.into_iter().for_each(|one| channel.requeued(one, end)),
            Record::ChannelPaused(_, paused) => channel.image.paused = paused,
            Record::ChannelEmptied(_, to) => channel.emptied(to),
            Record::ChannelSought { seek, .. } => channel.sought(seek),
            Record::Configured(_, json) => match serde_json::from_str(&json) {
                Ok(settings) => channel.image.settings = settings,
                Err(_) => self.unknown += 1,
            },
            _ => {}
        }
    }

    fn dropped(&mut self, floor: u64, channels: Vec<(ChannelNumber, u64)>) {
        for (number, count) in channels {
            if let Some(channel) = self.channels.get_mut(&number) {
                channel.dropped(floor, count);
            }
        }
        if self.image.pumped < floor {
            self.image.pumped = floor;
            let first =
                self.image.milestones.at_or_after(floor).map_or(self.image.sequence, |mark| mark.sequence);
            self.image.waiting = self.image.waiting.min(self.image.sequence.saturating_sub(first));
            self.image.held.retain(|message| message.at >= floor);
        }
    }

    /// Hands what waits to the channels, as [`Topic::pump`] does; the journal ends at `end`.
    fn pump(&mut self, end: u64) {
        if self.image.paused || self.channels.is_empty() {
            return;
        }
        let waiting = std::mem::take(&mut self.image.waiting);
        let held = std::mem::take(&mut self.image.held);
        self.image.pumped = end;
        for channel in self.channels.values_mut() {
            channel.pumped(waiting);
            held.iter().for_each(|message| channel.set_apart(*message));
        }
    }
}
