//! Disk behind [`super::MemFiles`]: files and names, as written and as flushed, and the effect of a power
//! loss.
//!
//! A page is 512 bytes here. Any unflushed pages may stay, and any changes of names, except those that build
//! on a lost one.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::fault::{EMFILE, ENOSPC, Fault, Operation};

/// Bytes that reach the device atomically.
const PAGE_BYTES: usize = 512;

#[derive(Debug, Default)]
pub struct Disk {
    pub random: u64,
    pub inodes: Vec<Inode>,
    pub names: BTreeMap<PathBuf, Node>,
    pub flushed_names: BTreeMap<PathBuf, Node>,
    /// Unflushed changes of names, some of which a loss of power may take.
    pub pending_names: Vec<Pending>,
    pub locks: BTreeSet<PathBuf>,
    pub faults: Vec<Fault>,
    pub capacity: Option<u64>,
    /// Number of directories ever created.
    pub dirs: usize,
    /// Number of open files and directories.
    pub open: usize,
    pub open_max: Option<usize>,
    pub short_writes: bool,
    pub stop_after: Option<u64>,
    /// Flushes of files whose path contains this do nothing.
    pub unflushed: Option<String>,
    pub operations: u64,
}

#[derive(Debug, Default)]
pub struct Inode {
    pub written: Vec<u8>,
    pub flushed: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    File(usize),
    /// A directory, by number, which it keeps when it is renamed.
    Dir(usize),
}

#[derive(Debug, Clone)]
pub enum NameChange {
    Add(PathBuf, Node),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
}

/// A change of a name that may not be on the device.
#[derive(Debug, Clone)]
pub struct Pending {
    change: NameChange,
    /// Its directory was flushed; it is lost only with what it builds on, such as that directory's own name.
    flushed: bool,
}

impl NameChange {
    pub fn in_dir(&self, dir: &Path) -> bool {
        match self {
            NameChange::Add(path, _) | NameChange::Remove(path) => path.parent() == Some(dir),
            NameChange::Rename(from, to) => from.parent() == Some(dir) || to.parent() == Some(dir),
        }
    }

    fn paths(&self) -> [&Path; 2] {
        match self {
            NameChange::Add(path, _) | NameChange::Remove(path) => [path, path],
            NameChange::Rename(from, to) => [from, to],
        }
    }

    /// True if one of the two concerns a name of the other, or one below it.
    fn builds_on(&self, earlier: &NameChange) -> bool {
        let related = |a: &Path, b: &Path| a.starts_with(b) || b.starts_with(a);
        self.paths().iter().any(|mine| earlier.paths().iter().any(|its| related(mine, its)))
    }

    /// True if this concerns a name that the other adds or removes, or one below it.
    fn stands_on(&self, earlier: &NameChange) -> bool {
        self.paths().iter().any(|mine| earlier.paths().iter().any(|its| mine.starts_with(its)))
    }

    /// Adjusts paths to a renamed directory.
    fn follow(&mut self, from: &Path, to: &Path) {
        let moved = |path: &mut PathBuf| {
            if let Ok(rest) = path.strip_prefix(from)
                && !rest.as_os_str().is_empty()
            {
                *path = to.join(rest);
            }
        };
        match self {
            NameChange::Add(path, _) | NameChange::Remove(path) => moved(path),
            NameChange::Rename(a, b) => [a, b].into_iter().for_each(moved),
        }
    }

    pub fn apply(self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            NameChange::Add(path, node) => drop(names.insert(path, node)),
            NameChange::Remove(path) => drop(names.remove(&path)),
            NameChange::Rename(from, to) => rename(names, &from, &to),
        }
    }
}

fn rename(names: &mut BTreeMap<PathBuf, Node>, from: &Path, to: &Path) {
    let moved: Vec<PathBuf> = names.keys().filter(|path| path.starts_with(from)).cloned().collect();
    for path in moved {
        let Some(node) = names.remove(&path) else { continue };
        let rest = path.strip_prefix(from).unwrap_or(Path::new(""));
        names.insert(if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) }, node);
    }
}

impl Disk {
    /// `SplitMix64`.
    pub fn random(&mut self, below: usize) -> usize {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % below.max(1) as u64) as usize
    }

    /// An error if the operation fails, with true if a write is torn.
    pub fn admit(&mut self, operation: Operation) -> Result<(), (io::Error, bool)> {
        if let Some(left) = &mut self.stop_after {
            if *left == 0 {
                return Err((io::Error::other("stopped"), false));
            }
            if !operation.only_looks() {
                *left -= 1;
                if *left == 0 {
                    return Err((io::Error::other("stopped"), true));
                }
            }
        }
        self.operations += u64::from(!operation.only_looks());
        let Some(i) = self.faults.iter().position(|fault| fault.operation == operation) else {
            return Ok(());
        };
        let fault = &mut self.faults[i];
        if fault.skip > 0 {
            fault.skip -= 1;
            return Ok(());
        }
        fault.times = fault.times.saturating_sub(1);
        let error = (io::Error::from_raw_os_error(fault.errno), fault.torn);
        if fault.times == 0 {
            self.faults.remove(i);
        }
        Err(error)
    }

    /// An error if nothing more may be opened.
    pub fn admit_open(&mut self, operation: Operation) -> io::Result<()> {
        self.admit(operation).map_err(|(error, _)| error)?;
        match self.open_max {
            Some(max) if self.open >= max => Err(io::Error::from_raw_os_error(EMFILE)),
            _ => Ok(()),
        }
    }

    /// True if flushes of this file succeed without effect.
    pub fn lies_about(&self, inode: usize) -> bool {
        let Some(part) = &self.unflushed else { return false };
        let is_it = |(path, node): (&PathBuf, &Node)| {
            *node == Node::File(inode) && path.to_string_lossy().contains(part.as_str())
        };
        self.names.iter().any(is_it)
    }

    /// Bytes of the files that have a name; files removed while open do not count.
    fn used(&self) -> u64 {
        let files = self.names.values().filter_map(|node| match node {
            Node::File(inode) => Some(self.inodes[*inode].written.len() as u64),
            Node::Dir(_) => None,
        });
        files.sum()
    }

    pub fn write(&mut self, inode: usize, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let verdict = self.admit(Operation::Write);
        let used = if self.capacity.is_some() { self.used() } else { 0 };
        let growth = (offset + bytes.len() as u64).saturating_sub(self.inodes[inode].written.len() as u64);
        let missing = self.capacity.map_or(0, |capacity| (used + growth).saturating_sub(capacity));
        let fits = bytes.len().saturating_sub(missing as usize);
        let count = match &verdict {
            Err((_, false)) => 0,
            Err((_, true)) => self.random(fits),
            Ok(()) if self.short_writes && fits > 1 => 1 + self.random(fits),
            Ok(()) => fits,
        };
        let end = offset as usize + count;
        let content = &mut self.inodes[inode].written;
        if count > 0 {
            if content.len() < end {
                content.resize(end, 0);
            }
            content[offset as usize..end].copy_from_slice(&bytes[..count]);
        }
        match verdict {
            Err((error, _)) => Err(error),
            Ok(()) if count == 0 && !bytes.is_empty() => Err(io::Error::from_raw_os_error(ENOSPC)),
            Ok(()) => Ok(count),
        }
    }

    pub fn change_name(&mut self, change: NameChange) {
        change.clone().apply(&mut self.names);
        self.pending_names.push(Pending { change, flushed: false });
    }

    /// Flushes the names in a directory. If its own name is not on the device yet, they wait for that.
    pub fn flush_names(&mut self, dir: &Path) {
        let mut left: Vec<Pending> = Vec::new();
        for mut pending in std::mem::take(&mut self.pending_names) {
            pending.flushed |= pending.change.in_dir(dir);
            if !pending.flushed || left.iter().any(|earlier| pending.change.stands_on(&earlier.change)) {
                left.push(pending);
                continue;
            }
            if let NameChange::Rename(from, to) = &pending.change {
                for earlier in &mut left {
                    earlier.change.follow(from, to);
                }
            }
            pending.change.apply(&mut self.flushed_names);
        }
        self.pending_names = left;
    }

    pub fn lose_power(&mut self) {
        for i in 0..self.inodes.len() {
            let kept = self.surviving(i);
            self.inodes[i] = Inode { written: kept.clone(), flushed: kept };
        }
        self.lose_names();
        // Files in a missing directory cannot be reached.
        let dirs: BTreeSet<PathBuf> = self
            .flushed_names
            .iter()
            .filter(|(_, node)| matches!(node, Node::Dir(_)))
            .map(|(path, _)| path.clone())
            .collect();
        self.flushed_names.retain(|path, _| path.ancestors().skip(1).all(|dir| dirs.contains(dir)));
        self.names = self.flushed_names.clone();
    }

    /// Loses unflushed changes of names: either a prefix stays, or any subset in which none builds on a lost
    /// one.
    fn lose_names(&mut self) {
        let pending = std::mem::take(&mut self.pending_names);
        let first = self.random(pending.len() + 1);
        let in_order = self.random(2) == 0;
        let mut lost: Vec<NameChange> = Vec::new();
        for (i, Pending { change, flushed }) in pending.into_iter().enumerate() {
            let stays = if in_order { i < first } else { self.random(2) == 0 };
            if (stays || flushed) && !lost.iter().any(|earlier| change.builds_on(earlier)) {
                change.apply(&mut self.flushed_names);
            } else {
                lost.push(change);
            }
        }
    }

    /// The remains of a file: its flushed content, some of the changed pages, and a length between the two.
    fn surviving(&mut self, inode: usize) -> Vec<u8> {
        let Inode { written, flushed } = std::mem::take(&mut self.inodes[inode]);
        let (low, high) = (flushed.len().min(written.len()), flushed.len().max(written.len()));
        let length = match self.random(3) {
            0 => flushed.len(),
            1 => written.len(),
            _ => low + self.random(high - low + 1),
        };
        let mut kept = flushed;
        kept.resize(length, 0);
        let style = self.random(3);
        for start in (0..length).step_by(PAGE_BYTES) {
            let stays = match style {
                0 => true,
                1 => false,
                _ => self.random(2) == 0,
            };
            let end = (start + PAGE_BYTES).min(length).min(written.len());
            if stays && start < end {
                kept[start..end].copy_from_slice(&written[start..end]);
            }
        }
        kept
    }
}
