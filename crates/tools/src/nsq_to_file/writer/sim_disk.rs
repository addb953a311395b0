//! A disk in memory that loses unsynced data at a power loss, and can be full or broken.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::super::disk::{Disk, Found, Opening};

/// A file's content, and how much of it survives a power loss.
#[derive(Debug, Default, Clone)]
struct Inode {
    data: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    /// Bytes that can still be written; `None` for no limit.
    room: Option<usize>,
    /// True if the next syncs fail with EIO.
    broken: bool,
}

/// A handle; clones share the disk, as successive processes do.
#[derive(Debug, Clone, Default)]
pub(super) struct SimDisk {
    state: Rc<RefCell<State>>,
}

impl SimDisk {
    pub(super) fn set_room(&self, room: Option<usize>) {
        self.state.borrow_mut().room = room;
    }

    pub(super) fn set_broken(&self, broken: bool) {
        self.state.borrow_mut().broken = broken;
    }

    /// Loses the power: `chance` decides which part of the unsynced data stays.
    pub(super) fn lose_power(&self, mut chance: impl FnMut(usize) -> usize) {
        let mut state = self.state.borrow_mut();
        for inode in &mut state.inodes {
            let common = inode.data.len().min(inode.durable.len());
            let torn = if inode.data.starts_with(&inode.durable) {
                common + chance(inode.data.len() - common + 1)
            } else {
                0
            };
            if torn > 0 {
                inode.data.truncate(torn);
            } else {
                inode.data = inode.durable.clone();
            }
            inode.durable = inode.data.clone();
        }
        let mut names = state.durable_names.clone();
        for (name, inode) in &state.names {
            if chance(2) == 0 {
                names.insert(name.clone(), *inode);
            }
        }
        let present = state.names.clone();
        // An unsynced removal may not have happened.
        names.retain(|name, _| present.contains_key(name) || chance(2) == 0);
        state.names = names.clone();
        state.durable_names = names;
    }

    /// Every file by name.
    pub(super) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let state = self.state.borrow();
        state.names.iter().map(|(name, inode)| (name.clone(), state.inodes[*inode].data.clone())).collect()
    }

    pub(super) fn put(&self, path: &str, data: &[u8]) {
        let mut state = self.state.borrow_mut();
        state.inodes.push(Inode { data: data.to_vec(), durable: data.to_vec() });
        let inode = state.inodes.len() - 1;
        state.names.insert(path.into(), inode);
        state.durable_names.insert(path.into(), inode);
    }
}

impl Disk for SimDisk {
    type File = usize;

    fn create_directories(&mut self, _directory: &Path) -> io::Result<()> {
        Ok(())
    }

    fn exists(&mut self, path: &Path) -> io::Result<bool> {
        Ok(self.state.borrow().names.contains_key(path))
    }

    fn open(&mut self, path: &Path, opening: Opening) -> io::Result<(usize, Found)> {
        let mut state = self.state.borrow_mut();
        let inode = match (state.names.get(path), opening) {
            (Some(_), Opening::New) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(inode), Opening::Append) => *inode,
            (None, _) if state.room == Some(0) => return Err(io::ErrorKind::StorageFull.into()),
            (None, _) => {
                state.inodes.push(Inode::default());
                let inode = state.inodes.len() - 1;
                state.names.insert(path.to_owned(), inode);
                inode
            }
        };
        let data = &state.inodes[inode].data;
        let ends_with_line_feed = data.last().is_none_or(|last| *last == b'\n');
        Ok((inode, Found { bytes: data.len() as u64, ends_with_line_feed }))
    }

    fn append(&mut self, file: &mut usize, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        let taken = state.room.map_or(bytes.len(), |room| room.min(bytes.len()));
        state.inodes[*file].data.extend_from_slice(&bytes[..taken]);
        state.room = state.room.map(|room| room - taken);
        if taken < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn size(&mut self, file: &usize) -> io::Result<u64> {
        Ok(self.state.borrow().inodes[*file].data.len() as u64)
    }

    fn truncate(&mut self, file: &mut usize, bytes: u64) -> io::Result<()> {
        self.state.borrow_mut().inodes[*file].data.truncate(bytes as usize);
        Ok(())
    }

    fn sync(&mut self, file: &mut usize) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        if state.broken {
            return Err(io::Error::other("input/output error"));
        }
        let inode = &mut state.inodes[*file];
        inode.durable = inode.data.clone();
        Ok(())
    }

    fn sync_directory(&mut self, directory: &Path) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        let here = |name: &Path| name.parent() == Some(directory);
        let now: Vec<_> =
            state.names.iter().filter(|(name, _)| here(name)).map(|(n, i)| (n.clone(), *i)).collect();
        state.durable_names.retain(|name, _| !here(name));
        state.durable_names.extend(now);
        Ok(())
    }

    fn link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        if state.names.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.state.borrow_mut().names.remove(path).map(drop).ok_or(io::ErrorKind::NotFound.into())
    }
}
