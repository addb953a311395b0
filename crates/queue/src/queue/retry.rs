//! Retries of work that has failed for want of something (descriptors, memory, room, the data directory),
//! until it succeeds.
//!
//! Only a journal whose flush was tried and failed is not: it takes nothing more before a restart has read
//! back what is there.

use journal::Health;

use super::conditions::{Subject, Whose};
use super::{Queue, TopicKey, Waiter};
use crate::disk::Job;
use crate::registry::Entry;

impl Queue {
    /// Notes whether the journal of a topic is well. One that refuses writes is asked again with the next
    /// tick.
    pub(super) fn judge(&mut self, key: TopicKey, topic: &mut Entry<Waiter>) {
        let (clock, whose) = (self.clock, || Whose { topic: topic.name.clone(), ..Whose::default() });
        let conditions = &mut self.conditions;
        match topic.journal.health() {
            Health::Ok => conditions.end(&Subject::Journal(key), clock.now),
            Health::Poisoned(why) => {
                conditions.forget(&Subject::Journal(key));
                conditions.begin(Subject::Poisoned(key), whose(), &why, clock);
            }
            Health::Refusing(why) => {
                conditions.begin(Subject::Journal(key), whose(), &why, clock);
                self.unwritten.add(&mut topic.notes.unwritten, key);
            }
        }
    }

    /// [`Self::judge`] of a topic in its place.
    pub(super) fn judge_journal(&mut self, key: TopicKey) {
        if let Some(mut topic) = self.topics.take(key) {
            self.judge(key, &mut topic);
            self.topics.restore(key, topic);
        }
    }

    /// Something is wrong with a subject.
    pub(super) fn wrong(&mut self, subject: Subject, why: &impl ToString) {
        let topic = subject.topic().and_then(|key| self.topics.get(key));
        let channel = subject.channel().and_then(|(_, channel)| topic?.channel(channel));
        let whose = Whose {
            topic: topic.map_or_else(String::new, |topic| topic.name.clone()),
            channel: channel.map_or_else(String::new, |channel| channel.name.clone()),
            named: false,
        };
        self.conditions.begin(subject, whose, &why.to_string(), self.clock);
    }

    /// A subject is well.
    pub(super) fn well(&mut self, subject: &Subject) {
        self.conditions.end(subject, self.clock.now);
    }

    /// A subject is well, or something is wrong with it.
    pub(super) fn note<E: ToString>(&mut self, subject: Subject, result: Result<(), E>) {
        match result {
            Ok(()) => self.well(&subject),
            Err(error) => self.wrong(subject, &error),
        }
    }

    /// A channel that has nothing left of something cannot fail for it.
    pub(super) fn end_idle_conditions(&mut self) {
        for (key, channel_key) in self.conditions.channels() {
            let Some(channel) = self.channel_at((key, channel_key)) else { continue };
            let (empty, no_letters) =
                (channel.depth() == 0, channel.dead_letters.is_empty() && channel.departing.is_empty());
            if empty {
                self.well(&Subject::Reading(key, channel_key));
            }
            if no_letters {
                self.well(&Subject::DeadLetters(key, channel_key));
            }
        }
    }

    /// The topic is looked at in the next ticks.
    pub(super) fn note_written(&mut self, key: TopicKey) {
        if let Some(topic) = self.topics.get_mut(key) {
            self.written.add(&mut topic.notes.written, key);
        }
    }

    /// Once a second: journals that have refused a write are asked again. What channels have finished is
    /// written, although nobody publishes.
    pub(super) fn retry_writes(&mut self) {
        for key in self.unwritten.take() {
            let Some(topic) = self.topics.get_mut(key) else { continue };
            topic.notes.unwritten.clear();
            if topic.has_events() {
                self.mark_dirty(key);
            } else {
                topic.journal.retry_write();
                self.judge_journal(key);
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
