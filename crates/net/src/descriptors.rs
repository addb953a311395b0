//! File descriptors: the process's limit, and how many of them clients may hold.
//!
//! Descriptors held by clients are unavailable to journals, server connections and the admin port. So clients
//! get only what the rest can spare; beyond that they wait in the listener's backlog until a place is free.
//! All shards share one count.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The process's limit on open files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileLimit {
    /// The enforced limit; `u64::MAX` if there is none.
    pub soft: u64,
    /// The maximum to which it may be raised.
    pub hard: u64,
}

impl FileLimit {
    /// The current limit.
    pub fn current() -> FileLimit {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        FileLimit { soft: current.unwrap_or(u64::MAX), hard: maximum.unwrap_or(u64::MAX) }
    }

    /// Raises the soft limit to the hard one and returns the new limit.
    ///
    /// # Errors
    /// The system's. The limit is unchanged.
    pub fn raise() -> io::Result<FileLimit> {
        let limit = getrlimit(Resource::Nofile);
        if limit.current != limit.maximum {
            setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
        }
        Ok(FileLimit::current())
    }
}

/// Client count of all shards, and its maximum.
#[derive(Debug, Clone)]
pub struct ClientPlaces(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    taken: AtomicUsize,
    max: AtomicUsize,
}

impl ClientPlaces {
    /// Creates `max` places.
    pub fn new(max: usize) -> ClientPlaces {
        ClientPlaces(Arc::new(Counts { taken: AtomicUsize::new(0), max: AtomicUsize::new(max) }))
    }

    /// Changes the maximum. Existing clients above it stay.
    pub fn set_max(&self, max: usize) {
        self.0.max.store(max, Ordering::Relaxed);
    }

    /// The maximum number of places.
    pub fn max(&self) -> usize {
        self.0.max.load(Ordering::Relaxed)
    }

    /// Number of places taken.
    pub fn taken(&self) -> usize {
        self.0.taken.load(Ordering::Relaxed)
    }

    /// Takes a place. False if all are taken.
    pub(crate) fn try_take(&self) -> bool {
        let more = |taken| (taken < self.max()).then_some(taken + 1);
        self.0.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Takes a place for an already connected client, even above the maximum.
    pub(crate) fn take(&self) {
        self.0.taken.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn give_back(&self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// As many places as there are descriptors.
impl Default for ClientPlaces {
    fn default() -> ClientPlaces {
        ClientPlaces::new(usize::MAX)
    }
}
