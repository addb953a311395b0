//! Retries of work that failed for want of a resource (descriptors, memory, space, the data directory), until
//! it succeeds.
//!
//! The exception is a journal whose flush failed: it accepts nothing until a restart has read back its
//! contents.

use journal::Health;

use super::conditions::{Subject, Whose};
use super::{Queue, TopicKey, Waiter};
use crate::disk::Job;
use crate::registry::Entry;

impl Queue {
    /// Notes whether a topic's journal is healthy. One that refuses writes is retried at the next tick.
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

    /// [`Self::judge`] of a topic in the registry.
    pub(super) fn judge_journal(&mut self, key: TopicKey) {
        if let Some(mut topic) = self.topics.take(key) {
            self.judge(key, &mut topic);
            self.topics.restore(key, topic);
        }
    }

    /// Begins a condition of a subject.
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

    /// Ends a condition of a subject.
    pub(super) fn well(&mut self, subject: &Subject) {
        self.conditions.end(subject, self.clock.now);
    }

    /// Begins or ends a condition, by a result.
    pub(super) fn note<E: ToString>(&mut self, subject: Subject, result: Result<(), E>) {
        match result {
            Ok(()) => self.well(&subject),
            Err(error) => self.wrong(subject, &error),
        }
    }

    /// Ends the conditions of channels with no work left that could fail.
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

    /// Marks a topic for a checkpoint in one of the next ticks.
    pub(super) fn note_written(&mut self, key: TopicKey) {
        if let Some(topic) = self.topics.get_mut(key) {
            self.written.add(&mut topic.notes.written, key);
        }
    }

    /// Retries journals that refused a write, and writes finished messages although nobody publishes. Called
    /// once a second.
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

    /// Retries failed deletions of files. Called every few seconds.
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

    /// Retries the channels whose read failed.
    pub(super) fn retry_reads(&mut self) {
        for (key, channel) in std::mem::take(&mut self.retries) {
            if let Some(target) = self.channel_at((key, channel)) {
                target.notes.reading = false;
                self.schedule(key, channel);
            }
        }
    }
}
