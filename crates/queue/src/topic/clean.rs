//! Freeing disk space.
//!
//! Whole segments are deleted once nothing in them is needed, which is decided whenever a checkpoint is in
//! force. Segments pinned by a few messages are freed by [`super::copy`].

use journal::RemoveJob;

use super::milestones::Milestone;
use super::{Topic, at};
use crate::clock::Clock;
use crate::message::Position;

/// Size below which the active segment is not ended because of dead messages.
const DEAD_BYTES_MIN: u64 = 1 << 20;
/// Fraction (one in this many) of live data up to which the active segment is ended.
const ALIVE_SHARE: u64 = 8;

impl<W> Topic<W> {
    /// Releases the segments no longer needed. Called when a checkpoint has come into force, and again if a
    /// deletion failed.
    pub fn release(&mut self, now_wall: i64) -> Option<RemoveJob> {
        let mut floor = self.needed_from(now_wall);
        if !self.in_memory() {
            floor = floor.min(self.checkpointing.needed);
        }
        let job = self.journal.release(at(floor));
        let first = self.journal.first().0;
        self.milestones.forget_before(first);
        self.damaged.forget_before(first);
        self.set_backs.forget_before(first);
        job
    }

    /// The oldest position still needed.
    pub(super) fn needed_from(&self, now_wall: i64) -> Position {
        let mut floor = self.lowest_cursor();
        for (_, channel) in self.iter() {
            floor = floor.min(channel.oldest_needed().unwrap_or(floor));
        }
        floor = floor.min(self.held.iter().map(|(_, message)| message.at).min().unwrap_or(floor));
        floor.min(self.retained_from(now_wall))
    }

    /// Begins a new segment if the active one has `bytes_min` or more and nothing, or only little of a large
    /// segment, is still needed, so that the next checkpoint frees it. For idle topics and a full disk;
    /// otherwise a segment is freed when the next one is begun.
    pub fn begin_anew(&mut self, bytes_min: u64, clock: Clock) {
        let active = self.journal.segments().next_back().map_or(0, |segment| segment.bytes);
        // After a restart, a channel that has finished everything is still at the cursor of its checkpoint.
        self.pass_events();
        if self.in_memory() || active < bytes_min || self.commit(clock).is_err() {
            return;
        }
        self.pass_events();
        if self.needed_from(clock.wall.0) < self.end() && !self.is_mostly_dead(active, clock.wall.0) {
            return;
        }
        self.journal.seal();
        // Repeats the present state: a segment must begin with a record.
        let _ = self.pause(self.is_paused(), clock);
    }

    /// Moves channels that have finished everything past the events written since.
    pub(super) fn pass_events(&mut self) {
        let end = self.pumped;
        self.iter_mut().for_each(|(_, channel)| channel.pass_events(end));
    }

    /// True if few messages are still needed of the `active` bytes in the active segment, which all cursors
    /// have passed.
    fn is_mostly_dead(&self, active: u64, now_wall: i64) -> bool {
        let passed = self.lowest_cursor().min(self.retained_from(now_wall)) >= self.end();
        let mean = self.counters.bytes.checked_div(self.counters.messages).unwrap_or(0).max(256);
        let alive = self.live_positions().count() as u64 * mean;
        passed && active >= DEAD_BYTES_MIN && alive <= active / ALIVE_SHARE
    }

    /// The oldest position kept for replay.
    pub(super) fn retained_from(&self, now_wall: i64) -> Position {
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

    /// Drops messages in memory that every channel has finished and that are not kept for replay, once
    /// `spacing` bytes were written. Memory topics have no checkpoints.
    pub fn release_memory(&mut self, spacing: u64, now_wall: i64) {
        if self.in_memory() && self.end() - self.released >= spacing {
            self.released = self.end();
            let _ = self.release(now_wall);
        }
    }

    /// True if messages in memory are kept for replay: they become free by time alone.
    pub fn keeps_in_memory(&self) -> bool {
        self.in_memory() && self.settings.retention_seconds > 0 && self.journal.memory_bytes() > 0
    }
}
