//! A model of a file system for tests: it forgets unflushed data, and fails on request.
//!
//! Per file it keeps written and flushed contents; per directory the unflushed changes of names.
//! [`MemFiles::crash`] simulates a crash: of the process (everything written stays), or of the machine (an
//! arbitrary part of the unflushed pages and changes of names stays, in any order). All choices come from the
//! seed.

mod disk;
mod fault;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::disk::{Disk, Inode, NameChange, Node};
use super::{Dir, Entry, File, Files, Lock, OpenMode};

pub use self::fault::{Fault, Operation};

/// Kind of crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// The process ends (`kill -9`): the kernel keeps what was written.
    Process,
    /// The machine loses power: only flushed data is sure to stay.
    Power,
}

/// A file system in memory; see the module.
#[derive(Debug, Clone)]
pub struct MemFiles {
    disk: Arc<Mutex<Disk>>,
}

impl MemFiles {
    /// A file system with only a root and a working directory, whose choices follow from `seed`.
    pub fn new(seed: u64) -> MemFiles {
        let root = ["/", "", "."].map(|path| (PathBuf::from(path), Node::Dir(0)));
        let root = BTreeMap::from(root);
        let disk = Disk { random: seed, names: root.clone(), flushed_names: root, ..Disk::default() };
        MemFiles { disk: Arc::new(Mutex::new(disk)) }
    }

    /// Adds a failure. Of several for the same operation the first added is used first.
    pub fn fail(&self, fault: Fault) {
        self.disk().faults.push(fault);
    }

    /// Removes all pending failures. True if there was one.
    pub fn clear_faults(&self) -> bool {
        !std::mem::take(&mut self.disk().faults).is_empty()
    }

    /// Limits the total bytes of all files: writes beyond it are short, then fail with ENOSPC.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.disk().capacity = bytes;
    }

    /// Limits the number of open files and directories: beyond it opening fails with EMFILE.
    pub fn set_open_max(&self, max: Option<usize>) {
        self.disk().open_max = max;
    }

    /// Number of open files.
    pub fn open_count(&self) -> usize {
        self.disk().open
    }

    /// Simulates a lying device: flushes of files whose path contains `part` succeed without effect.
    pub fn set_unflushed(&self, part: Option<&str>) {
        self.disk().unflushed = part.map(str::to_owned);
    }

    /// Allows short writes.
    pub fn set_short_writes(&self, on: bool) {
        self.disk().short_writes = on;
    }

    /// Makes the `operations`-th change from now fail, a write half done, and every operation after it, until
    /// [`MemFiles::crash`].
    pub fn stop_after(&self, operations: u64) {
        self.disk().stop_after = Some(operations);
    }

    /// Number of changes so far: the range for [`MemFiles::stop_after`].
    pub fn changes(&self) -> u64 {
        self.disk().operations
    }

    /// Simulates a crash. Open files must not be used afterwards. Locks, failures and the stop are cleared.
    pub fn crash(&self, crash: Crash) {
        let mut disk = self.disk();
        if crash == Crash::Power {
            disk.lose_power();
        }
        disk.locks.clear();
        disk.faults.clear();
        disk.stop_after = None;
    }

    /// The content of a file.
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let disk = self.disk();
        let Some(Node::File(inode)) = disk.names.get(path) else { return None };
        Some(disk.inodes[*inode].written.clone())
    }

    /// Changes or creates a file behind the journal's back, as if flushed.
    pub fn set_content(&self, path: &Path, content: Vec<u8>) {
        let mut disk = self.disk();
        let inode = disk.inodes.len();
        disk.inodes.push(Inode { written: content.clone(), flushed: content });
        disk.names.insert(path.to_owned(), Node::File(inode));
        disk.flushed_names.insert(path.to_owned(), Node::File(inode));
    }

    /// Flips the bits of `mask` in one byte of a file, on the device too, even while it is open.
    pub fn flip(&self, path: &Path, at: usize, mask: u8) {
        let mut disk = self.disk();
        let Some(Node::File(inode)) = disk.names.get(path).copied() else { return };
        let Inode { written, flushed } = &mut disk.inodes[inode];
        [written, flushed].into_iter().filter_map(|bytes| bytes.get_mut(at)).for_each(|byte| *byte ^= mask);
    }

    /// All files, by name.
    pub fn paths(&self) -> Vec<PathBuf> {
        let disk = self.disk();
        disk.names
            .iter()
            .filter(|(_, node)| matches!(node, Node::File(_)))
            .map(|(path, _)| path.clone())
            .collect()
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn plain(verdict: Result<(), (io::Error, bool)>) -> io::Result<()> {
    verdict.map_err(|(error, _)| error)
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Files for MemFiles {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut disk = self.disk();
        disk.admit_open(Operation::Open)?;
        let inode = match (disk.names.get(path), mode) {
            (Some(Node::Dir(_)), _) => return Err(io::ErrorKind::IsADirectory.into()),
            (Some(Node::File(inode)), OpenMode::Create) => {
                let inode = *inode;
                disk.inodes[inode].written.clear();
                inode
            }
            (Some(Node::File(inode)), _) => *inode,
            (None, OpenMode::Create) => {
                let parent = path.parent().and_then(|dir| disk.names.get(dir));
                if !matches!(parent, Some(Node::Dir(_))) {
                    return Err(not_found());
                }
                let inode = disk.inodes.len();
                disk.inodes.push(Inode::default());
                disk.change_name(NameChange::Add(path.to_owned(), Node::File(inode)));
                inode
            }
            (None, _) => return Err(not_found()),
        };
        disk.open += 1;
        Ok(Arc::new(MemFile { files: self.clone(), inode }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let mut disk = self.disk();
        disk.admit_open(Operation::OpenDir)?;
        if !matches!(disk.names.get(dir), Some(Node::Dir(_))) {
            return Err(not_found());
        }
        let children = disk.names.iter().filter(|(path, _)| path.parent() == Some(dir));
        let entry = |(path, node): (&PathBuf, &Node)| Entry {
            name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            bytes: match node {
                Node::File(inode) => disk.inodes[*inode].written.len() as u64,
                Node::Dir(_) => 0,
            },
            is_dir: matches!(node, Node::Dir(_)),
        };
        Ok(children.map(entry).collect())
    }

    fn create_dir(&self, dir: &Path) -> io::Result<bool> {
        let mut disk = self.disk();
        plain(disk.admit(Operation::CreateDir))?;
        match disk.names.get(dir) {
            Some(Node::Dir(_)) => return Ok(false),
            Some(Node::File(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
            None => {}
        }
        let parent = dir.parent().and_then(|parent| disk.names.get(parent));
        if !matches!(parent, Some(Node::Dir(_))) {
            return Err(not_found());
        }
        disk.dirs += 1;
        let node = Node::Dir(disk.dirs);
        disk.change_name(NameChange::Add(dir.to_owned(), node));
        Ok(true)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        plain(disk.admit(Operation::Rename))?;
        if !disk.names.contains_key(from) {
            return Err(not_found());
        }
        disk.change_name(NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        plain(disk.admit(Operation::Remove))?;
        match disk.names.get(path) {
            Some(Node::File(_)) => {}
            _ => return Err(not_found()),
        }
        disk.change_name(NameChange::Remove(path.to_owned()));
        Ok(())
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        if !self.list(dir)?.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        self.disk().change_name(NameChange::Remove(dir.to_owned()));
        Ok(())
    }

    fn open_dir(&self, dir: &Path) -> io::Result<Arc<dyn Dir>> {
        let mut disk = self.disk();
        disk.admit_open(Operation::OpenDir)?;
        let Some(&node @ Node::Dir(_)) = disk.names.get(dir) else { return Err(not_found()) };
        disk.open += 1;
        Ok(Arc::new(MemDir { files: self.clone(), path: dir.to_owned(), node }))
    }

    fn lock(&self, dir: &Path) -> io::Result<Box<dyn Lock>> {
        if !self.disk().locks.insert(dir.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(MemLock { files: self.clone(), dir: dir.to_owned() }))
    }
}

#[derive(Debug)]
struct MemFile {
    files: MemFiles,
    inode: usize,
}

impl File for MemFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.files.disk().inodes[self.inode].written.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut disk = self.files.disk();
        plain(disk.admit(Operation::Read))?;
        let content = &disk.inodes[self.inode].written;
        let rest = content.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.files.disk().write(self.inode, bytes, offset)
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        let mut disk = self.files.disk();
        plain(disk.admit(Operation::Truncate))?;
        disk.inodes[self.inode].written.resize(bytes as usize, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.files.disk();
        plain(disk.admit(Operation::Sync))?;
        if disk.lies_about(self.inode) {
            return Ok(());
        }
        let inode = &mut disk.inodes[self.inode];
        inode.flushed.clone_from(&inode.written);
        Ok(())
    }

    fn is_at(&self, path: &Path) -> io::Result<bool> {
        Ok(self.files.disk().names.get(path) == Some(&Node::File(self.inode)))
    }
}

impl Drop for MemFile {
    fn drop(&mut self) {
        self.files.disk().open -= 1;
    }
}

/// An open directory. It is flushed at the path where it was opened, so not after a move.
#[derive(Debug)]
struct MemDir {
    files: MemFiles,
    path: PathBuf,
    node: Node,
}

impl Dir for MemDir {
    fn sync(&self) -> io::Result<()> {
        let mut disk = self.files.disk();
        plain(disk.admit(Operation::SyncDir))?;
        disk.flush_names(&self.path);
        Ok(())
    }

    fn is_at(&self, path: &Path) -> io::Result<bool> {
        Ok(self.files.disk().names.get(path) == Some(&self.node))
    }
}

impl Drop for MemDir {
    fn drop(&mut self) {
        self.files.disk().open -= 1;
    }
}

#[derive(Debug)]
struct MemLock {
    files: MemFiles,
    dir: PathBuf,
}

impl Drop for MemLock {
    fn drop(&mut self) {
        self.files.disk().locks.remove(&self.dir);
    }
}

impl Lock for MemLock {}
