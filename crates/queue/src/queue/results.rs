//! What the disk threads have done.

use journal::{Block, CheckpointError, ReadDone, ReadError, SyncError};

use super::{Queue, TopicKey};
use crate::disk::{Done, Job, Purpose};
use crate::topic::{ChannelKey, Copied};

impl Queue {
    pub(super) fn job_done(&mut self, done: Done) {
        self.jobs_out = self.jobs_out.saturating_sub(1);
        match done {
            Done::Read(topic, purpose, done) => self.read_done(topic, purpose, done),
            Done::Copy(topic, reads, blocks) => self.copy_done(topic, reads, blocks),
            Done::Sync(topic, done) => self.sync_done(topic, done),
            Done::Checkpoint(topic, done) => self.checkpoint_done(topic, done),
            Done::Remove(topic, done) => {
                if let Some(target) = self.topics.get_mut(topic)
                    && let Err(e) = target.journal.removed(done)
                {
                    telemetry::error!(topic = target.name, error = %e, "segment cannot be deleted");
                    self.unreleased.push(topic);
                }
            }
            Done::Inventory(written) => self.inventory_done(written),
            Done::Delete(_, Ok(())) => {}
            Done::Delete(job, Err(e)) => {
                let directory = job.dir().display();
                telemetry::error!(%directory, error = %e, "a deleted topic's files cannot be removed yet");
                self.undeleted_files.push(job);
            }
        }
    }

    fn read_done(&mut self, key: TopicKey, purpose: Purpose, done: ReadDone) {
        let block = match self.topics.get_mut(key) {
            Some(topic) => Some(topic.journal.read_done(done)),
            // Deleted meanwhile: whoever asks for it is answered all the same.
            None => None,
        };
        match (purpose, block) {
            (Purpose::Deliver(channel), Some(block)) => self.block_arrived(key, channel, block),
            (Purpose::Bury(channel, at), Some(block)) => self.dead_arrived(key, channel, at, block),
            (Purpose::Deliver(_) | Purpose::Bury(..), None) => {}
            (Purpose::Redrive(order), block) => self.redrive_arrived(order, block),
            (Purpose::Peek(inquiry), block) => self.peeked(inquiry, block.and_then(Result::ok)),
        }
    }

    fn block_arrived(&mut self, key: TopicKey, channel: ChannelKey, block: Result<Block, ReadError>) {
        let Some(topic) = self.topics.get_mut(key) else { return };
        let name = topic.name.clone();
        let Some(target) = topic.channel_mut(channel) else { return };
        match block {
            Ok(block) => {
                let damage = block.damage().map(|damage| (damage.to_string(), damage.bytes()));
                target.reading = false;
                target.fetched = Some(block);
                self.schedule(key, channel);
                if let Some((text, bytes)) = damage {
                    self.find(&name, text, 0, bytes);
                }
            }
            // Released meanwhile: delivery finds out where to go on.
            Err(ReadError::Gone { .. }) => {
                target.reading = false;
                self.schedule(key, channel);
            }
            Err(error @ ReadError::Io(_)) => {
                let text = error.to_string();
                if self.health.as_deref() != Some(&text) {
                    telemetry::error!(topic = name, error = text, "read fails; it is tried again");
                }
                self.health = Some(text);
                self.retries.push((key, channel));
            }
        }
    }

    fn sync_done(&mut self, key: TopicKey, done: journal::SyncDone) {
        let Some(topic) = self.topics.get_mut(key) else { return };
        let refused = topic.journal.is_flush_refused();
        match topic.journal.synced(done) {
            Ok(_) => {}
            Err(SyncError::Refused(why)) => {
                // Whoever waits since a flush before this one has waited long enough.
                if refused {
                    topic.refuse_written(&why);
                }
                self.flush_refused(key, why);
            }
            Err(SyncError::Poisoned(poisoned)) => self.poisoned(key, &poisoned),
        }
        // Settles, and flushes again what was written meanwhile.
        self.mark_dirty(key);
    }

    fn checkpoint_done(&mut self, key: TopicKey, done: journal::CheckpointDone) {
        let wall = self.clock.wall.0;
        let Some(topic) = self.topics.get_mut(key) else { return };
        match topic.checkpointed(done, wall) {
            Ok(remove) => {
                let copy = if self.stopping { None } else { topic.clean(wall) };
                let again = topic.wants_another_checkpoint();
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
            Err(CheckpointError::Poisoned(poisoned)) => {
                self.poisoned(key, &poisoned);
                self.mark_dirty(key);
            }
            Err(CheckpointError::Refused(why)) => self.flush_refused(key, why),
            Err(error) => {
                telemetry::error!(topic = topic.name, %error, "checkpoint failed; it is tried again");
                self.note_written(key);
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
                telemetry::warn!(topic = topic.name, error = why, "live messages cannot be copied forward")
            }
        }
        self.mark_dirty(key);
    }
}
