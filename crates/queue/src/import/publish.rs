//! From a staging directory to the store, and the originals out of the way.
//!
//! ```text
//! data path/
//!   nsqd.dat, t.diskqueue.*     the originals
//!   STORE.importing/            what is being imported; deleted when an import begins again
//!   STORE/                      made by renaming the above: the moment from which the import counts
//!   STORE/imported.json         which originals it was made of; deleted when all of them are moved
//!   nsqd-original/              where they are moved to
//! ```
//! Every step is flushed before the next begins. An original that is no longer of the size that was imported stops everything: somebody
//! else has written to it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use journal::Files;
use journal::files::OpenMode;
use serde::{Deserialize, Serialize};

use super::ImportError;
use super::plan::Plan;

const MARKER: &str = "imported.json";
const ASIDE: &str = "nsqd-original";
/// Largest marker that is read, in bytes.
const MARKER_BYTES_MAX: u64 = 1 << 30;

/// Which originals a store was made of.
#[derive(Debug, Serialize, Deserialize)]
pub struct Marker {
    /// The folder that they are moved to.
    aside: String,
    /// Name and bytes of each.
    originals: Vec<(String, u64)>,
}

impl Marker {
    /// The marker of a store, if it has one.
    pub fn read(files: &dyn Files, store: &Path) -> Result<Option<Marker>, ImportError> {
        let path = store.join(MARKER);
        let file = match files.open(&path, OpenMode::Read) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(ImportError::io("open", &path)(e)),
        };
        let bytes = file.bytes().map_err(ImportError::io("read", &path))?;
        if bytes > MARKER_BYTES_MAX {
            return Err(ImportError::io("read", &path)(io::ErrorKind::FileTooLarge.into()));
        }
        let mut content = vec![0; bytes as usize];
        let mut filled = 0;
        while filled < content.len() {
            match file
                .read_at(&mut content[filled..], filled as u64)
                .map_err(ImportError::io("read", &path))?
            {
                0 => break,
                n => filled += n,
            }
        }
        let marker = serde_json::from_slice(&content[..filled]);
        Ok(Some(marker.map_err(|e| ImportError::io("read", &path)(e.into()))?))
    }
}

/// What to tell somebody whose directory holds nsqd data that we have not imported, and a store.
pub fn conflict(dir: &Path, store: &str, example: &str) -> ImportError {
    ImportError::Conflict(format!(
        "{} holds nsqd data ({example}) that did not go into {store}: move one of the two away, \
         {store} to import the nsqd data, or nsqd.dat and *.diskqueue.* to go on with {store}",
        dir.display()
    ))
}

impl Plan {
    /// Makes an empty staging directory and returns its path. What an attempt that was cut short has left in it is deleted.
    pub fn begin(&self) -> Result<PathBuf, ImportError> {
        let staging = self.staging();
        delete_tree(&*self.files, &staging).map_err(ImportError::io("delete", &staging))?;
        self.files.create_dir(&staging).map_err(ImportError::io("create", &staging))?;
        Ok(staging)
    }

    /// Makes the staging directory the store, durably: every file and directory in it is flushed, then it is renamed. From here on the
    /// originals are not needed; [`SetAside::run`] moves them.
    pub fn publish(self) -> Result<SetAside, ImportError> {
        let staging = self.staging();
        let files = &*self.files;
        let entries = files.list(&self.dir).map_err(ImportError::io("list", &self.dir))?;
        let taken = |name: &str| entries.iter().any(|entry| entry.name == name);
        let numbered = (2..).map(|n| format!("{ASIDE}-{n}"));
        let aside =
            std::iter::once(ASIDE.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default();
        let marker = Marker { aside, originals: self.originals };
        write_marker(files, &staging, &marker).map_err(ImportError::io("write", &staging.join(MARKER)))?;
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

fn write_marker(files: &dyn Files, dir: &Path, marker: &Marker) -> io::Result<()> {
    let content = serde_json::to_vec(marker)?;
    let file = files.open(&dir.join(MARKER), OpenMode::Create)?;
    let mut written = 0;
    while written < content.len() {
        match file.write_at(&content[written..], written as u64)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n => written += n,
        }
    }
    Ok(())
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

/// An import that counts, whose originals are still to be moved.
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

    /// Moves the originals that are still there, and ends the import. Returns the folder that they are in. May be repeated.
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

    /// Nobody has written to the originals since, and no others have come.
    fn check_unchanged(&self) -> Result<(), ImportError> {
        let entries = self.files.list(&self.dir).map_err(ImportError::io("list", &self.dir))?;
        for entry in entries.iter().filter(|entry| !entry.is_dir && super::names::is_nsqds(&entry.name)) {
            if !self.marker.originals.iter().any(|(name, bytes)| *name == entry.name && *bytes == entry.bytes)
            {
                let store = self.store.file_name().unwrap_or_default().to_string_lossy();
                return Err(conflict(&self.dir, &store, &entry.name));
            }
        }
        Ok(())
    }
}
