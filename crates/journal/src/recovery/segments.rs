//! The files of a directory that are segments of the journal.
//!
//! A header marks a segment, and the file's name has its start. Each record has its own checksum, which
//! covers the journal's tag and the record's position: a damaged header costs nothing while the tag is known.
//! The checkpoint and every other header have the tag; if none is readable, the tag in the damaged header is
//! tried, then that tag with one bit flipped.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::aside::put_aside;
use super::recovered::Recovered;
use crate::block::DamageReason;
use crate::error::failed;
use crate::files::{File, OpenMode, read_full, write_all};
use crate::format::segment::{self, HEADER_BYTES, Header};
use crate::journal::{Journal, Segment};
use crate::scan::{Found, Resumed, SegmentReader};
use crate::{Damage, OpenError, Position};

/// A file that may be a segment.
struct Candidate {
    /// Position in its name.
    start: u64,
    /// Bytes after the header.
    bytes: u64,
    header: Header,
    /// The tag in the header, whether intact or not.
    tag: u64,
    file: Arc<dyn File>,
}

impl Candidate {
    fn open(journal: &Journal, start: u64, file_bytes: u64) -> Result<Candidate, OpenError> {
        let path = journal.segment_path(start);
        let file = journal.files.open(&path, OpenMode::Read).map_err(failed("open", &path))?;
        let mut header = [0; HEADER_BYTES as usize];
        let filled = read_full(&*file, &mut header, 0).map_err(failed("read", &path))?;
        Ok(Candidate {
            start,
            bytes: file_bytes.saturating_sub(HEADER_BYTES),
            header: segment::parse_header(&header[..filled]),
            tag: segment::tag(&header),
            file,
        })
    }

    /// The tag in its header, if that is intact and has the right start.
    fn sound_tag(&self) -> Option<u64> {
        match self.header {
            Header::Sound { tag, start } if start == self.start => Some(tag),
            _ => None,
        }
    }

    /// True if a later version of this program has written it. `last_known` is the start of the last segment
    /// of this version.
    fn is_newer(&self, last_known: Option<u64>) -> io::Result<bool> {
        let Header::Newer(version) = self.header else { return Ok(false) };
        // No program appends a segment of an older version, and no version whose number is one bit off has
        // records like these: such a number is damage.
        let flipped = segment::is_one_bit_off(version) && self.holds_records(self.tag, false)?;
        Ok(last_known < Some(self.start) && !flipped)
    }

    /// True if a record of the journal with this tag is at its beginning or, with `search`, anywhere.
    fn holds_records(&self, tag: u64, search: bool) -> io::Result<bool> {
        let end = self.start + self.bytes;
        let reader = SegmentReader { file: Arc::clone(&self.file), tag, start: self.start, end };
        Ok(match reader.read(self.start, 1)? {
            Found::Records(_) => true,
            _ => search && matches!(reader.resume(self.start)?, Resumed::At(_)),
        })
    }

    /// The tag that the records confirm, guessed from the remains of the header.
    fn guess_tag(&self) -> io::Result<Option<u64>> {
        let flipped = (0..u64::BITS).map(|bit| self.tag ^ (1 << bit));
        for tag in std::iter::once(self.tag).chain(flipped) {
            if self.holds_records(tag, false)? {
                return Ok(Some(tag));
            }
        }
        Ok(self.holds_records(self.tag, true)?.then_some(self.tag))
    }
}

/// Lists the segments and finds the journal's tag, from the checkpoint if there is one.
pub(super) fn list(
    journal: &mut Journal,
    found: &[(u64, u64)],
    tag: Option<u64>,
    recovered: &mut Recovered,
) -> Result<Option<u64>, OpenError> {
    let open = |&(start, bytes): &(u64, u64)| Candidate::open(journal, start, bytes);
    let candidates = found.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let tag = match tag.or_else(|| most_frequent(candidates.iter().filter_map(Candidate::sound_tag))) {
        Some(tag) => Some(tag),
        None => guess_tag(journal, &candidates)?,
    };
    let last_known =
        candidates.iter().filter(|candidate| candidate.sound_tag().is_some()).map(|c| c.start).max();
    for candidate in candidates {
        let newer =
            candidate.is_newer(last_known).map_err(failed("read", &journal.segment_path(candidate.start)))?;
        let path = journal.segment_path(candidate.start);
        if tag.is_some() && candidate.sound_tag() == tag {
            add(journal, &candidate);
        } else if let Some(tag) = tag
            && candidate.bytes > 0
            && !newer
            && candidate.holds_records(tag, true).map_err(failed("read", &path))?
        {
            write_header(journal, &path, tag, candidate.start)?;
            let start = candidate.start;
            recovered.note(Damage::unreadable(start, start, DamageReason::Header));
            add(journal, &candidate);
        } else {
            reject(journal, &candidate, newer, &path, recovered)?;
        }
    }
    Ok(tag)
}

/// The most frequent tag; the first of equally frequent ones.
fn most_frequent(tags: impl Iterator<Item = u64> + Clone) -> Option<u64> {
    let count = |tag: u64| tags.clone().filter(|&other| other == tag).count();
    tags.clone()
        .map(|tag| (count(tag), tag))
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map(|(_, tag)| tag)
}

fn guess_tag(journal: &Journal, candidates: &[Candidate]) -> Result<Option<u64>, OpenError> {
    for candidate in candidates.iter().filter(|candidate| candidate.bytes > 0) {
        let path = journal.segment_path(candidate.start);
        let guess = candidate.guess_tag().map_err(failed("read", &path))?;
        if guess.is_some() {
            return Ok(guess);
        }
    }
    Ok(None)
}

fn add(journal: &mut Journal, candidate: &Candidate) {
    let Candidate { start, bytes, .. } = *candidate;
    // Only an intact successor bounds the previous segment.
    if let Some(before) = journal.segments.back_mut() {
        before.bytes = before.bytes.min(start - before.start);
    }
    journal.segments.push_back(Segment { start, bytes, synced: 0, file: None });
}

/// Writes the header. It is flushed with the segment; if it is lost, it is written again.
fn write_header(journal: &Journal, path: &Path, tag: u64, start: u64) -> Result<(), OpenError> {
    let file = journal.files.open(path, OpenMode::Write).map_err(failed("open", path))?;
    write_all(&*file, &segment::header(tag, start), 0).map_err(failed("write", path))
}

/// Removes or renames a file that is not a segment of this journal.
fn reject(
    journal: &mut Journal,
    candidate: &Candidate,
    newer: bool,
    path: &Path,
    recovered: &mut Recovered,
) -> Result<(), OpenError> {
    let Candidate { start, bytes, .. } = *candidate;
    match candidate.header {
        Header::Newer(version) if newer => {
            let source = io::Error::other(format!("version {version} is not known to this program"));
            Err(failed("read", path)(source))
        }
        // A crash came before the first batch was written.
        _ if bytes == 0 => journal.files.remove(path).map_err(failed("remove", path)),
        _ => {
            put_aside(journal, path)?;
            // Its positions were used and must not be reused.
            journal.end = journal.end.max(Position(start + bytes));
            recovered.note(Damage::unreadable(start, start + bytes, DamageReason::Foreign));
            Ok(())
        }
    }
}
