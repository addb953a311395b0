//! Reading records from one segment's file, and finding the next record after damage.
//!
//! Bytes that are not a record are skipped only up to a record whose checksum fits its position, or to the
//! end of the segment. The search is bounded to [`SEARCH_BYTES_MAX`] bytes of checksums per damaged stretch,
//! so that hostile payloads cannot make it quadratic.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::block::{DamageReason, Entry};
use crate::files::{File, read_full};
use crate::format::record::{self, Checked};
use crate::format::segment::HEADER_BYTES;
use crate::{Block, Damage, Position};

/// Most bytes checksummed while searching for the next record.
pub const SEARCH_BYTES_MAX: u64 = 256 << 20;
/// Bytes of the file that the search holds at a time.
const WINDOW_BYTES: usize = 1 << 20;
/// Bytes read at a time for the headers of damaged records.
const OUTLINE_BYTES: usize = 64 << 10;

/// A segment being read.
#[derive(Debug, Clone)]
pub struct SegmentReader {
    pub file: Arc<dyn File>,
    pub tag: u64,
    /// Position of the first record.
    pub start: u64,
    /// End of the segment for this reader.
    pub end: u64,
}

/// Item at a position.
#[derive(Debug)]
pub enum Found {
    /// Intact records, at least one.
    Records(Bytes),
    /// Not a record.
    Damage,
    /// The file is shorter than the segment should be, and ends here.
    Missing,
}

/// Start of the next intact records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumed {
    /// At this position.
    At(u64),
    /// None before the end of the segment.
    Nowhere,
    /// Not found within the bound of the search.
    Unknown,
}

/// End of [`SegmentReader::walk`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// The segment's end.
    AtEnd,
    /// Damage without any intact record after it.
    Torn(u64),
    /// A position after which nothing is known.
    Unknown(u64, DamageReason),
}

impl SegmentReader {
    /// Passes everything from `from` to `each`, in order, reading about `want` bytes at a time.
    pub fn walk(&self, from: u64, want: usize, each: &mut impl FnMut(Entry<'_>)) -> Stopped {
        let mut at = from;
        while at < self.end {
            match self.read(at, want) {
                Ok(Found::Records(bytes)) => {
                    let block = Block::sound(Position(at), bytes);
                    block.records().for_each(|record| each(Entry::Record(record)));
                    at = block.next().0;
                }
                Ok(Found::Missing) => return Stopped::Unknown(at, DamageReason::Missing),
                Ok(Found::Damage) => match self.resume(at) {
                    Ok(Resumed::At(to)) => {
                        each(Entry::Damage(&self.damage(at, to, DamageReason::Checksum)));
                        at = to;
                    }
                    Ok(Resumed::Nowhere) => return Stopped::Torn(at),
                    Ok(Resumed::Unknown) => return Stopped::Unknown(at, DamageReason::Checksum),
                    Err(_) => return Stopped::Unknown(at, DamageReason::Unreadable),
                },
                Err(_) => return Stopped::Unknown(at, DamageReason::Unreadable),
            }
        }
        Stopped::AtEnd
    }

    /// An unreadable stretch, with what its headers still say.
    pub fn damage(&self, from: u64, to: u64, reason: DamageReason) -> Damage {
        let kinds = match reason {
            DamageReason::Checksum => self.outline(from, to),
            _ => Vec::new(),
        };
        Damage { from: Position(from), to: Position(to), reason, kinds }
    }

    /// Kinds of the records in a damaged stretch, as far as their headers lead from one to the next; the rest
    /// after the last usable header counts as one record.
    fn outline(&self, from: u64, to: u64) -> Vec<(u8, u64)> {
        let mut kinds = [0u64; 256];
        let (mut at, mut base, mut window) = (from, from, Vec::new());
        while to.saturating_sub(at) >= record::HEADER_BYTES as u64 {
            let inside = (at - base) as usize + record::HEADER_BYTES <= window.len();
            if !inside {
                (base, window) = (at, self.load(at, OUTLINE_BYTES).unwrap_or_default());
            }
            let Some(header) = window.get((at - base) as usize..).and_then(<[u8]>::first_chunk) else {
                break;
            };
            let next = record::plausible(header, to - at);
            kinds[usize::from(next.map_or(record::kind(header), |(kind, _)| kind))] += 1;
            let Some((_, length)) = next else { break };
            at += (record::HEADER_BYTES + length) as u64;
        }
        (1..=u8::MAX).zip(kinds.into_iter().skip(1)).filter(|&(_, count)| count > 0).collect()
    }

    /// Intact records from `from`, about `want` bytes of them, at least one.
    pub fn read(&self, from: u64, want: usize) -> io::Result<Found> {
        let bytes = self.load(from, want.max(record::HEADER_BYTES))?;
        if bytes.is_empty() {
            return Ok(Found::Missing);
        }
        match self.sound(&bytes, from) {
            (0, Checked::Short(total)) => self.read_long(from, total),
            (0, _) => Ok(Found::Damage),
            (sound, _) => {
                let mut bytes = bytes;
                bytes.truncate(sound);
                Ok(Found::Records(Bytes::from(bytes)))
            }
        }
    }

    /// A record longer than the requested bytes.
    fn read_long(&self, from: u64, total: usize) -> io::Result<Found> {
        let bytes = self.load(from, total)?;
        match self.sound(&bytes, from) {
            (0, _) => Ok(Found::Damage),
            (sound, _) => Ok(Found::Records(Bytes::from(bytes).slice(..sound))),
        }
    }

    /// Number of bytes of whole, intact records at the front of `bytes`, and the item after them.
    fn sound(&self, bytes: &[u8], from: u64) -> (usize, Checked) {
        let mut at = 0;
        loop {
            let position = from + at as u64;
            if position >= self.end {
                return (at, Checked::Bad);
            }
            match record::check(&bytes[at..], self.tag, position, self.end - position) {
                Checked::Whole(total) => at += total,
                other => return (at, other),
            }
        }
    }

    /// Searches for the next record after `from`, where there is none.
    pub fn resume(&self, from: u64) -> io::Result<Resumed> {
        let mut budget = SEARCH_BYTES_MAX;
        let mut base = from + 1;
        while base < self.end {
            let window = self.load(base, WINDOW_BYTES)?;
            if window.is_empty() {
                break;
            }
            let last_window = base + window.len() as u64 >= self.end || window.len() < WINDOW_BYTES;
            let usable = if last_window { window.len() } else { window.len() - (record::HEADER_BYTES - 1) };
            for at in 0..usable {
                if let Some(outcome) = self.try_at(&window[at..], base + at as u64, &mut budget)? {
                    return Ok(outcome);
                }
            }
            base += usable as u64;
        }
        Ok(Resumed::Nowhere)
    }

    fn try_at(&self, bytes: &[u8], position: u64, budget: &mut u64) -> io::Result<Option<Resumed>> {
        let remaining = self.end - position;
        let Some((_, length)) = record::plausible(bytes, remaining) else { return Ok(None) };
        let total = record::HEADER_BYTES + length;
        let Some(left) = budget.checked_sub(total as u64) else { return Ok(Some(Resumed::Unknown)) };
        *budget = left;
        let checked = if bytes.len() >= total {
            record::check(bytes, self.tag, position, remaining)
        } else {
            record::check(&self.load(position, total)?, self.tag, position, remaining)
        };
        Ok(matches!(checked, Checked::Whole(_)).then_some(Resumed::At(position)))
    }

    /// Up to `want` bytes at `from`, bounded by segment and file.
    fn load(&self, from: u64, want: usize) -> io::Result<Vec<u8>> {
        let there = self.end.saturating_sub(from);
        let mut bytes = vec![0; usize::try_from(there).unwrap_or(usize::MAX).min(want)];
        let filled = read_full(&*self.file, &mut bytes, HEADER_BYTES + (from - self.start))?;
        bytes.truncate(filled);
        Ok(bytes)
    }
}
