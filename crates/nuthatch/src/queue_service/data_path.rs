//! The directory of the messages, owned by one process at a time.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::start_error::StartError;

/// The directory, locked against other processes while this lives.
#[derive(Debug)]
pub struct DataPath {
    locked: File,
}

impl DataPath {
    /// Locks the directory for this process, by `flock` on the directory itself, as nsqd does.
    ///
    /// # Errors
    /// It cannot be opened, or another process holds the lock.
    pub fn lock(path: &Path) -> Result<DataPath, StartError> {
        let directory = File::open(path).map_err(|error| StartError::DataPath(path.to_owned(), error))?;
        directory.try_lock().map_err(|error| {
            let error = match error {
                TryLockError::WouldBlock => None,
                TryLockError::Error(error) => Some(error),
            };
            StartError::Lock(path.to_owned(), error)
        })?;
        flush_name_of(path);
        Ok(DataPath { locked: directory })
    }

    /// Takes over the lock of the process that gave `given`, or locks the directory itself if
    /// `given` is another one. No third process can lock it in between: the lock belongs to
    /// the open file and moves with it.
    ///
    /// # Errors
    /// As for [`DataPath::lock`].
    pub fn take_over(path: &Path, given: Option<File>) -> Result<DataPath, StartError> {
        let place = |file: io::Result<std::fs::Metadata>| file.map(|file| (file.dev(), file.ino())).ok();
        let here = place(path.metadata());
        match given.filter(|given| here.is_some() && place(given.metadata()) == here) {
            Some(locked) => Ok(DataPath { locked }),
            None => DataPath::lock(path),
        }
    }

    /// The locked directory, for the successor.
    ///
    /// # Errors
    /// Descriptors have run out.
    pub fn share(&self) -> io::Result<File> {
        self.locked.try_clone()
    }
}

/// Flushes the entry of a directory that may be new: data flushed inside it must survive a power loss.
/// Skipped if the parent directory cannot be opened.
fn flush_name_of(path: &Path) {
    let above = path.canonicalize().ok().and_then(|path| path.parent().map(File::open));
    if let Some(Ok(above)) = above {
        let _ = above.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_changes_hands_without_a_gap() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let first = DataPath::lock(path).unwrap();
        let given = first.share().unwrap();
        drop(first);
        assert!(matches!(DataPath::lock(path), Err(StartError::Lock(..))), "it is locked all the time");
        let second = DataPath::take_over(path, Some(given)).unwrap();
        assert!(matches!(DataPath::lock(path), Err(StartError::Lock(..))));
        drop(second);
        assert!(DataPath::take_over(path, None).is_ok());
    }

    #[test]
    fn the_lock_of_another_directory_is_none() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let given = DataPath::lock(one.path()).unwrap().share().unwrap();
        let _taken = DataPath::take_over(other.path(), Some(given)).unwrap();
        assert!(matches!(DataPath::lock(other.path()), Err(StartError::Lock(..))));
        assert!(DataPath::lock(one.path()).is_ok());
    }
}
