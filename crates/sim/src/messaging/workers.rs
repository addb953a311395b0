//! The daemon's disk threads: one for reads, one for everything else, each with its jobs in order.
//!
//! A job is carried out in one moment, at its end; a loss of power in its middle is played by a disk that
//! stops after so many changes ([`journal::MemFiles::stop_after`]).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use queue::disk::{Disk, Done, Job};

type Inbox = Arc<Mutex<Vec<Job>>>;

/// The queue's end.
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

    /// Takes new jobs; gives the workers that were idle and have something to do now.
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

    /// Does the first job of a worker; true if another one waits.
    pub(crate) fn work(&mut self, worker: usize) -> Option<(Done, bool)> {
        let job = self.lines[worker].pop_front()?;
        Some((job.run(), !self.lines[worker].is_empty()))
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.lines.iter().all(VecDeque::is_empty)
    }
}
