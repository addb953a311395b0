//! The states of a device that a loss of power may leave, derived from the recorded operations.
//!
//! ```text
//!  list    write A │ sync │ write B (3 sectors) │ new name │ write C │ ✂
//!  device  A, and of B and C any sectors, each as it was at any time since the flush, any length in between, the name or not
//! ```
//! A sector is 512 bytes and is written whole or not at all; a longer write is torn between any two sectors.
//! Any subset of changes of names stays in which none builds on a lost one: no ordering by the file system is
//! assumed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use journal::{Files, MemFiles};

use super::names::{Inode, NameChange, Names, Node};
use super::recorder::{Op, RESERVE};

const SECTOR: usize = 512;

/// `SplitMix64`.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }
}

/// A file on the device, and the changes requested since.
#[derive(Debug, Default, Clone)]
struct Content {
    flushed: Vec<u8>,
    /// Unflushed changes, each with its index in the list.
    pending: Vec<(usize, Change)>,
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate(usize),
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Change::Truncate(bytes) => content.resize(*bytes, 0),
            Change::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset..end].copy_from_slice(bytes);
            }
        }
    }
}

/// The device just before some index of the list.
#[derive(Debug)]
pub struct Device {
    files: BTreeMap<Inode, Content>,
    names: Names,
    pending_names: Vec<(usize, NameChange)>,
    length: usize,
}

/// Everything found after the power loss; `None` for directories.
pub type Image = BTreeMap<PathBuf, Option<Vec<u8>>>;

impl Device {
    pub fn new() -> Device {
        let (files, pending_names) = (BTreeMap::new(), Vec::new());
        Device { files, names: Names::new(), pending_names, length: 0 }
    }

    /// Applies the next operation.
    pub fn apply(&mut self, op: &Op) {
        let at = self.length;
        self.length += 1;
        match op {
            Op::Write { inode, offset, bytes } => {
                self.change(*inode, at, Change::Write { offset: *offset, bytes: bytes.clone() });
            }
            Op::Truncate { inode, bytes } => self.change(*inode, at, Change::Truncate(*bytes)),
            Op::Name(change) => self.pending_names.push((at, change.clone())),
            Op::Sync { inode, up_to } => self.files.entry(*inode).or_default().flush(*up_to),
            Op::SyncDir { dir, up_to } => self.flush_names(*dir, *up_to),
        }
    }

    fn change(&mut self, inode: Inode, at: usize, change: Change) {
        self.files.entry(inode).or_default().pending.push((at, change));
    }

    fn flush_names(&mut self, dir: Inode, up_to: usize) {
        let names = &mut self.names;
        self.pending_names.retain(|(at, change)| {
            let flushed = *at < up_to && change.is_in(dir);
            if flushed {
                names.apply(change);
            }
            !flushed
        });
    }

    /// True if anything is not flushed.
    pub fn is_open(&self) -> bool {
        !self.pending_names.is_empty() || self.files.values().any(|content| !content.pending.is_empty())
    }

    /// One of the possible states after a power loss.
    pub fn lose_power(&self, keep: Keep, random: &mut Random) -> Image {
        let mut image = Image::new();
        for (path, node) in self.surviving_names(keep, random).reachable() {
            let content = match node {
                Node::Dir(_) => None,
                Node::File(inode) => {
                    Some(self.files.get(&inode).map(|file| file.surviving(keep, random)).unwrap_or_default())
                }
            };
            image.insert(path, content);
        }
        image
    }

    fn surviving_names(&self, keep: Keep, random: &mut Random) -> Names {
        let mut names = self.names.clone();
        let mut lost: Vec<&NameChange> = Vec::new();
        let first = random.below(self.pending_names.len() + 1);
        let in_order = random.below(2) == 0;
        for (i, (_, change)) in self.pending_names.iter().enumerate() {
            let stays = match keep {
                Keep::Everything | Keep::Names => true,
                Keep::Nothing | Keep::Contents => false,
                Keep::Some if in_order => i < first,
                Keep::Some => random.below(2) == 0,
            };
            if stays && !lost.iter().any(|earlier| change.builds_on(earlier)) {
                names.apply(change);
            } else {
                lost.push(change);
            }
        }
        names
    }
}

/// The unflushed changes that stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// All: the process was killed, or the device was quick.
    Everything,
    Nothing,
    /// All changes of files, and none of names.
    Contents,
    /// All changes of names, and none of files.
    Names,
    /// A random choice.
    Some,
}

impl Content {
    fn flush(&mut self, up_to: usize) {
        let kept = self.pending.partition_point(|(at, _)| *at < up_to);
        for (_, change) in self.pending.drain(..kept) {
            change.apply(&mut self.flushed);
        }
    }

    fn surviving(&self, keep: Keep, random: &mut Random) -> Vec<u8> {
        let mut states = vec![self.flushed.clone()];
        for (_, change) in &self.pending {
            let mut next = states.last().expect("the first").clone();
            change.apply(&mut next);
            states.push(next);
        }
        match keep {
            Keep::Everything | Keep::Contents => states.pop().expect("the first"),
            Keep::Nothing | Keep::Names => states.swap_remove(0),
            Keep::Some => torn(&states, random),
        }
    }
}

/// Each sector from one of these states, with the length of one of them.
fn torn(states: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let last = states.len() - 1;
    // Nearly all, nearly nothing, or half: faults often come from one sector among many.
    let bias = random.below(3);
    let choose = |random: &mut Random| match (bias, random.below(8)) {
        (0, 1..) => last,
        (1, 1..) => 0,
        _ => random.below(last + 1),
    };
    let length = states[choose(random)].len();
    let mut content = vec![0; length];
    for start in (0..length).step_by(SECTOR) {
        let state = &states[choose(random)];
        let end = (start + SECTOR).min(length).min(state.len());
        if start < end {
            content[start..end].copy_from_slice(&state[start..end]);
        }
    }
    content
}

/// A file system with the image, all of it on the device, and the reserve, which takes time to make.
pub fn mount(image: &Image) -> MemFiles {
    let files = MemFiles::new(1);
    for (path, content) in image {
        match content {
            Some(_) if path.ends_with(RESERVE) => files.set_content(path, vec![0; 1 << 20]),
            Some(content) => files.set_content(path, content.clone()),
            None => drop(files.create_dir(path).expect("a directory")),
        }
    }
    files
}
