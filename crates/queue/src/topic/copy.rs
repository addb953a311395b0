//! Freeing segments that are pinned by a few messages.
//!
//! Most messages behind every cursor are dead; some wait: deferred for days, or requeued again and again.
//! When the live ones are no more than a quarter of the bytes behind all cursors ([`LIVE_SHARE`]), a pass
//! appends them again, as copies that no cursor reads, and gives every channel the new positions; the next
//! checkpoint then frees the segments.
//!
//! So behind every cursor there are at most three dead bytes per live one, except in the segment of the
//! lowest cursor and the active one. And a pass that copies one byte frees three dead ones: copying adds at
//! most a third to what publishers write, however long messages wait.
//!
//! A pass goes in steps of about a mebibyte, one read job at a time, so that neither the shard nor the
//! reading thread delays consumers for long. It begins with a sample, because only the records say how long
//! waiting messages are.

use journal::{Block, ReadOutcome};
use rustc_hash::{FxHashMap, FxHashSet};

use super::pass::{Copied, CopyJob, Pass, TooMuchAlive};
use super::{Topic, at};
use crate::clock::Clock;
use crate::error::JournalRefusal;
use crate::message::{Message, Position};
use crate::record::KIND_COPY;

/// Fraction (one in this many) of live bytes behind all cursors up to which a pass is made.
const LIVE_SHARE: u64 = 4;
/// Messages read to estimate their length.
const SAMPLE: usize = 32;
/// Most messages copied in one step.
const STEP_MESSAGES: usize = 2048;
/// Approximate bytes copied in one step.
const STEP_BYTES: u64 = 1 << 20;
/// Length of the shortest record of a message.
const RECORD_BYTES_MIN: u64 = 18;
/// Bytes read from a file for one message.
const READ_BYTES: usize = 4096;

impl<W> Topic<W> {
    /// Begins a pass, if there are segments pinned by few messages whose copies fit in `room` bytes. Called
    /// when a checkpoint has come into force.
    pub fn clean(&mut self, now_wall: i64, room: u64) -> Option<CopyJob> {
        if self.pass.is_some() {
            return None;
        }
        let (to, bytes) = self.passed_segments(now_wall)?;
        let live = self.live_before(to, bytes / LIVE_SHARE)?;
        let step = live.len().div_ceil(SAMPLE).max(1);
        let sample: Vec<Position> = live.iter().copied().step_by(step).collect();
        self.pass = Some(Pass { to, bytes, room, left: live, step: 0, copied: 0, moved: 0 });
        Some(self.read_all(&sample))
    }

    /// Copies the messages that were read, and returns the next step of the pass.
    ///
    /// # Errors
    /// The journal accepted no copies; the pass has ended.
    pub fn copy_forward(&mut self, copied: &Copied, clock: Clock) -> Result<Option<CopyJob>, JournalRefusal> {
        let Some(mut pass) = self.pass.take() else { return Ok(None) };
        if self.lowest_cursor() < pass.to {
            // A channel was moved back and needs those segments.
            return Ok(None);
        }
        if pass.step == 0 {
            let bytes: u64 = copied.blocks.iter().filter_map(first_bytes).sum();
            let mean = (bytes / copied.blocks.len().max(1) as u64).max(1);
            pass.step = ((STEP_BYTES / mean) as usize).clamp(1, STEP_MESSAGES);
            let alive = mean * pass.left.len() as u64;
            if alive > pass.bytes / LIVE_SHARE {
                self.refuse(&pass);
                return Ok(None);
            }
            if alive > pass.room {
                return Ok(None);
            }
        } else {
            self.copy_blocks(copied, &mut pass, clock)?;
            if pass.copied > 2 * (pass.bytes / LIVE_SHARE) {
                // The sample was not representative.
                self.refuse(&pass);
                return Ok(None);
            }
        }
        if pass.left.is_empty() {
            self.too_much_alive = None;
            self.checkpointing.wanted |= pass.moved > 0;
            return Ok(None);
        }
        let next = pass.left.split_off(pass.left.len().saturating_sub(pass.step));
        self.pass = Some(pass);
        Ok(Some(self.read_all(&next)))
    }

    /// The end and size in bytes of the closed segments that neither a cursor nor replay needs.
    fn passed_segments(&self, now_wall: i64) -> Option<(Position, u64)> {
        let floor = self.checkpointing.settled?.min(self.lowest_cursor()).min(self.retained_from(now_wall));
        let passed = self.journal.segments().take_while(|segment| !segment.active && segment.end.0 <= floor);
        let sum = |(_, bytes), segment: journal::SegmentInfo| (segment.end.0, bytes + segment.bytes);
        Some(passed.fold((0, 0), sum)).filter(|&(_, bytes)| bytes > 0)
    }

    /// Live messages before `end`, the oldest last; `None` if there are none, or if they exceed `bytes_max`.
    fn live_before(&self, end: Position, bytes_max: u64) -> Option<Vec<Position>> {
        let count = self.live_positions().filter(|&position| position < end).count();
        let at_least = (count / self.channel_count.max(1)) as u64 * RECORD_BYTES_MIN;
        let bytes = bytes_max * LIVE_SHARE;
        let as_before = self.too_much_alive.is_some_and(|before| {
            bytes < before.bytes + before.bytes / 4 && count > before.messages - before.messages / 4
        });
        if count == 0 || at_least > bytes_max || as_before {
            return None;
        }
        let mut live: Vec<Position> = self.live_positions().filter(|&position| position < end).collect();
        live.sort_unstable_by_key(|&position| std::cmp::Reverse(position));
        live.dedup();
        Some(live)
    }

    /// Positions of messages still needed that no cursor will read; repeated for each channel that needs
    /// them.
    pub(super) fn live_positions(&self) -> impl Iterator<Item = Position> {
        let channels = self.iter().flat_map(|(_, channel)| {
            let flights = channel.in_flight().iter().map(|flight| flight.at);
            flights.chain(channel.waiting().map(|message| message.at))
        });
        channels.chain(self.held.iter().map(|(_, message)| message.at))
    }

    /// Notes that a pass is not worthwhile until there is more to free or less to copy.
    fn refuse(&mut self, pass: &Pass) {
        let messages = self.live_positions().filter(|&position| position < pass.to).count();
        self.too_much_alive = Some(TooMuchAlive { bytes: pass.bytes, messages });
    }

    fn read_all(&mut self, positions: &[Position]) -> CopyJob {
        let mut copy = CopyJob { jobs: Vec::new(), blocks: Vec::new() };
        for &position in positions {
            match self.journal.read_one(at(position), READ_BYTES) {
                ReadOutcome::Block(block) => copy.blocks.push(block),
                ReadOutcome::NeedsDisk(job) => copy.jobs.push(job),
                ReadOutcome::AtEnd | ReadOutcome::Gone { .. } => {}
            }
        }
        copy
    }

    /// Appends the messages that were read and gives the channels their new positions.
    fn copy_blocks(&mut self, copied: &Copied, pass: &mut Pass, clock: Clock) -> Result<(), JournalRefusal> {
        // Events name the old positions, so they go first.
        self.commit(clock)?;
        let read: FxHashSet<Position> = copied.blocks.iter().map(|block| block.start().0).collect();
        let live: FxHashSet<Position> = self.live_positions().filter(|at| read.contains(at)).collect();
        let mut moved = FxHashMap::default();
        let before = self.end();
        for block in &copied.blocks {
            let from = block.start().0;
            let Some(record) = block.records().next() else {
                // Unreadable for good: it must not pin its segment.
                self.iter_mut().for_each(|(_, channel)| channel.lose_waiting(from));
                self.held.retain(|(_, message)| message.at != from);
                continue;
            };
            let Some(message) = Message::decode(record.payload).filter(|_| live.contains(&from)) else {
                continue;
            };
            let id = message.id_at(self.tag, from).0;
            let copy = Message { id: Some(id), moved_from: Some(from), ..message };
            self.scratch.clear();
            copy.encode_head(&mut self.scratch);
            let to = self.journal.append(KIND_COPY, &[&self.scratch, copy.body]);
            match to {
                Ok(to) => moved.insert(from, to.0),
                Err(why) => {
                    self.journal.discard();
                    return Err(why.into());
                }
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
        pass.moved += moved.len();
        pass.copied += self.end() - before;
        Ok(())
    }
}

/// Length in bytes of the message at the start of a block.
fn first_bytes(block: &Block) -> Option<u64> {
    block.records().next().map(|record| record.next - record.position)
}
