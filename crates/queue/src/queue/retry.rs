//! What has failed for want of something (descriptors, memory, room, the data directory) is tried again until it succeeds.
//!
//! Only a journal whose flush was tried and failed is not: it takes nothing more before a restart has read back what is there.

use journal::Poisoned;

use super::{Queue, TopicKey};
use crate::disk::Job;

impl Queue {
    /// A flush could not be tried. It is tried again, once a second.
    pub(super) fn flush_refused(&mut self, key: TopicKey, why: String) {
        let Some(topic) = self.topics.get(key) else { return };
        if self.health.as_deref() != Some(&why) {
            telemetry::error!(topic = topic.name, error = why, "journal cannot be flushed");
        }
        self.health = Some(why);
        self.note_written(key);
    }

    /// A journal takes nothing more.
    pub(super) fn poisoned(&mut self, key: TopicKey, poisoned: &Poisoned) {
        let Some(topic) = self.topics.get_mut(key) else { return };
        let why = poisoned.to_string();
        telemetry::error!(topic = topic.name, error = why, "journal is poisoned");
        topic.refuse_written(&why);
        self.poisoned = Some(why);
    }

    /// The topic is looked at in the next ticks.
    pub(super) fn note_written(&mut self, key: TopicKey) {
        if let Some(topic) = self.topics.get_mut(key)
            && !std::mem::replace(&mut topic.written, true)
        {
            self.written.push(key);
        }
    }

    /// Once a second: what channels have finished is written, although nobody publishes, where the journal has refused it.
    pub(super) fn retry_writes(&mut self) {
        for key in std::mem::take(&mut self.unwritten) {
            if let Some(topic) = self.topics.get_mut(key) {
                topic.unwritten = false;
                self.mark_dirty(key);
            }
        }
    }

    /// Every few seconds: files that could not be deleted are deleted.
    pub(super) fn retry_files(&mut self) {
        for job in std::mem::take(&mut self.undeleted_files) {
            self.submit(Job::Delete(job));
        }
        let wall = self.clock.wall.0;
        for key in std::mem::take(&mut self.unreleased) {
            if let Some(job) = self.topics.get_mut(key).and_then(|topic| topic.release(wall)) {
                self.submit(Job::Remove(key, job));
            }
        }
    }

    /// Channels whose read has failed try again.
    pub(super) fn retry_reads(&mut self) {
        for (key, channel) in std::mem::take(&mut self.retries) {
            if let Some(target) = self.channel_at((key, channel)) {
                target.reading = false;
                self.schedule(key, channel);
            }
        }
    }
}
