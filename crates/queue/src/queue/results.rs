//! Results of the disk threads.

use journal::{Block, CheckpointError, ReadDone, ReadError, SyncError};

use super::conditions::Subject;
use super::{Queue, TopicKey};
use crate::disk::{Done, Job, Purpose};
use crate::error::JournalRefusal;
use crate::topic::{ChannelKey, Copied};

/// Most bytes copied to free segments while the disk is full: a part of the reserve.
const COPIES_ON_A_FULL_DISK: u64 = 128 << 10;

impl Queue {
    pub(super) fn job_done(&mut self, done: Done) {
        self.jobs_out = self.jobs_out.saturating_sub(1);
        match done {
            Done::Read(topic, purpose, done) => self.read_done(topic, purpose, done),
            Done::Copy(topic, reads, blocks) => self.copy_done(topic, reads, blocks),
            Done::Sync(topic, done) => self.sync_done(topic, done),
            Done::Checkpoint(topic, done) => self.checkpoint_done(topic, done),
            Done::Remove(topic, done) => {
                let Some(target) = self.topics.get_mut(topic) else { return };
                let removed = target.journal.removed(done);
                if removed.is_err() {
                    self.unreleased.push(topic);
                }
                self.note(Subject::Release(topic), removed);
            }
            Done::Inventory(written) => self.inventory_done(written),
            Done::Delete(job, result) => {
                let subject = Subject::Deletion(job.dir().to_owned());
                if result.is_err() {
                    self.undeleted_files.push(job);
                }
                self.note(subject, result);
            }
        }
    }

    fn read_done(&mut self, key: TopicKey, purpose: Purpose, done: ReadDone) {
        let block = match self.topics.get_mut(key) {
            Some(topic) => Some(topic.journal.read_done(done)),
            // Deleted meanwhile: the request is answered anyway.
            None => None,
        };
        match (purpose, block) {
            (Purpose::Deliver(channel), Some(block)) => self.block_arrived(key, channel, block),
            (Purpose::DeadLetter(channel, at), Some(block)) => self.dead_arrived(key, channel, at, block),
            (Purpose::Deliver(_) | Purpose::DeadLetter(..), None) => {}
            (Purpose::Redrive(order), block) => self.redrive_arrived(order, block),
            (Purpose::Peek(job), block) => self.peeked(job, block.and_then(Result::ok)),
        }
    }

    fn block_arrived(&mut self, key: TopicKey, channel: ChannelKey, block: Result<Block, ReadError>) {
        let Some(topic) = self.topics.get_mut(key) else { return };
        let name = topic.name.clone();
        let Some(target) = topic.channel_mut(channel) else { return };
        match block {
            Ok(block) => {
                let damage = block.damage().map(|damage| (damage.to_string(), damage.bytes()));
                target.notes.reading = false;
                target.notes.fetched = Some(block);
                self.schedule(key, channel);
                if let Some((text, bytes)) = damage {
                    self.find(&name, text, 0, bytes);
                }
                self.well(&Subject::Reading(key, channel));
            }
            // Released meanwhile: delivery finds the next position.
            Err(ReadError::Gone { .. }) => {
                target.notes.reading = false;
                self.schedule(key, channel);
                self.well(&Subject::Reading(key, channel));
            }
            Err(error @ ReadError::Io(_)) => {
                self.retries.push((key, channel));
                self.wrong(Subject::Reading(key, channel), &error);
            }
        }
    }

    fn sync_done(&mut self, key: TopicKey, done: journal::SyncDone) {
        let Some(topic) = self.topics.get_mut(key) else { return };
        let refused = topic.journal.is_flush_refused();
        match topic.journal.synced(done) {
            Ok(_) => {}
            // Publications that waited since before this flush are refused.
            Err(SyncError::Refused(why)) if refused => topic.refuse_written(JournalRefusal::NotWritten(why)),
            Err(SyncError::Refused(_)) => {}
            Err(SyncError::Poisoned(poisoned)) => topic.refuse_written(JournalRefusal::Poisoned(poisoned)),
        }
        self.judge_journal(key);
        // Settles, and flushes what was written meanwhile.
        self.mark_dirty(key);
    }

    fn checkpoint_done(&mut self, key: TopicKey, done: journal::CheckpointDone) {
        let wall = self.clock.wall.0;
        // The space left on a full disk is for FINs.
        let room = if self.out_of_space.is_some() { COPIES_ON_A_FULL_DISK } else { u64::MAX };
        let Some(topic) = self.topics.get_mut(key) else { return };
        let result = topic.checkpointed(done, wall);
        if let Err(CheckpointError::Poisoned(poisoned)) = &result {
            topic.refuse_written(JournalRefusal::Poisoned(poisoned.clone()));
            self.mark_dirty(key);
        }
        self.judge_journal(key);
        let Some(topic) = self.topics.get_mut(key) else { return };
        match result {
            Ok(remove) => {
                let copy = if self.stopping { None } else { topic.clean(wall, room) };
                let again = topic.wants_another_checkpoint();
                self.well(&Subject::Checkpoint(key));
                if let Some(job) = remove {
                    self.submit(Job::Remove(key, job));
                }
                if let Some(copy) = copy {
                    self.submit(Job::Copy(key, copy.jobs, copy.blocks));
                }
                if again {
                    self.note_written(key);
                }
            }
            // The journal's own condition covers this.
            Err(CheckpointError::Poisoned(_)) => {}
            Err(error) => {
                self.note_written(key);
                self.wrong(Subject::Checkpoint(key), &error);
            }
        }
    }

    fn copy_done(&mut self, key: TopicKey, reads: Vec<ReadDone>, mut blocks: Vec<Block>) {
        let clock = self.clock;
        let Some(topic) = self.topics.get_mut(key) else { return };
        blocks.extend(reads.into_iter().filter_map(|done| topic.journal.read_done(done).ok()));
        match topic.copy_forward(&Copied { blocks }, clock) {
            Ok(None) => {}
            Ok(Some(next)) if !self.stopping => self.submit(Job::Copy(key, next.jobs, next.blocks)),
            Ok(Some(_)) => {}
            Err(why) => {
                telemetry::warn!(topic = topic.name, error = %why, "live messages cannot be copied forward");
            }
        }
        self.mark_dirty(key);
    }
}
