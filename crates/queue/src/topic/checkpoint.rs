//! Checkpoints of a topic: everything a restart would otherwise have to read the whole journal for.
//!
//! A checkpoint is due when enough was written since the last one, where "enough" grows with the size of the checkpoint
//! itself, so that a million deferred messages do not make the daemon write them out all day. What a crash costs is
//! bounded by the same amount: replay reads from the last checkpoint on.

use journal::{CheckpointDone, CheckpointJob, RemoveJob};

use super::milestones::Milestones;
use super::{Topic, at};
use crate::channel::{ChannelImage, ImagedMessage};
use crate::clock::Clock;
use crate::message::Position;
use crate::record::{ChannelNumber, Reader, difference, number};
use crate::settings::TopicSettings;

/// Bytes of journal after which a checkpoint is due, at least.
const SPACING: u64 = 8 << 20;
/// Version 1 lacks the places of messages that wait again.
const VERSION: u64 = 2;

/// Where checkpointing stands.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// End of the journal when the last checkpoint was begun.
    last: Position,
    last_bytes: u64,
    under_way: Option<Floor>,
    /// The floor of the checkpoint in force.
    pub floor: Option<Floor>,
}

/// What a checkpoint needs of the journal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Floor {
    /// Lowest cursor.
    pub cursor: Position,
}

/// A topic as a checkpoint keeps it.
#[derive(Debug, Default)]
pub(super) struct TopicImage {
    pub tag: u32,
    pub paused: bool,
    pub settings: TopicSettings,
    pub next_number: ChannelNumber,
    pub pumped: Position,
    pub waiting: u64,
    pub sequence: u64,
    pub held: Vec<ImagedMessage>,
    pub milestones: Milestones,
    pub channels: Vec<ChannelImage>,
}

impl<W> Topic<W> {
    /// True if a checkpoint is worth its while. `idle` asks for one even if little was written.
    pub fn wants_checkpoint(&self, idle: bool) -> bool {
        let written = self.end() - self.checkpointing.last.min(self.end());
        let enough = if idle { 1 } else { SPACING.max(self.checkpointing.last_bytes) };
        !self.in_memory() && self.checkpointing.under_way.is_none() && written >= enough
    }

    /// Begins a checkpoint. What the channels noted is written first. `None` if it cannot be begun now.
    pub fn checkpoint(&mut self, clock: Clock) -> Option<CheckpointJob> {
        if self.in_memory() || self.commit(clock).is_err() {
            return None;
        }
        let mut payload = Vec::new();
        self.encode_image(clock, &mut payload);
        let end = self.end();
        self.checkpointing.last_bytes = payload.len() as u64;
        let job = self.journal.checkpoint(at(end), payload).ok()?;
        self.checkpointing.last = end;
        self.checkpointing.under_way = Some(Floor { cursor: self.lowest_cursor() });
        Some(job)
    }

    /// Takes back a checkpoint, and releases what is no longer needed. The error is for the log.
    pub fn checkpointed(&mut self, done: CheckpointDone, now_wall: i64) -> Result<Option<RemoveJob>, String> {
        let floor = self.checkpointing.under_way.take();
        self.journal.checkpointed(done).map_err(|e| e.to_string())?;
        self.checkpointing.floor = floor;
        Ok(self.release(now_wall))
    }

    fn encode_image(&self, clock: Clock, out: &mut Vec<u8>) {
        let settings = serde_json::to_string(&self.settings).unwrap_or_default();
        number(VERSION, out);
        number(u64::from(self.tag), out);
        number(u64::from(self.paused), out);
        crate::channel::text(&settings, out);
        for n in
            [u64::from(self.next_number), self.pumped, self.waiting, self.sequence, self.held.len() as u64]
        {
            number(n, out);
        }
        for (due, message) in &self.held {
            number(message.at, out);
            difference(message.at, message.id, out);
            number(u64::from(message.attempts), out);
            number(clock.to_wall(*due) as u64, out);
        }
        self.milestones.encode(out);
        number(self.channel_count as u64, out);
        for (_, channel) in self.iter() {
            channel.image(clock).encode(out);
        }
    }
}

impl TopicImage {
    /// Reads what a checkpoint holds. `None` if it is not well-formed.
    pub fn decode(payload: &[u8]) -> Option<TopicImage> {
        let mut from = Reader(payload);
        let version = from.number()?;
        if !(1..=VERSION).contains(&version) {
            return None;
        }
        let mut image = TopicImage {
            tag: u32::try_from(from.number()?).ok()?,
            paused: from.flag()?,
            settings: serde_json::from_str(&crate::channel::read_text(&mut from)?).ok()?,
            next_number: from.channel()?,
            pumped: from.number()?,
            waiting: from.number()?,
            sequence: from.number()?,
            ..TopicImage::default()
        };
        for _ in 0..from.number()? {
            let at = from.number()?;
            let id = from.difference(at)?;
            let attempts = u16::try_from(from.number()?).ok()?;
            image.held.push(ImagedMessage { at, id, attempts, due: from.number()? as i64, behind: 0 });
        }
        image.milestones = Milestones::decode(&mut from)?;
        for _ in 0..from.number()? {
            image.channels.push(ChannelImage::decode(&mut from, version)?);
        }
        from.0.is_empty().then_some(image)
    }
}
