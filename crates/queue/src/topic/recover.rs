//! Recovery of a topic from its journal.
//!
//! The image in the last checkpoint is loaded, then every later record is applied in order, with the effect
//! that it had when it was written. A malformed record with a valid checksum was written by another version;
//! it is counted and skipped, and the topic counts as complete otherwise.

use std::path::Path;
use std::sync::Arc;

use journal::{Damage, Files, Recovered, Recovery};

use super::image::TopicImage;
use super::recount::Recount;
use super::replay::Replay;
use super::{Topic, at};
use crate::clock::Clock;
use crate::message::Position;
use crate::options::QueueOptions;
use crate::record::Record;

/// The reason a topic could not be opened.
#[derive(Debug)]
pub enum RecoverError {
    /// The journal could not be opened.
    Open(journal::OpenError),
    /// The checkpoint is intact, but this program cannot read it.
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

/// Facts known about a topic before it is opened.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Tag of its ids, unless its journal has another.
    pub tag: u32,
    /// Minimum end of its journal.
    pub end: Position,
}

/// Findings of opening a topic.
#[derive(Debug, Default)]
pub struct Found {
    /// Damage before and after the checkpoint, and bytes cut off.
    pub journal: Recovered,
    /// Minimum of lost messages by channel: unfinished and not to be delivered.
    pub lost: Vec<(String, u64)>,
    /// Lost messages that belong to no known channel.
    pub lost_elsewhere: u64,
    /// Records written by another version.
    pub unknown: u64,
}

impl Found {
    /// Notes damage that replay may not have met.
    fn note(&mut self, damage: Damage) {
        if !self.journal.damage.contains(&damage) {
            self.journal.note(damage);
        }
    }
}

impl<W> Topic<W> {
    /// Opens the topic with its journal in `dir`, or creates it. Up to `recount` bytes are read again for a
    /// recount; the bytes read are subtracted from it.
    pub fn open(
        name: &str,
        known: Known,
        files: Arc<dyn Files>,
        dir: &Path,
        options: &QueueOptions,
        clock: Clock,
        recount: &mut u64,
    ) -> Result<(Topic<W>, Found), RecoverError> {
        let journal_options = options.journal(options.durability_of_files());
        let mut recovery = Recovery::open(files, dir, journal_options).map_err(RecoverError::Open)?;
        recovery.expect_end(at(known.end));
        let image = match recovery.checkpoint() {
            Some(checkpoint) => TopicImage::decode(&checkpoint.payload).ok_or(RecoverError::Checkpoint)?,
            None => TopicImage { tag: known.tag, next_number: 1, ..TopicImage::default() },
        };
        let replay_from = recovery.checkpoint().map(|checkpoint| checkpoint.replay_from.0);
        let mut replay = Replay::new(image, replay_from.unwrap_or(0));
        replay.starts = recovery.segment_starts().map(|start| start.0).collect();
        let (journal, recovered) =
            recovery.replay(|entry| replay.apply(entry)).map_err(RecoverError::Open)?;
        let mut found = Found { journal: recovered, ..Found::default() };
        let fresh = journal.end().0 == 0 && replay_from.is_none();
        if fresh {
            return Ok((Topic::create(name, known.tag, journal, options), found));
        }
        replay.settle(&journal, recount, &mut found).map_err(RecoverError::Open)?;
        let mut topic = Topic::create(name, replay.image.tag, journal, options);
        topic.journal.discard();
        topic.restore(replay, options, clock);
        Ok((topic, found))
    }

    fn restore(&mut self, replay: Replay, options: &QueueOptions, clock: Clock) {
        let Replay { image, channels, damaged, .. } = replay;
        self.damaged = damaged;
        self.paused = image.paused;
        self.next_number = image.next_number;
        self.pumped = image.pumped;
        self.waiting = image.waiting;
        self.sequence = image.sequence;
        self.milestones = image.milestones;
        self.set_backs = image.set_backs;
        if image.wall > clock.wall.0 {
            self.set_backs.add(self.end(), clock.wall.0);
        }
        self.settings = image.settings;
        self.apply_durability(options);
        for message in &image.held {
            let due = clock.until(message.due, options.settings.max_defer_timeout).unwrap_or(clock.now);
            self.held.push((due, message.as_waiting()));
        }
        if !self.paused && !channels.is_empty() {
            self.pumped = self.end();
        }
        for recovering in channels.into_values() {
            let channel = recovering.into_channel(self.pumped, clock, options.settings.max_defer_timeout);
            if channel.ephemeral {
                // Deleted with the previous process: a channel of this name created later must not get its
                // messages.
                self.stage_record(&Record::ChannelDeleted(channel.number));
            } else {
                self.insert_channel(channel);
            }
        }
    }
}

impl Replay {
    /// Recounts, within the budget, and gives up what cannot be read.
    fn settle(
        &mut self,
        journal: &journal::Journal,
        budget: &mut u64,
        found: &mut Found,
    ) -> Result<(), journal::OpenError> {
        let mut counts = Vec::new().into_iter();
        if let Some(recount) = Recount::run(self, journal, budget)? {
            counts = recount.channels.into_iter();
            recount.damage.into_iter().for_each(|damage| found.note(damage));
            self.damaged = recount.damaged;
            if !self.flows() {
                let lost = self.image.waiting.saturating_sub(recount.waiting);
                self.lost_elsewhere = self.lost_elsewhere.saturating_add(lost);
                self.image.waiting = recount.waiting;
            }
        }
        let damaged = std::mem::take(&mut self.damaged);
        for channel in self.lasting() {
            channel.settle(counts.next().map(|tally| tally.count), &damaged);
            if channel.lost() > 0 {
                found.lost.push((channel.image.name.clone(), channel.lost()));
            }
        }
        self.damaged = damaged;
        let held = self.image.held.len();
        self.image.held.retain(|message| !self.damaged.contains(message.at));
        let lost = self.unread + (held - self.image.held.len()) as u64;
        (found.lost_elsewhere, found.unknown) = (self.lost_elsewhere.saturating_add(lost), self.unknown);
        Ok(())
    }
}
