//! The directory of the messages: one process at a time has it.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::start_error::StartError;

/// The directory, kept from other processes while this lives.
#[derive(Debug)]
pub struct DataPath {
    _locked: File,
}

impl DataPath {
    /// Takes the directory for this process, by `flock` on the directory itself, as nsqd does.
    ///
    /// # Errors
    /// It cannot be opened, or another process has it.
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
        Ok(DataPath { _locked: directory })
    }
}

/// The directory may have been made a moment ago: what is flushed in there must be found after a loss of power. As far as
/// the directory above may be opened.
fn flush_name_of(path: &Path) {
    let above = path.canonicalize().ok().and_then(|path| path.parent().map(File::open));
    if let Some(Ok(above)) = above {
        let _ = above.sync_all();
    }
}
