//! Checkpoints of a topic: everything a restart would otherwise have to read the whole journal for.
//!
//! A checkpoint is due when enough was written since the last one, where "enough" grows with the size of the checkpoint
//! itself, so that a million deferred messages do not make the daemon write them out all day. What a crash costs is
//! bounded by the same amount: replay reads from the last checkpoint on.

use journal::{CheckpointDone, CheckpointError, CheckpointJob, RemoveJob};

use super::milestones::Milestones;
use super::set_backs::SetBacks;
use super::{Topic, at};
use crate::channel::{ChannelImage, ImagedMessage};
use crate::clock::{Clock, Due};
use crate::message::Position;
use crate::record::{ChannelNumber, Reader, difference, number};
use crate::settings::TopicSettings;

/// Bytes of journal after which a checkpoint is due, at least.
const SPACING: u64 = 8 << 20;
/// Version 1 lacks the places of messages that wait again, version 2 the wall time and when the clock was set back.
const VERSION: u64 = 3;

/// State of checkpointing.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// End of the journal when the last checkpoint was begun.
    last: Position,
    last_bytes: u64,
    under_way: Option<Begun>,
    /// The last one was not taken.
    failed: bool,
    /// The lowest cursor of the checkpoint in force.
    floor: Option<Position>,
    /// Parts of the journal it needs: a start that misses any of that reports damage.
    pub needed: Position,
    /// Records before this, of which the checkpoint in force knows, have settled down: of what was taken under load most
    /// is in consumers' hands for a moment yet.
    pub settled: Option<Position>,
    /// One is wanted although little was written: to give back what was freed, or because what it knows has not settled.
    pub wanted: bool,
}

/// A checkpoint that is being written.
#[derive(Debug, Clone, Copy)]
struct Begun {
    /// Lowest cursor.
    cursor: Position,
    /// Parts of the journal it needs.
    needed: Position,
    /// Little was written since the one before.
    quiet: bool,
    /// Start of the one before it.
    before: Position,
}

/// A topic as a checkpoint keeps it.
#[derive(Debug, Default)]
pub(super) struct TopicImage {
    /// Wall time (ns) at which it was made; 0 if nobody knows.
    pub wall: i64,
    pub tag: u32,
    pub paused: bool,
    pub settings: TopicSettings,
    pub next_number: ChannelNumber,
    pub pumped: Position,
    pub waiting: u64,
    pub sequence: u64,
    pub held: Vec<ImagedMessage>,
    pub milestones: Milestones,
    pub set_backs: SetBacks,
    pub channels: Vec<ChannelImage>,
}

impl<W> Topic<W> {
    /// True if a checkpoint is worth its while. `idle` asks for one even if little was written, `again` for one in place of
    /// one that was not taken.
    pub fn wants_checkpoint(&self, idle: bool, again: bool) -> bool {
        let Progress { last, last_bytes, under_way, failed, wanted, .. } = &self.checkpointing;
        let written = self.end() - *last.min(&self.end());
        let enough = match idle {
            true => u64::from(!self.wants_set_backs_saved()),
            false => SPACING.max(*last_bytes),
        };
        let due = if *failed { again } else { written >= enough || *wanted };
        !self.in_memory() && under_way.is_none() && due
    }

    /// True if one is wanted although little was written.
    pub fn wants_another_checkpoint(&self) -> bool {
        self.checkpointing.wanted
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
        let before = std::mem::replace(&mut self.checkpointing.last, end);
        self.set_backs.saved();
        self.checkpointing.wanted = false;
        let quiet = end - before.min(end) < SPACING;
        let (cursor, needed) = (self.lowest_cursor(), self.needed_from(clock.wall.0));
        self.checkpointing.under_way = Some(Begun { cursor, needed, quiet, before });
        Some(job)
    }

    /// Takes back a checkpoint, and releases what is no longer needed.
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

impl TopicImage {
    /// Reads what a checkpoint holds. `None` if it is not well-formed.
    pub fn decode(payload: &[u8]) -> Option<TopicImage> {
        let mut from = Reader(payload);
        let version = from.number()?;
        if !(1..=VERSION).contains(&version) {
            return None;
        }
        let dated = version > 2;
        let wall = if dated { from.number()? as i64 } else { 0 };
        let mut image = TopicImage {
            wall,
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
            let due = Due::written(from.number()? as i64, wall);
            image.held.push(ImagedMessage { at, id, attempts, due, behind: 0 });
        }
        image.milestones = Milestones::decode(&mut from)?;
        if dated {
            image.set_backs = SetBacks::decode(&mut from)?;
        }
        for _ in 0..from.number()? {
            image.channels.push(ChannelImage::decode(&mut from, version, wall)?);
        }
        from.0.is_empty().then_some(image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUE: i64 = 9_000;

    /// Checkpoints of each version, written at the wall time 5,000.
    fn payload(version: u64) -> Vec<u8> {
        let mut out = Vec::new();
        number(version, &mut out);
        if version > 2 {
            number(5_000, &mut out);
        }
        [5, 0].into_iter().for_each(|n| number(n, &mut out));
        crate::channel::text("{}", &mut out);
        // Next number, pumped, waiting, sequence; one message is held: where, id, attempts, due.
        [2, 10, 0, 3, 1, 7, 0, 0, DUE as u64].into_iter().for_each(|n| number(n, &mut out));
        Milestones::default().encode(&mut out);
        if version > 2 {
            let mut set_backs = SetBacks::default();
            set_backs.add(10, 4_000);
            set_backs.encode(&mut out);
        }
        number(1, &mut out);
        let message = ImagedMessage { at: 8, id: 8, attempts: 1, due: Due::written(DUE, 0), behind: 8 };
        ChannelImage { number: 1, messages: vec![message], ..ChannelImage::default() }.encode(&mut out);
        if version == 1 {
            // The place: a byte, as it is the message's own.
            out.pop();
        }
        out
    }

    #[test]
    fn images_of_older_versions_are_read() {
        for (version, given, latest) in [(1, 0, i64::MAX), (2, 0, i64::MAX), (VERSION, 5_000, 4_000)] {
            let payload = payload(version);
            let image = TopicImage::decode(&payload).expect("an image");
            let due = Due { at: DUE, given };
            assert_eq!((image.wall, image.held[0].due, image.channels[0].messages[0].due), (given, due, due));
            assert_eq!(image.set_backs.latest(0), latest);
            for cut in 0..payload.len() {
                assert!(TopicImage::decode(&payload[..cut]).is_none(), "version {version} cut at {cut}");
            }
        }
        assert!(TopicImage::decode(&payload(VERSION + 1)).is_none());
    }
}
