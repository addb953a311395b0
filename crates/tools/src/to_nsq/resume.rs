//! Progress of each file, kept in a file, so that a restart continues there.
//!
//! JSON: `{"FILE": BYTES, …}`. The file is replaced as a whole (a new one, synced and renamed), so that a
//! crash leaves the old one or the new one; messages published since the last save are then published again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

use config::nsqd::machine::error_text;

/// Offsets by file.
#[derive(Debug)]
pub(super) struct Resume {
    path: PathBuf,
    offsets: BTreeMap<String, u64>,
    changed: bool,
}

impl Resume {
    /// Loads the file; without one, everything starts at its beginning.
    pub(super) fn load(path: &str) -> Result<Resume, String> {
        let offsets = match fs::read(path) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|error| format!("{path}: not a --resume file - {error}"))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(format!("{path}: {}", error_text(&error))),
        };
        Ok(Resume { path: path.into(), offsets, changed: false })
    }

    /// Bytes of a file already published.
    pub(super) fn offset(&self, file: &str) -> u64 {
        self.offsets.get(file).copied().unwrap_or(0)
    }

    /// Records that a file is published up to `offset`.
    pub(super) fn advance(&mut self, file: &str, offset: u64) {
        if self.offset(file) != offset {
            self.offsets.insert(file.to_owned(), offset);
            self.changed = true;
        }
    }

    /// Saves any changes.
    pub(super) fn save(&mut self) -> Result<(), String> {
        if !std::mem::take(&mut self.changed) {
            return Ok(());
        }
        let mut beside = self.path.clone().into_os_string();
        beside.push(".tmp");
        let write = || {
            let mut file = File::create(&beside)?;
            file.write_all(&serde_json::to_vec(&self.offsets)?)?;
            file.sync_all()?;
            fs::rename(&beside, &self.path)
        };
        write().map_err(|error: std::io::Error| format!("{}: {}", self.path.display(), error_text(&error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state").display().to_string();
        let mut resume = Resume::load(&path).unwrap();
        assert_eq!(resume.offset("a"), 0);
        resume.advance("a", 5);
        resume.advance("b", 7);
        resume.save().unwrap();
        let resume = Resume::load(&path).unwrap();
        assert_eq!((resume.offset("a"), resume.offset("b"), resume.offset("c")), (5, 7, 0));
        fs::write(&path, "7").unwrap();
        assert!(Resume::load(&path).unwrap_err().contains("not a --resume file"));
    }
}
