//! The daemon's disk threads: one for reads, one for everything else, each with its jobs in order.
//!
//! A job runs at one moment, at its end; a power loss in its middle is simulated by a disk that stops after a
//! number of changes ([`journal::MemFiles::stop_after`]).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use queue::disk::{Disk, Done, Job};

type Inbox = Arc<Mutex<Vec<Job>>>;

/// Disk interface of the queue.
pub(crate) struct SimDisk(Inbox);

impl Disk for SimDisk {
    fn submit(&mut self, job: Job) {
        self.0.lock().expect("one thread").push(job);
    }
}

#[derive(Debug, Default)]
pub(crate) struct Workers {
    inbox: Inbox,
    lines: [VecDeque<Job>; 2],
}

impl Workers {
    pub(crate) fn disk(&self) -> SimDisk {
        SimDisk(Arc::clone(&self.inbox))
    }

    /// Accepts new jobs; returns the idle workers that now have work.
    pub(crate) fn collect(&mut self) -> Vec<usize> {
        let mut woken = Vec::new();
        for job in std::mem::take(&mut *self.inbox.lock().expect("one thread")) {
            let worker = usize::from(!matches!(job, Job::Read(..) | Job::Copy(..)));
            if self.lines[worker].is_empty() {
                woken.push(worker);
            }
            self.lines[worker].push_back(job);
        }
        woken
    }

    /// Runs the first job of a worker; true if another one waits.
    pub(crate) fn work(&mut self, worker: usize) -> Option<(Done, bool)> {
        let job = self.lines[worker].pop_front()?;
        Some((job.run(), !self.lines[worker].is_empty()))
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.lines.iter().all(VecDeque::is_empty)
    }
}
