//! Opening a journal: everything that survived, in order, and nothing else.
//!
//! 1. The checkpoint is read, if there is one ([`Recovery::checkpoint`]); a damaged one is renamed to `.bad`
//!    and reported.
//! 2. The segments' headers are read. A damaged one is reported and rewritten if intact records of this
//!    journal follow it; a file without any is renamed and reported, unless it is empty.
//! 3. [`Recovery::replay`] passes on every intact record from the checkpoint's position.
//! 4. If the last segment ends in bytes that are not intact records, and no intact record follows, a crash
//!    has torn it: it is cut there.
//! 5. Any other damage (in the middle, or unreadable) is reported as [`Damage`] and left on disk unchanged.
//!
//! All of this blocks; run it before the journal's owner serves clients, or on a separate thread.

mod aside;
mod recovered;
mod segments;

use std::io;
use std::path::Path;
use std::sync::Arc;

use aside::{BAD_SUFFIX, put_aside};
pub use recovered::{DAMAGE_LISTED_MAX, Recovered};

use crate::block::{DamageReason, Entry};
use crate::error::failed;
use crate::files::{Files, OpenMode, read_full};
use crate::format::{checkpoint, segment};
use crate::journal::{Journal, Segment, random_tag};
use crate::scan::Stopped;
use crate::{Damage, OpenError, Options, Position};

/// A journal being opened.
#[derive(Debug)]
pub struct Recovery {
    journal: Journal,
    checkpoint: Option<Checkpoint>,
    /// True if there was a checkpoint, so that the first segments may have been released.
    checkpoint_lost: bool,
    recovered: Recovered,
}

/// The owner's state when it took a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// As given to [`Journal::checkpoint`].
    pub payload: Vec<u8>,
    /// Replay begins here.
    pub replay_from: Position,
}

/// Limit on positions: a file name with a greater one is not a segment.
const POSITION_MAX: u64 = 1 << 62;

impl Recovery {
    /// Opens the directory `dir`, creating it if necessary. Its name is flushed with the first flush; the
    /// caller ensures that its parent survives a loss of power.
    pub fn open(files: Arc<dyn Files>, dir: &Path, options: Options) -> Result<Recovery, OpenError> {
        files.create_dir(dir).map_err(failed("create", dir))?;
        let entries = files.list(dir).map_err(failed("list", dir))?;
        let mut recovered = Recovered::default();
        let mut journal = Journal::new(Arc::clone(&files), dir, options, 0);
        // The previous process may have changed names without flushing them.
        journal.names_changed = 1;
        journal.parent_changed = true;
        if entries.iter().any(|entry| entry.name == checkpoint::TEMPORARY_NAME) {
            let path = dir.join(checkpoint::TEMPORARY_NAME);
            files.remove(&path).map_err(failed("remove", &path))?;
        }
        let stored = match entries.iter().find(|entry| entry.name == checkpoint::NAME) {
            Some(entry) => read_checkpoint(&journal, entry.bytes, &mut recovered)?,
            None => None,
        };
        let bad = format!("{}{BAD_SUFFIX}", checkpoint::NAME);
        let checkpoint_lost = recovered.damages > 0 || entries.iter().any(|entry| entry.name == bad);
        let tag = stored.as_ref().map(|(tag, _)| *tag);
        let checkpoint = stored.map(|(_, checkpoint)| checkpoint);
        let mut found: Vec<(u64, u64)> =
            entries.iter().filter_map(|e| Some((segment::parse_name(&e.name)?, e.bytes))).collect();
        found.retain(|&(start, _)| start < POSITION_MAX);
        found.sort_unstable();
        let tag = segments::list(&mut journal, &found, tag, &mut recovered)?;
        journal.tag = tag.unwrap_or_else(random_tag);
        journal.checkpoint_found = checkpoint.as_ref().map(|checkpoint| checkpoint.replay_from);
        Ok(Recovery { journal, checkpoint, checkpoint_lost, recovered })
    }

    /// The checkpoint in force.
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref()
    }

    /// Declares that the log went at least up to `end`: anything missing before it is reported, and its
    /// positions are not reused.
    pub fn expect_end(&mut self, end: Position) {
        self.journal.end = self.journal.end.max(end);
    }

    /// Start of each segment, in order.
    pub fn segment_starts(&self) -> impl Iterator<Item = Position> + '_ {
        self.journal.segments.iter().map(|segment| Position(segment.start))
    }

    /// Passes everything after the checkpoint's position to `each`, in order, damage included, and returns
    /// the journal, ready for use.
    pub fn replay(mut self, mut each: impl FnMut(Entry<'_>)) -> Result<(Journal, Recovered), OpenError> {
        let replay_from = self.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.replay_from.0);
        let count = self.journal.segments.len();
        let first = self.journal.segments.front().map_or(0, |first| first.start);
        let mut expected = if self.checkpoint_lost { first } else { first.min(replay_from) };
        for i in 0..count {
            let Segment { start, bytes, .. } = self.journal.segments[i];
            self.expect(expected, start, &mut each);
            if i + 1 == count || start + bytes > replay_from {
                self.replay_segment(i, start.max(replay_from), i + 1 == count, &mut each)?;
            }
            let segment = &mut self.journal.segments[i];
            expected = segment.end();
            if expected <= replay_from {
                segment.synced = segment.bytes;
            }
        }
        let end = expected.max(replay_from).max(self.journal.end.0);
        self.expect(expected, end, &mut each);
        self.journal.end = Position(end);
        self.journal.count_at_risk();
        Ok((self.journal, self.recovered))
    }

    /// Reports a gap between two segments that should be adjacent.
    fn expect(&mut self, from: u64, to: u64, each: &mut impl FnMut(Entry<'_>)) {
        if from < to {
            let damage = Damage::unreadable(from, to, DamageReason::Missing);
            each(Entry::Damage(&damage));
            self.recovered.note(damage);
        }
    }

    fn replay_segment(
        &mut self,
        index: usize,
        from: u64,
        last: bool,
        each: &mut impl FnMut(Entry<'_>),
    ) -> Result<(), OpenError> {
        let start = self.journal.segments[index].start;
        let path = self.journal.segment_path(start);
        let file = self.journal.files.open(&path, OpenMode::Read).map_err(failed("open", &path))?;
        let reader = self.journal.reader(index, file);
        let recovered = &mut self.recovered;
        let mut counted = |entry: Entry<'_>| {
            match &entry {
                Entry::Record(record) => {
                    recovered.records += 1;
                    recovered.bytes += record.next - record.position;
                }
                Entry::Damage(damage) => recovered.note((*damage).clone()),
            }
            each(entry);
        };
        match reader.walk(from, self.journal.options.read_bytes, &mut counted) {
            Stopped::AtEnd => {}
            Stopped::Torn(at) if last => self.cut(index, at, &path)?,
            Stopped::Torn(at) => {
                counted(Entry::Damage(&reader.damage(at, reader.end, DamageReason::Checksum)));
            }
            Stopped::Unknown(at, reason) => {
                // The contents beyond are unknown: keep them unchanged, and write elsewhere.
                counted(Entry::Damage(&reader.damage(at, reader.end, reason)));
                self.journal.seal |= last;
            }
        }
        Ok(())
    }

    /// Cuts the torn tail of the last segment.
    fn cut(&mut self, index: usize, at: u64, path: &Path) -> Result<(), OpenError> {
        let segment = &mut self.journal.segments[index];
        self.recovered.truncated_bytes += segment.end() - at;
        segment.bytes = at - segment.start;
        let length = segment::HEADER_BYTES + segment.bytes;
        let file = self.journal.files.open(path, OpenMode::Write).map_err(failed("open", path))?;
        file.truncate(length).map_err(failed("truncate", path))
    }
}

/// Tag and content of the checkpoint; a damaged one is renamed.
fn read_checkpoint(
    journal: &Journal,
    bytes: u64,
    recovered: &mut Recovered,
) -> Result<Option<(u64, Checkpoint)>, OpenError> {
    let path = journal.dir.join(checkpoint::NAME);
    let max = (journal.options.checkpoint_bytes_max + checkpoint::HEADER_BYTES) as u64;
    let read = || -> io::Result<Option<(u64, Checkpoint)>> {
        if bytes > max {
            return Ok(None);
        }
        let file = journal.files.open(&path, OpenMode::Read)?;
        let mut content = vec![0; bytes as usize];
        let filled = read_full(&*file, &mut content, 0)?;
        content.truncate(filled);
        Ok(checkpoint::parse(&content).map(|(tag, replay, payload)| {
            (tag, Checkpoint { payload: payload.to_vec(), replay_from: Position(replay) })
        }))
    };
    let found = read().map_err(failed("read", &path))?;
    if found.is_none() {
        put_aside(journal, &path)?;
        recovered.note(Damage::unreadable(0, 0, DamageReason::Checkpoint));
    }
    Ok(found)
}
