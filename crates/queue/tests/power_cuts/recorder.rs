//! A file system that records every change and every flush.
//!
//! It works on a [`MemFiles`], which is what the queue sees. From the list, `device.rs` derives what a device
//! may hold after a loss of power. A [`Lie`] leaves flushes out of the list, or records them too late: the
//! queue believes them and so behaves as if it did not wait for them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use journal::MemFiles;
use journal::files::{Dir, Entry, File, Files, Lock, OpenMode};

use super::names::{self, Inode, NameChange, Names, Node};

/// The emergency reserve: its bytes are meaningless and not recorded.
pub const RESERVE: &str = "reserve";

/// A change, or a flush.
#[derive(Debug, Clone)]
pub enum Op {
    Write {
        inode: Inode,
        offset: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        inode: Inode,
        bytes: usize,
    },
    Name(NameChange),
    /// Everything of the file before this index of the list is on the device.
    Sync {
        inode: Inode,
        up_to: usize,
    },
    /// Flushes the names in a directory.
    SyncDir {
        dir: Inode,
        up_to: usize,
    },
}

/// Makes flushes of files, or directories, whose path contains `of` ineffective or late.
#[derive(Debug, Clone, Copy)]
pub struct Lie {
    pub of: &'static str,
    pub what: Flush,
    /// Number of changes after which the flush really happens; `None` for never.
    pub late: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    File,
    Names,
}

#[derive(Debug)]
struct List {
    ops: Vec<Op>,
    names: Names,
    next: Inode,
    lie: Option<Lie>,
    /// Late flushes, each with the length of the list at which it is recorded.
    late: Vec<(usize, Op)>,
}

impl List {
    fn push(&mut self, op: Op) {
        self.ops.push(op);
        let length = self.ops.len();
        let due = self.late.extract_if(.., |(at, _)| *at <= length).map(|(_, op)| op);
        self.ops.extend(due);
    }

    fn flush(&mut self, path: &Path, what: Flush, op: Op) {
        let lie = self.lie.filter(|lie| lie.what == what && path.to_string_lossy().contains(lie.of));
        match lie {
            None => self.push(op),
            Some(Lie { late: Some(changes), .. }) => self.late.push((self.ops.len() + changes, op)),
            Some(_) => {}
        }
    }

    fn change_name(&mut self, change: NameChange) {
        self.names.apply(&change);
        self.push(Op::Name(change));
    }

    /// Adds a name for a new object, in an existing directory.
    fn add(&mut self, path: &Path, node: impl FnOnce(Inode) -> Node) -> Inode {
        let place = self.names.place(path).expect("its directory is there");
        self.next += 1;
        let inode = self.next - 1;
        self.change_name(NameChange::Add(place, node(inode)));
        inode
    }

    fn remove(&mut self, path: &Path) {
        let place = self.names.place(path).expect("it was there");
        self.change_name(NameChange::Remove(place));
    }

    fn add_dirs(&mut self, dir: &Path) {
        for dir in dir.ancestors().collect::<Vec<_>>().into_iter().rev() {
            if self.names.find(dir).is_none() {
                self.add(dir, Node::Dir);
            }
        }
    }

    /// Adds the contents of a directory.
    fn take_in(&mut self, files: &MemFiles, dir: &Path) {
        for Entry { name, is_dir, .. } in files.list(dir).expect("a directory") {
            let path = dir.join(name);
            if is_dir {
                self.add(&path, Node::Dir);
                self.take_in(files, &path);
                continue;
            }
            let inode = self.add(&path, Node::File);
            let bytes = files.content(&path).expect("it is listed");
            self.push(Op::Write { inode, offset: 0, bytes });
            self.push(Op::Sync { inode, up_to: usize::MAX });
        }
    }

    fn path_of(&self, inode: Inode) -> PathBuf {
        let found = self.names.reachable().into_iter().find(|(_, node)| node.inode() == inode);
        found.map(|(path, _)| path).unwrap_or_default()
    }
}

/// The recording file system.
#[derive(Debug, Clone)]
pub struct Recorder {
    files: MemFiles,
    list: Arc<Mutex<List>>,
}

impl Recorder {
    /// Begins with existing files, all of them on the device.
    pub fn new(files: MemFiles, lie: Option<Lie>) -> Recorder {
        let list = List { ops: Vec::new(), names: Names::new(), next: names::FIRST, lie, late: Vec::new() };
        let recorder = Recorder { files: files.clone(), list: Arc::new(Mutex::new(list)) };
        let mut list = recorder.list();
        list.take_in(&files, Path::new("."));
        for dir in 0..list.next {
            list.push(Op::SyncDir { dir, up_to: usize::MAX });
        }
        drop(list);
        recorder
    }

    /// Number of changes and flushes so far.
    pub fn length(&self) -> usize {
        self.list().ops.len()
    }

    /// All changes and flushes, in order.
    pub fn ops(&self) -> Vec<Op> {
        self.list().ops.clone()
    }

    fn list(&self) -> std::sync::MutexGuard<'_, List> {
        self.list.lock().expect("one thread")
    }
}

impl Files for Recorder {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let file = self.files.open(path, mode)?;
        let mut list = self.list();
        let inode = match list.names.find(path) {
            Some(node) => node.inode(),
            None => list.add(path, Node::File),
        };
        if mode == OpenMode::Create {
            list.push(Op::Truncate { inode, bytes: 0 });
        }
        if path.ends_with(RESERVE) {
            return Ok(file);
        }
        Ok(Arc::new(Recorded { file, inode, recorder: self.clone() }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.files.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<bool> {
        let created = self.files.create_dir(dir)?;
        self.list().add_dirs(dir);
        Ok(created)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.files.rename(from, to)?;
        let mut list = self.list();
        let node = list.names.find(from).expect("it was renamed");
        let places = [from, to].map(|path| list.names.place(path).expect("its directory is there"));
        let [from, to] = places;
        list.change_name(NameChange::Rename(from, to, node));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.files.remove(path)?;
        self.list().remove(path);
        Ok(())
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.files.remove_dir(dir)?;
        self.list().remove(dir);
        Ok(())
    }

    fn open_dir(&self, path: &Path) -> io::Result<Arc<dyn Dir>> {
        let dir = self.files.open_dir(path)?;
        let inode = self.list().names.find(path).expect("it was opened").inode();
        Ok(Arc::new(RecordedDir { dir, inode, recorder: self.clone() }))
    }

    fn lock(&self, dir: &Path) -> io::Result<Box<dyn Lock>> {
        self.files.lock(dir)
    }
}

#[derive(Debug)]
struct Recorded {
    file: Arc<dyn File>,
    inode: Inode,
    recorder: Recorder,
}

impl File for Recorded {
    fn bytes(&self) -> io::Result<u64> {
        self.file.bytes()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let count = self.file.write_at(bytes, offset)?;
        let op = Op::Write { inode: self.inode, offset: offset as usize, bytes: bytes[..count].to_vec() };
        self.recorder.list().push(op);
        Ok(count)
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.file.truncate(bytes)?;
        self.recorder.list().push(Op::Truncate { inode: self.inode, bytes: bytes as usize });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()?;
        let mut list = self.recorder.list();
        let (path, up_to) = (list.path_of(self.inode), list.ops.len());
        list.flush(&path, Flush::File, Op::Sync { inode: self.inode, up_to });
        Ok(())
    }

    fn is_at(&self, path: &Path) -> io::Result<bool> {
        self.file.is_at(path)
    }
}

#[derive(Debug)]
struct RecordedDir {
    dir: Arc<dyn Dir>,
    inode: Inode,
    recorder: Recorder,
}

impl Dir for RecordedDir {
    fn sync(&self) -> io::Result<()> {
        self.dir.sync()?;
        let mut list = self.recorder.list();
        let (path, up_to) = (list.path_of(self.inode), list.ops.len());
        list.flush(&path, Flush::Names, Op::SyncDir { dir: self.inode, up_to });
        Ok(())
    }

    fn is_at(&self, path: &Path) -> io::Result<bool> {
        self.dir.is_at(path)
    }
}
