//! An emergency disk reserve, so that a full disk can be drained.
//!
//! FINs have to be written before the space of finished messages can be freed, which is impossible on a disk
//! without a free byte. So a file of [`BYTES`] lies in the data path from the start. When the disk is full,
//! the file is removed, and only events, checkpoints and operators' changes are written until there is room
//! again for the file and as much besides; until then publications are refused.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use journal::files::{Files, OpenMode};

/// Size of the reserve: the FINs of a few hundred thousand messages.
pub const BYTES: u64 = 1 << 20;
/// Its name in the data path.
pub const NAME: &str = "reserve";
/// Bytes written at once.
const CHUNK: usize = 256 << 10;

/// The reserve.
#[derive(Debug)]
pub struct Reserve {
    files: Arc<dyn Files>,
    path: PathBuf,
    kept: bool,
}

impl Reserve {
    /// A reserve in this directory, which must exist before [`Reserve::keep`]. Writes nothing yet.
    pub fn new(files: Arc<dyn Files>, dir: &Path) -> Reserve {
        Reserve { files, path: dir.join(NAME), kept: false }
    }

    /// True while the reserve exists.
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// Creates the reserve if it is missing. Not flushed: a crash of the machine may lose it, and the next
    /// start creates it again.
    ///
    /// # Errors
    ///
    /// The disk has no room for it and as much again; then nothing of it is left behind.
    pub fn keep(&mut self) -> io::Result<()> {
        if self.kept {
            return Ok(());
        }
        let made = self.make();
        if made.is_err() {
            let _ = self.files.remove(&self.path);
        }
        self.kept = made.is_ok();
        made
    }

    /// Removes the reserve. True if there was one.
    pub fn spend(&mut self) -> bool {
        std::mem::take(&mut self.kept) && self.files.remove(&self.path).is_ok()
    }

    fn make(&self) -> io::Result<()> {
        if let Ok(file) = self.files.open(&self.path, OpenMode::Read)
            && file.bytes()? == BYTES
        {
            return Ok(());
        }
        let file = self.files.open(&self.path, OpenMode::Create)?;
        // Non-zero data, which file systems do not store as a hole.
        let chunk = vec![0xa5; CHUNK];
        let mut at = 0;
        while at < 2 * BYTES {
            match file.write_at(&chunk, at)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => at += written as u64,
            }
        }
        file.truncate(BYTES)
    }
}

#[cfg(test)]
mod tests {
    use journal::files::MemFiles;

    use super::*;

    #[test]
    fn it_is_kept_where_there_is_room_for_twice_as_much() {
        let dir = Path::new("/data");
        for (capacity, kept) in
            [(None, true), (Some(2 * BYTES), true), (Some(2 * BYTES - 1), false), (Some(0), false)]
        {
            let files = MemFiles::new(1);
            files.create_dir(dir).unwrap();
            files.set_capacity(capacity);
            let mut reserve = Reserve::new(Arc::new(files.clone()), dir);
            assert_eq!((reserve.keep().is_ok(), reserve.is_kept()), (kept, kept), "{capacity:?}");
            assert_eq!(files.content(&dir.join(NAME)).map(|all| all.len() as u64), kept.then_some(BYTES));
            assert_eq!(reserve.spend(), kept);
            assert!(!reserve.spend() && files.paths().is_empty(), "{capacity:?}");
        }
    }

    #[test]
    fn one_that_is_there_is_taken_over_and_a_part_of_one_is_made_anew() {
        let dir = Path::new("/data");
        let files = MemFiles::new(1);
        files.create_dir(dir).unwrap();
        for bytes in [BYTES, BYTES - 1, 0] {
            files.set_content(&dir.join(NAME), vec![0xa5; bytes as usize]);
            let before = files.changes();
            Reserve::new(Arc::new(files.clone()), dir).keep().unwrap();
            assert_eq!(files.changes() == before, bytes == BYTES, "{bytes}");
            assert_eq!(files.content(&dir.join(NAME)).unwrap().len() as u64, BYTES);
        }
    }
}
