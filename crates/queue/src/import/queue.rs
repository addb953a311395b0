//! One disk queue: its meta file, its data files, and reading their unread messages.
//!
//! The meta file holds the read and write positions at its last flush; after a crash it may be out of date.
//! So reading begins at its read position (if that is in the files, see `reconcile`), and ends where the
//! files end, whatever its write position. A file is read to its real size (older versions of nsqd began a
//! new one *after* passing max-bytes-per-file).

use std::path::{Path, PathBuf};

use journal::Files;
use journal::files::{File, OpenMode};

use super::ImportError;
use super::meta::{Meta, Place};
use super::records::{self, Message, Parsed};

/// Bytes read at a time. A longer record is read whole.
const READ_BYTES: usize = 256 << 10;

/// A stretch of a data file without a usable message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The file.
    pub file: PathBuf,
    /// Its start.
    pub offset: u64,
    /// Its length.
    pub bytes: u64,
    /// The fault.
    pub why: &'static str,
}

/// The reason reading stopped.
#[derive(Debug)]
pub enum Failed<E> {
    /// Reading the originals failed.
    Import(ImportError),
    /// The error of the caller's function.
    Caller(E),
}

impl<E> From<ImportError> for Failed<E> {
    fn from(error: ImportError) -> Self {
        Failed::Import(error)
    }
}

/// The files of one disk queue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueFiles {
    /// Name of the meta file, if there is one.
    pub meta: Option<String>,
    /// Data files: number, name, bytes; in order of number.
    pub data: Vec<(u64, String, u64)>,
    /// Contents of the meta file, if it is readable.
    pub says: Option<Meta>,
    /// Position to read from; `None` for the beginning.
    pub position: Option<Place>,
}

impl QueueFiles {
    /// Data files with unread data, and the offset where it begins.
    fn unread(&self) -> impl Iterator<Item = (&(u64, String, u64), u64)> {
        let begin = self.position.unwrap_or(Place { file: 0, offset: 0 });
        let rest = self.data.iter().filter(move |(number, ..)| *number >= begin.file);
        rest.map(move |file| (file, if file.0 == begin.file { begin.offset } else { 0 }))
    }

    /// Bytes that may hold unread messages.
    pub fn unread_bytes(&self) -> u64 {
        self.unread().map(|((_, _, bytes), from)| bytes.saturating_sub(from)).sum()
    }

    /// Passes each unread message to `each`, in order, until it returns false or fails. Unreadable stretches
    /// go to `skipped`.
    pub(super) fn read<E>(
        &self,
        files: &dyn Files,
        dir: &Path,
        body_bytes_max: usize,
        skipped: &mut dyn FnMut(Skipped),
        each: &mut dyn FnMut(Message<'_>) -> Result<bool, E>,
    ) -> Result<(), Failed<E>> {
        for ((_, name, bytes), from) in self.unread() {
            if from >= *bytes {
                continue;
            }
            let path = dir.join(name);
            let file = files.open(&path, OpenMode::Read).map_err(ImportError::io("open", &path))?;
            let mut reader =
                FileReader { file: &*file, path, buffer: Vec::new(), at: 0, offset: from, end: *bytes };
            if !reader.read(body_bytes_max, skipped, each)? {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// A reader of one data file.
struct FileReader<'a> {
    file: &'a dyn File,
    path: PathBuf,
    buffer: Vec<u8>,
    /// Start of the next record: in the buffer, and in the file.
    at: usize,
    offset: u64,
    end: u64,
}

impl FileReader<'_> {
    /// Reads the rest of the file. False if `each` stopped it.
    fn read<E>(
        &mut self,
        body_bytes_max: usize,
        skipped: &mut dyn FnMut(Skipped),
        each: &mut dyn FnMut(Message<'_>) -> Result<bool, E>,
    ) -> Result<bool, Failed<E>> {
        while self.offset < self.end {
            let bytes = match records::parse(&self.buffer[self.at..], self.end - self.offset, body_bytes_max)
            {
                Parsed::NeedMore(needed) => {
                    self.fill(needed)?;
                    continue;
                }
                Parsed::Message(message, bytes) => {
                    if !each(message).map_err(Failed::Caller)? {
                        return Ok(false);
                    }
                    bytes as u64
                }
                Parsed::TooLarge(bytes) => {
                    skipped(self.skip(bytes, "a message is larger than the limit"));
                    bytes
                }
                Parsed::Bad(why) => {
                    skipped(self.skip(self.end - self.offset, why));
                    return Ok(true);
                }
            };
            self.offset += bytes;
            self.at = self.buffer.len().min(self.at.saturating_add(bytes as usize));
        }
        Ok(true)
    }

    fn skip(&self, bytes: u64, why: &'static str) -> Skipped {
        Skipped { file: self.path.clone(), offset: self.offset, bytes, why }
    }

    /// Reads on, so that at least `needed` bytes from `at` on are buffered.
    fn fill(&mut self, needed: usize) -> Result<(), ImportError> {
        let want = needed.max(READ_BYTES).min(usize::try_from(self.end - self.offset).unwrap_or(usize::MAX));
        self.buffer.clear();
        self.buffer.resize(want, 0);
        self.at = 0;
        let mut filled = 0;
        while filled < want {
            let read = self.file.read_at(&mut self.buffer[filled..], self.offset + filled as u64);
            match read.map_err(ImportError::io("read", &self.path))? {
                0 => break,
                n => filled += n,
            }
        }
        if filled < want {
            // The file is shorter than it was when it was listed.
            self.buffer.truncate(filled);
            self.end = self.offset + filled as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unread_files() {
        let data = (2..5).map(|number| (number, format!("t.diskqueue.{number:06}.dat"), 100)).collect();
        let mut queue = QueueFiles { data, ..QueueFiles::default() };
        let cases = [
            (None, 300),
            (Some((2, 100)), 200),
            (Some((3, 40)), 160),
            (Some((0, 7)), 300),
            (Some((4, 200)), 0),
        ];
        for (position, unread) in cases {
            queue.position = position.map(|(file, offset)| Place { file, offset });
            assert_eq!(queue.unread_bytes(), unread, "{position:?}");
        }
    }
}
