//! The file layer: everything the journal asks of an operating system.
//!
//! [`OsFiles`] is the real one. [`MemFiles`] is a model of it for tests: it separates written from flushed
//! data, so that a crash can be simulated, and it fails on request.

mod memory;
mod os;

use std::path::Path;
use std::sync::Arc;
use std::{fmt, io};

pub use memory::{Crash, Fault, MemFiles, Operation};
pub use os::OsFiles;

/// Mode of [`Files::open`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, for reading.
    Read,
    /// An existing file, for reading and writing.
    Write,
    /// A new file, for reading and writing; an existing one is truncated. Readable by its owner only.
    Create,
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name without its directory. Names that are not UTF-8 are not listed.
    pub name: String,
    /// Length in bytes; 0 for a directory.
    pub bytes: u64,
    /// True for a directory.
    pub is_dir: bool,
}

/// A file system.
pub trait Files: Send + Sync + fmt::Debug {
    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>>;
    /// Entries of a directory, in any order.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;
    /// Creates a directory, whose parent must exist. True if it did not exist before.
    fn create_dir(&self, dir: &Path) -> io::Result<bool>;
    /// Renames a file or directory, replacing an existing file of the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_dir(&self, dir: &Path) -> io::Result<()>;
    /// Opens a directory, so that names in it can be flushed later without another descriptor.
    fn open_dir(&self, dir: &Path) -> io::Result<Arc<dyn Dir>>;
    /// Flushes the names in a directory to the device.
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.open_dir(dir)?.sync()
    }
    /// Takes the exclusive lock of a directory, or fails at once with [`io::ErrorKind::WouldBlock`] if it is
    /// held. It is released when the guard is dropped or the process ends.
    fn lock(&self, dir: &Path) -> io::Result<Box<dyn Lock>>;
}

/// An open file. Positioned reads and writes only, so that threads can share it.
pub trait File: Send + Sync + fmt::Debug {
    /// Length in bytes.
    fn bytes(&self) -> io::Result<u64>;
    /// Reads some bytes at `offset`; 0 means the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes some bytes at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Sets the length.
    fn truncate(&self, bytes: u64) -> io::Result<()>;
    /// Flushes content and length to the device.
    fn sync(&self) -> io::Result<()>;
    /// True if `path` names this file, which has then been neither moved nor replaced.
    fn is_at(&self, path: &Path) -> io::Result<bool>;
}

/// An open directory.
pub trait Dir: Send + Sync + fmt::Debug {
    /// Flushes the names in it to the device.
    fn sync(&self) -> io::Result<()>;
    /// True if this is the directory that `path` names.
    fn is_at(&self, path: &Path) -> io::Result<bool>;
}

/// Creates a directory and its missing parents. True if it did not exist before.
///
/// # Errors
/// The file system's error.
pub fn create_dir_all(files: &dyn Files, dir: &Path) -> io::Result<bool> {
    match files.create_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        done => return done,
    }
    if let Some(parent) = dir.parent() {
        create_dir_all(files, parent)?;
    }
    files.create_dir(dir)
}

/// The guard of [`Files::lock`].
pub trait Lock: Send + Sync + fmt::Debug {}

/// Writes all of `bytes`, continuing after short writes.
///
/// # Errors
/// The file's error; `WriteZero` if it accepts no more bytes.
pub fn write_all(file: &dyn File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => {
                bytes = &bytes[n..];
                offset += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Fills `buffer` up to the end of the file; returns the number of bytes read.
///
/// # Errors
/// The file's error.
pub fn read_full(file: &dyn File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}
