//! Reading the log from a position to its end in one pass, for an owner that checks its contents before
//! serving clients.

use std::sync::Arc;

use super::Journal;
use crate::block::{Damage, DamageReason, Entry};
use crate::error::{OpenError, failed};
use crate::files::{File, OpenMode};
use crate::scan::{SegmentReader, Stopped};
use crate::{Durability, Position};

impl Journal {
    /// Passes everything from `from`, the start of a record, to `each`, in order, damage included. Blocks for
    /// as long as the device takes. A journal in memory has nothing to pass.
    pub fn walk(&self, from: Position, mut each: impl FnMut(Entry<'_>)) -> Result<(), OpenError> {
        if self.options.durability == Durability::Memory {
            return Ok(());
        }
        let mut expected = from.0;
        for (index, segment) in self.segments.iter().enumerate() {
            if segment.end() <= from.0 {
                continue;
            }
            if expected < segment.start {
                each(Entry::Damage(&Damage::unreadable(expected, segment.start, DamageReason::Missing)));
            }
            expected = segment.end();
            let path = self.segment_path(segment.start);
            let file = self.files.open(&path, OpenMode::Read).map_err(failed("open", &path))?;
            let reader = self.reader(index, file);
            let stopped = reader.walk(segment.start.max(from.0), self.options.read_bytes, &mut each);
            let rest = match stopped {
                Stopped::AtEnd => continue,
                Stopped::Torn(at) => reader.damage(at, reader.end, DamageReason::Checksum),
                Stopped::Unknown(at, reason) => reader.damage(at, reader.end, reason),
            };
            each(Entry::Damage(&rest));
        }
        if expected < self.end.0 {
            each(Entry::Damage(&Damage::unreadable(expected, self.end.0, DamageReason::Missing)));
        }
        Ok(())
    }

    /// A reader of the segment at this index, whose file is `file`.
    pub(crate) fn reader(&self, index: usize, file: Arc<dyn File>) -> SegmentReader {
        let segment = &self.segments[index];
        SegmentReader { file, tag: self.tag, start: segment.start, end: segment.end() }
    }
}
