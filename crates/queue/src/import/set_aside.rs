//! Moving the originals out of the way of the store that was made of them.
//!
//! An original whose size has changed since the import stops everything: another process has written to it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use journal::Files;

use super::ImportError;
use super::marker::{MARKER, Marker};

/// A published import, whose originals are still to be moved.
#[derive(Debug)]
#[must_use = "until it has run, nsqd could be started on the originals"]
pub struct SetAside {
    files: Arc<dyn Files>,
    dir: PathBuf,
    store: PathBuf,
    marker: Marker,
}

impl SetAside {
    pub(super) fn new(files: Arc<dyn Files>, dir: &Path, store: &str, marker: Marker) -> SetAside {
        SetAside { files, dir: dir.to_owned(), store: dir.join(store), marker }
    }

    /// Moves the remaining originals, and ends the import. Returns the folder that holds them. May be
    /// repeated.
    pub fn run(self) -> Result<PathBuf, ImportError> {
        let files = &*self.files;
        let aside = self.dir.join(&self.marker.aside);
        files.create_dir(&aside).map_err(ImportError::io("create", &aside))?;
        files.sync_dir(&self.dir).map_err(ImportError::io("flush", &self.dir))?;
        self.check_unchanged()?;
        for (name, _) in &self.marker.originals {
            let from = self.dir.join(name);
            match files.rename(&from, &aside.join(name)) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(ImportError::io("move", &from)(e)),
            }
        }
        files.sync_dir(&aside).map_err(ImportError::io("flush", &aside))?;
        files.sync_dir(&self.dir).map_err(ImportError::io("flush", &self.dir))?;
        let marker = self.store.join(MARKER);
        files.remove(&marker).map_err(ImportError::io("remove", &marker))?;
        files.sync_dir(&self.store).map_err(ImportError::io("flush", &self.store))?;
        Ok(aside)
    }

    /// Checks that the originals are unchanged, and that no others have appeared.
    fn check_unchanged(&self) -> Result<(), ImportError> {
        let entries = self.files.list(&self.dir).map_err(ImportError::io("list", &self.dir))?;
        for entry in entries.iter().filter(|entry| !entry.is_dir && super::names::is_nsqds(&entry.name)) {
            if !self.marker.originals.iter().any(|(name, bytes)| *name == entry.name && *bytes == entry.bytes)
            {
                let store = self.store.file_name().unwrap_or_default().to_string_lossy();
                return Err(ImportError::conflict(&self.dir, &store, &entry.name));
            }
        }
        Ok(())
    }
}
