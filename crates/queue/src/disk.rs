//! Jobs that may block on a disk, and the threads that run them.
//!
//! The shard never blocks on a device: it hands a [`Job`] over and is notified by mail. Reads have a thread
//! of their own, so that a consumer of old messages does not wait behind an fsync.

use std::sync::mpsc;
use std::thread;

use journal::{
    Block, CheckpointDone, CheckpointJob, DeleteJob, ReadDone, ReadJob, RemoveDone, RemoveJob, SyncDone,
    SyncJob,
};

use crate::inventory::InventoryJob;
use crate::message::Position;
use crate::registry::TopicKey;
use crate::topic::ChannelKey;

/// Purpose of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To go on with the channel's delivery.
    Deliver(ChannelKey),
    /// To set aside the channel's message at this position.
    DeadLetter(ChannelKey, Position),
    /// To redrive dead letters; the number is the order's.
    Redrive(u64),
    /// To peek at messages; the number is the job's.
    Peek(u64),
}

/// Work that may block.
#[derive(Debug)]
pub enum Job {
    /// Read a block.
    Read(TopicKey, Purpose, ReadJob),
    /// Read messages to be copied forward, besides those that were in memory.
    Copy(TopicKey, Vec<ReadJob>, Vec<Block>),
    /// Flush a journal.
    Sync(TopicKey, SyncJob),
    /// Write a checkpoint.
    Checkpoint(TopicKey, CheckpointJob),
    /// Delete segments.
    Remove(TopicKey, RemoveJob),
    /// Delete a topic's journal.
    Delete(DeleteJob),
    /// Write the inventory.
    Inventory(InventoryJob),
}

/// Result of a [`Job`].
#[derive(Debug)]
pub enum Done {
    /// See [`Job::Read`].
    Read(TopicKey, Purpose, ReadDone),
    /// See [`Job::Copy`].
    Copy(TopicKey, Vec<ReadDone>, Vec<Block>),
    /// See [`Job::Sync`].
    Sync(TopicKey, SyncDone),
    /// See [`Job::Checkpoint`].
    Checkpoint(TopicKey, CheckpointDone),
    /// See [`Job::Remove`].
    Remove(TopicKey, RemoveDone),
    /// See [`Job::Delete`]; to be retried if it failed.
    Delete(DeleteJob, std::io::Result<()>),
    /// See [`Job::Inventory`].
    Inventory(std::io::Result<()>),
}

impl Job {
    /// Does the work. Blocks.
    pub fn run(self) -> Done {
        match self {
            Job::Read(topic, purpose, job) => Done::Read(topic, purpose, job.run()),
            Job::Copy(topic, jobs, blocks) => {
                Done::Copy(topic, jobs.into_iter().map(ReadJob::run).collect(), blocks)
            }
            Job::Sync(topic, job) => Done::Sync(topic, job.run()),
            Job::Checkpoint(topic, job) => Done::Checkpoint(topic, job.run()),
            Job::Remove(topic, job) => Done::Remove(topic, job.run()),
            Job::Inventory(job) => Done::Inventory(job.run()),
            Job::Delete(job) => {
                let result = job.run();
                Done::Delete(job, result)
            }
        }
    }

    fn reads(&self) -> bool {
        matches!(self, Job::Read(..) | Job::Copy(..))
    }
}

/// Takes work that may block. Results come back as mail.
pub trait Disk: Send {
    /// Hands a job over. Never blocks.
    fn submit(&mut self, job: Job);
}

/// The real disk: one thread for reads, one for everything else. The threads end when this is dropped.
#[derive(Debug)]
pub struct DiskThreads {
    reads: mpsc::Sender<Job>,
    writes: mpsc::Sender<Job>,
}

impl DiskThreads {
    /// Starts the threads. `report` is called on them with each result.
    pub fn start(report: impl Fn(Done) + Send + Clone + 'static) -> std::io::Result<DiskThreads> {
        Ok(DiskThreads { reads: worker("disk-read", report.clone())?, writes: worker("disk-write", report)? })
    }
}

impl Disk for DiskThreads {
    fn submit(&mut self, job: Job) {
        let thread = if job.reads() { &self.reads } else { &self.writes };
        // The threads live as long as this does.
        let _ = thread.send(job);
    }
}

fn worker(name: &str, report: impl Fn(Done) + Send + 'static) -> std::io::Result<mpsc::Sender<Job>> {
    let (sender, jobs) = mpsc::channel::<Job>();
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        while let Ok(job) = jobs.recv() {
            report(job.run());
        }
    })?;
    Ok(sender)
}
