//! Names in directories, by number as in a real file system: a renamed directory keeps its number, and
//! another one may take its name.

use std::collections::BTreeMap;
use std::path::{Component, Path};

/// Number of a created file or directory; never reused.
pub type Inode = usize;

/// The object that a name refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    File(Inode),
    Dir(Inode),
}

impl Node {
    pub fn inode(self) -> Inode {
        match self {
            Node::File(inode) | Node::Dir(inode) => inode,
        }
    }
}

/// A name in a directory.
pub type Place = (Inode, String);

/// A change of one name, or of two at once.
#[derive(Debug, Clone)]
pub enum NameChange {
    Add(Place, Node),
    Remove(Place),
    Rename(Place, Place, Node),
}

const ROOT: Inode = 0;
const WORKING: Inode = 1;
/// The first free number.
pub const FIRST: Inode = 2;

/// Directories and their entries.
#[derive(Debug, Clone)]
pub struct Names(BTreeMap<Inode, BTreeMap<String, Node>>);

impl Names {
    /// A root and a working directory.
    pub fn new() -> Names {
        Names([(ROOT, BTreeMap::new()), (WORKING, BTreeMap::new())].into())
    }

    pub fn find(&self, path: &Path) -> Option<Node> {
        let mut at = Node::Dir(WORKING);
        for component in path.components() {
            at = match (component, at) {
                (Component::RootDir, _) => Node::Dir(ROOT),
                (Component::CurDir, _) => at,
                (Component::Normal(name), Node::Dir(dir)) => *self.0.get(&dir)?.get(name.to_str()?)?,
                _ => return None,
            };
        }
        Some(at)
    }

    /// The place of a path, if its directory exists.
    pub fn place(&self, path: &Path) -> Option<Place> {
        let name = path.file_name()?.to_str()?.to_owned();
        match self.find(path.parent()?)? {
            Node::Dir(dir) => Some((dir, name)),
            Node::File(_) => None,
        }
    }

    pub fn apply(&mut self, change: &NameChange) {
        match change {
            NameChange::Add(place, node) => self.put(place, *node),
            NameChange::Remove(place) => self.take(place),
            NameChange::Rename(from, to, node) => {
                self.take(from);
                self.put(to, *node);
            }
        }
    }

    fn put(&mut self, (dir, name): &Place, node: Node) {
        self.0.entry(*dir).or_default().insert(name.clone(), node);
    }

    fn take(&mut self, (dir, name): &Place) {
        self.0.entry(*dir).or_default().remove(name);
    }

    /// Everything reachable, with its path.
    pub fn reachable(&self) -> Vec<(std::path::PathBuf, Node)> {
        let mut all = Vec::new();
        for (path, inode) in [("/", ROOT), (".", WORKING)] {
            self.walk(Path::new(path), inode, &mut all);
        }
        all
    }

    fn walk(&self, path: &Path, dir: Inode, all: &mut Vec<(std::path::PathBuf, Node)>) {
        for (name, node) in self.0.get(&dir).into_iter().flatten() {
            let path = path.join(name);
            all.push((path.clone(), *node));
            if let Node::Dir(dir) = node {
                self.walk(&path, *dir, all);
            }
        }
    }
}

impl NameChange {
    pub fn is_in(&self, dir: Inode) -> bool {
        self.places().iter().any(|(its, _)| *its == dir)
    }

    fn places(&self) -> [&Place; 2] {
        match self {
            NameChange::Add(place, _) | NameChange::Remove(place) => [place, place],
            NameChange::Rename(from, to, _) => [from, to],
        }
    }

    /// True if one of the two concerns a name of the other.
    pub fn builds_on(&self, earlier: &NameChange) -> bool {
        self.places().iter().any(|mine| earlier.places().contains(mine))
    }
}
