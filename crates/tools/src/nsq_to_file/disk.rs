//! File operations of the writer, a trait so that it can also run on a simulated disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Mode of opening a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// Create; the file must not exist.
    New,
    /// Append to any existing records.
    Append,
}

/// Content of a file when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub bytes: u64,
    /// True if the last record is complete.
    pub ends_with_line_feed: bool,
}

/// A disk. It retries nothing; errors are the system's.
pub(super) trait Disk {
    type File;

    /// Creates a directory and its parents.
    fn create_directories(&mut self, directory: &Path) -> io::Result<()>;
    fn exists(&mut self, path: &Path) -> io::Result<bool>;
    fn open(&mut self, path: &Path, opening: Opening) -> io::Result<(Self::File, Found)>;
    /// Appends; after an error some of the bytes may have been written.
    fn append(&mut self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()>;
    fn size(&mut self, file: &Self::File) -> io::Result<u64>;
    fn truncate(&mut self, file: &mut Self::File, bytes: u64) -> io::Result<()>;
    /// Returns when the file's content survives a power loss.
    fn sync(&mut self, file: &mut Self::File) -> io::Result<()>;
    /// Flushes the names in a directory to the device.
    fn sync_directory(&mut self, directory: &Path) -> io::Result<()>;
    /// Gives a file a second name, which must not exist.
    fn link(&mut self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&mut self, path: &Path) -> io::Result<()>;
}

/// The real disk.
#[derive(Debug)]
pub(super) struct System;

impl Disk for System {
    type File = File;

    fn create_directories(&mut self, directory: &Path) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new().recursive(true).mode(0o770).create(directory)
    }

    fn exists(&mut self, path: &Path) -> io::Result<bool> {
        match fs::symlink_metadata(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn open(&mut self, path: &Path, opening: Opening) -> io::Result<(File, Found)> {
        let mut options = OpenOptions::new();
        match opening {
            Opening::New => options.write(true).create_new(true),
            Opening::Append => options.read(true).append(true).create(true),
        };
        let mut file = options.open(path)?;
        let bytes = file.metadata()?.len();
        let mut last = [b'\n'];
        if bytes > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        Ok((file, Found { bytes, ends_with_line_feed: last == [b'\n'] }))
    }

    fn append(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn size(&mut self, file: &File) -> io::Result<u64> {
        Ok(file.metadata()?.len())
    }

    fn truncate(&mut self, file: &mut File, bytes: u64) -> io::Result<()> {
        file.set_len(bytes)?;
        file.seek(SeekFrom::End(0)).map(drop)
    }

    fn sync(&mut self, file: &mut File) -> io::Result<()> {
        file.sync_all()
    }

    fn sync_directory(&mut self, directory: &Path) -> io::Result<()> {
        match File::open(directory)?.sync_all() {
            // Some file systems do not support syncing a directory.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            done => done,
        }
    }

    fn link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}
