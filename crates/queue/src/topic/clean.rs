//! Giving disk space back.
//!
//! Whole segments go once nobody needs anything in them, which is decided whenever a checkpoint is in force. A segment that only a
//! few messages pin (deferred for days, or requeued again and again) is cleaned: those messages are appended once more, as
//! copies that no cursor reads, and every channel is told the new place.

use journal::{Block, ReadJob, ReadOutcome, RemoveJob};
use rustc_hash::FxHashMap;

use super::milestones::Milestone;
use super::{Topic, at};
use crate::clock::Clock;
use crate::message::{Message, Position};
use crate::record::KIND_COPY;

/// Most messages that are copied at once.
const COPY_MAX: usize = 512;
/// A segment is cleaned if no more than this part of it is alive.
const LIVE_SHARE: u64 = 4;

/// Reads of messages that are to be copied forward.
#[derive(Debug)]
pub struct Copy {
    /// What has to be read from files first.
    pub jobs: Vec<ReadJob>,
    /// What was in memory.
    pub blocks: Vec<Block>,
}

/// Those messages, read.
#[derive(Debug)]
pub struct Copied {
    /// One block per message, the message first in it.
    pub blocks: Vec<Block>,
}

impl<W> Topic<W> {
    /// Releases the segments that nobody needs. To be called when a checkpoint has come into force, and again if they could
    /// not be deleted.
    pub fn release(&mut self, now_wall: i64) -> Option<RemoveJob> {
        let job = self.journal.release(at(self.needed_from(now_wall)));
        let first = self.journal.first().0;
        self.milestones.forget_before(first);
        self.damaged.forget_before(first);
        self.set_backs.forget_before(first);
        job
    }

    /// The oldest position that anybody needs.
    fn needed_from(&self, now_wall: i64) -> Position {
        let mut floor = self.lowest_cursor();
        for (_, channel) in self.iter() {
            floor = floor.min(channel.oldest_needed().unwrap_or(floor));
        }
        floor = floor.min(self.held.iter().map(|(_, message)| message.at).min().unwrap_or(floor));
        floor.min(self.retained_from(now_wall))
    }

    /// If nobody needs anything any more, and the segment in use has `bytes_min` or more, begins a new one, so that the next
    /// checkpoint gives its space back. For idle topics and a full disk; otherwise a segment goes when the next one is begun.
    pub fn begin_anew(&mut self, bytes_min: u64, clock: Clock) {
        let active = self.journal.segments().next_back().map_or(0, |segment| segment.bytes);
        if self.in_memory() || active < bytes_min || self.commit(clock).is_err() {
            return;
        }
        let end = self.pumped;
        self.iter_mut().for_each(|(_, channel)| channel.pass_events(end));
        if self.needed_from(clock.wall.0) < self.end() {
            return;
        }
        self.journal.seal();
        // Says what is so already: a segment begins with a record.
        let _ = self.pause(self.is_paused(), clock);
    }

    /// The oldest position that is kept for replay.
    fn retained_from(&self, now_wall: i64) -> Position {
        if self.settings.retention_seconds == 0 {
            return Position::MAX;
        }
        let age =
            i64::try_from(self.settings.retention_seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
        let old = now_wall.saturating_sub(age);
        let latest = |mark: Milestone| mark.time.min(self.set_backs.latest(mark.at));
        let by_age = self.milestones.last_where(|mark| latest(mark) <= old).map_or(0, |mark| mark.at);
        match self.settings.retention_bytes {
            0 => by_age,
            bytes => by_age.max(self.end().saturating_sub(bytes)),
        }
    }

    /// Memory topics have no checkpoints: what every channel is done with is dropped once enough was written.
    pub fn release_memory(&mut self, spacing: u64) {
        if self.in_memory() && self.end() - self.released >= spacing {
            self.released = self.end();
            let _ = self.release(0);
        }
    }

    /// What to read in order to free the oldest segment, if only a few messages pin it.
    pub fn clean(&mut self) -> Option<Copy> {
        let floor = self.checkpointing.floor?;
        let oldest = self.journal.segments().next().filter(|s| !s.active && s.end.0 <= floor.cursor)?;
        if self.settings.retention_seconds > 0 {
            return None;
        }
        let live = self.live_before(oldest.end.0)?;
        let each = self.counters.bytes.checked_div(self.counters.messages).unwrap_or(0).max(256);
        if live.is_empty() || live.len() as u64 * each > oldest.bytes / LIVE_SHARE {
            return None;
        }
        let mut copy = Copy { jobs: Vec::new(), blocks: Vec::new() };
        for position in live {
            match self.journal.read_one(at(position), 4096) {
                ReadOutcome::Block(block) => copy.blocks.push(block),
                ReadOutcome::NeedsDisk(job) => copy.jobs.push(job),
                ReadOutcome::AtEnd | ReadOutcome::Gone { .. } => {}
            }
        }
        Some(copy)
    }

    /// Appends what was read and tells the channels. Gives how many messages have moved.
    pub fn copy_forward(&mut self, copied: Copied, clock: Clock) -> Result<usize, String> {
        // Events name the old positions: they go first.
        self.commit(clock)?;
        let live: rustc_hash::FxHashSet<Position> = self.live_positions().collect();
        let mut moved = FxHashMap::default();
        for block in &copied.blocks {
            let Some(record) = block.records().next() else {
                // Nobody will ever read it: it must not pin its segment.
                self.iter_mut().for_each(|(_, channel)| channel.lose_waiting(block.start().0));
                self.held.retain(|(_, message)| message.at != block.start().0);
                continue;
            };
            let from = record.position.0;
            let Some(message) = Message::decode(record.payload).filter(|_| live.contains(&from)) else {
                continue;
            };
            let id = message.id_at(self.tag, from).0;
            let copy = Message { id: Some(id), moved_from: Some(from), ..message };
            self.scratch.clear();
            copy.encode_head(&mut self.scratch);
            match self.journal.append(KIND_COPY, &[&self.scratch, copy.body]) {
                Ok(to) => moved.insert(from, to.0),
                Err(_) => break,
            };
        }
        self.commit(clock)?;
        for (_, channel) in self.iter_mut() {
            channel.relocate(|position| moved.get(&position).copied());
        }
        for (_, message) in &mut self.held {
            message.at = moved.get(&message.at).copied().unwrap_or(message.at);
        }
        self.counters.copied += moved.len() as u64;
        Ok(moved.len())
    }

    /// Messages before `end` that somebody still needs; `None` if they are too many to be copied.
    fn live_before(&self, end: Position) -> Option<Vec<Position>> {
        let mut live: Vec<Position> = Vec::new();
        for position in self.live_positions().filter(|&position| position < end) {
            live.push(position);
            if live.len() > COPY_MAX * self.channel_count.max(1) {
                return None;
            }
        }
        live.sort_unstable();
        live.dedup();
        live.truncate(COPY_MAX);
        Some(live)
    }

    fn live_positions(&self) -> impl Iterator<Item = Position> {
        let channels = self.iter().flat_map(|(_, channel)| {
            channel
                .in_flight()
                .iter()
                .map(|flight| flight.at)
                .chain(channel.waiting().map(|message| message.at))
        });
        channels.chain(self.held.iter().map(|(_, message)| message.at))
    }
}
