//! File descriptors: the process's limit, and how many of them clients may hold.
//!
//! Descriptors that clients hold are missing to journals, server connections and the admin port. So clients
//! get those that the rest can spare, and beyond that are not accepted: they wait in the listener's backlog
//! for one that goes. All shards share one count.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit of the process's open files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileLimit {
    /// The enforced limit; `u64::MAX` if there is none.
    pub soft: u64,
    /// The limit up to which it may be raised.
    pub hard: u64,
}

impl FileLimit {
    /// The limit now.
    pub fn current() -> FileLimit {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        FileLimit { soft: current.unwrap_or(u64::MAX), hard: maximum.unwrap_or(u64::MAX) }
    }

    /// Raises the soft limit to the hard one; the limit from then on.
    ///
    /// # Errors
    /// The system's. The limit is as before.
    pub fn raise() -> io::Result<FileLimit> {
        let limit = getrlimit(Resource::Nofile);
        if limit.current != limit.maximum {
            setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
        }
        Ok(FileLimit::current())
    }
}

/// The clients of all shards, and how many there may be.
#[derive(Debug, Clone)]
pub struct ClientPlaces(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    taken: AtomicUsize,
    max: AtomicUsize,
}

impl ClientPlaces {
    /// Places for so many.
    pub fn new(max: usize) -> ClientPlaces {
        ClientPlaces(Arc::new(Counts { taken: AtomicUsize::new(0), max: AtomicUsize::new(max) }))
    }

    /// Changes how many there are. Clients beyond it stay.
    pub fn set_max(&self, max: usize) {
        self.0.max.store(max, Ordering::Relaxed);
    }

    /// Number of descriptors.
    pub fn max(&self) -> usize {
        self.0.max.load(Ordering::Relaxed)
    }

    /// Number taken.
    pub fn taken(&self) -> usize {
        self.0.taken.load(Ordering::Relaxed)
    }

    /// Takes one. False if all are taken.
    pub(crate) fn try_take(&self) -> bool {
        let more = |taken| (taken < self.max()).then_some(taken + 1);
        self.0.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Takes one for a client that is here already.
    pub(crate) fn take(&self) {
        self.0.taken.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn give_back(&self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// As many as there are descriptors.
impl Default for ClientPlaces {
    fn default() -> ClientPlaces {
        ClientPlaces::new(usize::MAX)
    }
}
