//! Publication of the staging directory as the store.
//!
//! ```text
//! data path/
//!   nsqd.dat, t.diskqueue.*     the originals
//!   STORE.importing/            what is being imported; deleted when an import begins again
//!   STORE/                      made by renaming the above: the moment from which the import counts
//!   STORE/imported.json         which originals it was made of; deleted when all of them are moved
//!   nsqd-original/              where they are moved to
//! ```
//! Every step is flushed before the next begins. [`SetAside`] does the last one.

use std::io;
use std::path::{Path, PathBuf};

use journal::Files;
use journal::files::OpenMode;

use super::ImportError;
use super::marker::{MARKER, Marker};
use super::plan::Plan;
use super::set_aside::SetAside;

/// Folder that originals are moved to, if the name is free.
const ASIDE: &str = "nsqd-original";

impl Plan {
    /// Makes an empty staging directory and returns its path. Remains of an interrupted attempt are deleted.
    pub fn begin(&self) -> Result<PathBuf, ImportError> {
        let staging = self.staging();
        delete_tree(&*self.files, &staging).map_err(ImportError::io("delete", &staging))?;
        self.files.create_dir(&staging).map_err(ImportError::io("create", &staging))?;
        Ok(staging)
    }

    /// Turns the staging directory into the store, durably: flushes every file and directory in it, then
    /// renames it. The originals are then no longer needed; [`SetAside::run`] moves them.
    pub fn publish(self) -> Result<SetAside, ImportError> {
        let staging = self.staging();
        let files = &*self.files;
        let entries = files.list(&self.dir).map_err(ImportError::io("list", &self.dir))?;
        let taken = |name: &str| entries.iter().any(|entry| entry.name == name);
        let numbered = (2..).map(|n| format!("{ASIDE}-{n}"));
        let aside =
            std::iter::once(ASIDE.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default();
        let marker = Marker { aside, originals: self.originals };
        marker.write(files, &staging).map_err(ImportError::io("write", &staging.join(MARKER)))?;
        flush_tree(files, &staging).map_err(ImportError::io("flush", &staging))?;
        let store = self.dir.join(&self.store);
        files.rename(&staging, &store).map_err(ImportError::io("rename", &staging))?;
        files.sync_dir(&self.dir).map_err(ImportError::io("flush", &self.dir))?;
        Ok(SetAside::new(self.files, &self.dir, &self.store, marker))
    }

    fn staging(&self) -> PathBuf {
        self.dir.join(format!("{}.importing", self.store))
    }
}

fn flush_tree(files: &dyn Files, dir: &Path) -> io::Result<()> {
    for entry in files.list(dir)? {
        let path = dir.join(&entry.name);
        if entry.is_dir {
            flush_tree(files, &path)?;
        } else {
            files.open(&path, OpenMode::Write)?.sync()?;
        }
    }
    files.sync_dir(dir)
}

fn delete_tree(files: &dyn Files, dir: &Path) -> io::Result<()> {
    let entries = match files.list(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    for entry in entries {
        let path = dir.join(&entry.name);
        if entry.is_dir { delete_tree(files, &path)? } else { files.remove(&path)? }
    }
    files.remove_dir(dir)
}
