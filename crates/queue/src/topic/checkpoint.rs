//! Checkpoints of a topic, which save a restart from reading the whole journal.
//!
//! A checkpoint is due when enough was written since the last one. "Enough" grows with the size of the
//! checkpoint itself, so that a million deferred messages are not rewritten all day. The same amount bounds
//! the cost of a crash: replay starts at the last checkpoint.

use journal::{CheckpointDone, CheckpointError, CheckpointJob, RemoveJob};

use super::image::VERSION;
use super::progress::{Begun, Progress};
use super::{Topic, at};
use crate::clock::Clock;
use crate::record::{difference, number};

/// Minimum of journal bytes between two checkpoints.
const SPACING: u64 = 8 << 20;
impl<W> Topic<W> {
    /// True if a checkpoint is due. `idle` asks for one even if little was written, `again` for a retry of a
    /// failed one.
    pub fn wants_checkpoint(&self, idle: bool, again: bool) -> bool {
        let Progress { last, last_bytes, under_way, failed, wanted, .. } = &self.checkpointing;
        let written = self.end() - *last.min(&self.end());
        let enough = if idle { u64::from(!self.wants_set_backs_saved()) } else { SPACING.max(*last_bytes) };
        let due = if *failed { again } else { written >= enough || *wanted };
        !self.in_memory() && under_way.is_none() && due
    }

    /// True if a checkpoint is wanted although little was written.
    pub fn wants_another_checkpoint(&self) -> bool {
        self.checkpointing.wanted
    }

    /// Begins a checkpoint, after writing the channels' events. `None` if it cannot begin now.
    pub fn checkpoint(&mut self, clock: Clock) -> Option<CheckpointJob> {
        if self.in_memory() || self.commit(clock).is_err() {
            return None;
        }
        let mut payload = Vec::new();
        self.encode_image(clock, &mut payload);
        let end = self.end();
        self.checkpointing.last_bytes = payload.len() as u64;
        let job = self.journal.checkpoint(at(end), payload).ok()?;
        let before = std::mem::replace(&mut self.checkpointing.last, end);
        self.set_backs.saved();
        self.checkpointing.wanted = false;
        let quiet = end - before.min(end) < SPACING;
        let (cursor, needed) = (self.lowest_cursor(), self.needed_from(clock.wall.0));
        self.checkpointing.under_way = Some(Begun { cursor, needed, quiet, before });
        Some(job)
    }

    /// Takes a finished checkpoint and releases segments no longer needed.
    pub fn checkpointed(
        &mut self,
        done: CheckpointDone,
        now_wall: i64,
    ) -> Result<Option<RemoveJob>, CheckpointError> {
        let begun = self.checkpointing.under_way.take();
        let result = self.journal.checkpointed(done);
        self.checkpointing.failed = result.is_err();
        if result.is_err() {
            self.checkpointing.last = begun.map_or(self.checkpointing.last, |begun| begun.before);
        }
        result?;
        let Some(Begun { cursor, needed, quiet, .. }) = begun else { return Ok(None) };
        self.checkpointing.needed = needed;
        let before = self.checkpointing.floor.replace(cursor);
        self.checkpointing.settled = if quiet { Some(cursor) } else { before };
        let job = self.release(now_wall);
        let pinned =
            self.journal.segments().next().is_some_and(|first| !first.active && first.end.0 <= cursor);
        self.checkpointing.wanted |= pinned && !quiet && self.checkpointing.last_bytes < SPACING;
        Ok(job)
    }

    fn encode_image(&self, clock: Clock, out: &mut Vec<u8>) {
        let settings = serde_json::to_string(&self.settings).unwrap_or_default();
        number(VERSION, out);
        number(clock.wall.0 as u64, out);
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
        self.set_backs.encode(out);
        number(self.channel_count as u64, out);
        for (_, channel) in self.iter() {
            channel.image(clock).encode(out);
        }
    }
}
