//! The real file system: positioned reads and writes, fdatasync, and flock on directories.
//!
//! The lock is the same as nsqd's (exclusive, non-blocking), so that the two never share a data directory.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use super::{Dir, Entry, File, Files, Lock, OpenMode};

/// The operating system's files. New files are readable by their owner only, as nsqd's are.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsFiles;

impl Files for OsFiles {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => {}
            OpenMode::Write => {
                options.write(true);
            }
            OpenMode::Create => {
                options.write(true).create(true).truncate(true).mode(0o600);
            }
        }
        Ok(Arc::new(OsFile(options.open(path)?)))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let meta = match fs::metadata(entry.path()) {
                Ok(meta) => meta,
                // Removed meanwhile, or a dangling link. Any other error must not pass for a missing file.
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            };
            let is_dir = meta.is_dir();
            entries.push(Entry { name, bytes: if is_dir { 0 } else { meta.len() }, is_dir });
        }
        Ok(entries)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<bool> {
        match fs::DirBuilder::new().mode(0o700).create(dir) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir(dir)
    }

    fn open_dir(&self, dir: &Path) -> io::Result<Arc<dyn Dir>> {
        let file = fs::OpenOptions::new().read(true).open(dir)?;
        Ok(Arc::new(OsDir(file)))
    }

    fn lock(&self, dir: &Path) -> io::Result<Box<dyn Lock>> {
        let file = fs::File::open(dir)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(OsLock(file))),
            Err(fs::TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(fs::TryLockError::Error(e)) => Err(e),
        }
    }
}

#[derive(Debug)]
struct OsFile(fs::File);

impl File for OsFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(bytes, offset)
    }
    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }
    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
    fn is_at(&self, path: &Path) -> io::Result<bool> {
        is_at(&self.0, path)
    }
}

#[derive(Debug)]
struct OsDir(fs::File);

impl Dir for OsDir {
    fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }
    fn is_at(&self, path: &Path) -> io::Result<bool> {
        is_at(&self.0, path)
    }
}

fn is_at(file: &fs::File, path: &Path) -> io::Result<bool> {
    let there = match fs::metadata(path) {
        Ok(there) => there,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(e),
    };
    let ours = file.metadata()?;
    Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino()))
}

/// Holds the open directory: the lock (flock) lives as long as the descriptor.
#[derive(Debug)]
struct OsLock(#[allow(dead_code, reason = "kept for its descriptor")] fs::File);

impl Lock for OsLock {}
