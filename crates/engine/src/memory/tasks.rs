//! Tasks of the engine in memory: they are done at once.

use std::sync::Arc;

use super::{Memory, Stored};
use crate::names::mix;
use crate::request::{
    ACK_WAIT, Arrival, Completion, EngineError, Handle, Place, Publication, Shown, Task, TaskResult,
};

/// The channel that dead letters are read through.
const REDRIVE: &str = "redrive";

impl Memory {
    pub(super) fn task(
        &mut self,
        topic: &Arc<str>,
        channel: Option<&Arc<str>>,
        task: Task,
        wall: i64,
    ) -> Result<TaskResult, EngineError> {
        match (channel, task) {
            (Some(channel), Task::Seek(place)) => self.seek(topic, channel, place),
            (channel, Task::Peek { what, count }) => {
                Ok(TaskResult::Shown(self.shown(topic, channel.map(|channel| &**channel), what, count)))
            }
            (Some(channel), Task::Redrive { letters, count, died }) => {
                let all = i64::MIN..i64::MAX;
                let back = self.take_letters(&letters, count, &died.unwrap_or(all));
                let moved = back.len() as u64;
                let Some(target) = self.topics.get_mut(topic) else { return Ok(TaskResult::Count(0)) };
                for letter in back {
                    let only = Some(Arc::clone(channel));
                    target
                        .publish(Publication { only, ..Publication::new(mix(letter.id), letter.body) }, wall);
                }
                Ok(TaskResult::Count(moved))
            }
            (None, Task::TakeLetters { count, died }) => {
                let all = i64::MIN..i64::MAX;
                Ok(TaskResult::Letters(self.hand_out_letters(topic, count, &died.unwrap_or(all))))
            }
            (None, Task::Dissolve) => Ok(TaskResult::Count(self.dissolve(topic))),
            (Some(_), Task::TakeLetters { .. } | Task::Dissolve) => {
                Err(EngineError::new("this is about topics"))
            }
            (None, Task::Seek(_) | Task::Redrive { .. }) => Err(EngineError::new("a channel is missing")),
        }
    }

    pub(super) fn seek(
        &mut self,
        topic: &Arc<str>,
        channel: &Arc<str>,
        place: Place,
    ) -> Result<TaskResult, EngineError> {
        let missing = || EngineError::new("channel not found");
        let target = self.topics.get_mut(topic).ok_or_else(missing)?;
        let reader = target.channels.get_mut(channel).ok_or_else(missing)?;
        reader.pending.clear();
        reader.attempts.clear();
        reader.waiting.clear();
        let mut over = Vec::new();
        for (sequence, stored) in &mut target.messages {
            let reads = match place {
                Place::Beginning => true,
                Place::Time(time) => stored.timestamp >= time,
                Place::End => false,
            };
            if reads {
                stored.wanted.insert(Arc::clone(channel));
                reader.waiting.push_back(*sequence);
            } else {
                over.push(*sequence);
            }
        }
        let count = reader.waiting.len() as u64;
        over.into_iter().for_each(|sequence| target.finish(channel, sequence));
        let oldest = target.messages.values().map(|stored| stored.timestamp).min();
        for active in [true, false] {
            let (topic, channel) = (Arc::clone(topic), Arc::clone(channel));
            self.tell_all(&Completion::Seeking { topic, channel, active });
        }
        Ok(TaskResult::Sought { count, complete: true, oldest })
    }

    /// Deletes a topic of which nothing is left; returns what is.
    fn dissolve(&mut self, name: &Arc<str>) -> u64 {
        if let Some(topic) = self.topics.get(name) {
            let unfinished = topic.messages.values().filter(|stored| !stored.wanted.is_empty()).count();
            let held = if topic.channels.is_empty() { topic.messages.len() } else { 0 };
            let left = unfinished.max(held) + topic.deferred.len();
            if left > 0 {
                return left as u64;
            }
        }
        self.topics.remove(name);
        self.tell_all(&Completion::Gone { topic: Arc::clone(name), channel: None });
        0
    }

    /// Hands letters out that died in this time; they come back unless they are finished.
    fn hand_out_letters(
        &mut self,
        letters: &Arc<str>,
        count: usize,
        died: &std::ops::Range<i64>,
    ) -> Vec<Arrival> {
        let (reader, back) = (Arc::<str>::from(REDRIVE), self.now + ACK_WAIT);
        let taken = self.read_letters(letters, count, died);
        let Some(topic) = self.topics.get_mut(letters) else { return Vec::new() };
        if let Some(channel) = topic.channels.get_mut(&reader) {
            channel.pending.extend(taken.iter().map(|(sequence, _)| (*sequence, back)));
        }
        let arrival = |(sequence, stored): (u64, Stored)| Arrival {
            id: stored.message.id,
            timestamp: stored.timestamp,
            attempts: 0,
            handle: Handle(format!("{letters}/{REDRIVE}/{sequence}/letter").into()),
            only: None,
            origin: stored.message.origin,
            body: stored.message.body,
        };
        taken.into_iter().map(arrival).collect()
    }

    fn shown(&self, topic: &str, channel: Option<&str>, what: Shown, count: usize) -> Vec<Publication> {
        let Some(topic) = self.topics.get(topic) else { return Vec::new() };
        if what == Shown::Deferred {
            return topic.deferred.iter().take(count).cloned().collect();
        }
        let all = channel.is_none() && (what == Shown::Kept || topic.channels.is_empty());
        let read = |stored: &Stored| Publication { published: stored.timestamp, ..stored.message.clone() };
        match channel.map(|channel| topic.channels.get(channel)) {
            Some(Some(channel)) => {
                let waiting = channel.waiting.iter().filter_map(|sequence| topic.messages.get(sequence));
                waiting.take(count).map(read).collect()
            }
            Some(None) => Vec::new(),
            None if all => topic.messages.values().take(count).map(read).collect(),
            None => Vec::new(),
        }
    }

    /// Takes letters that died in this time.
    fn take_letters(
        &mut self,
        letters: &Arc<str>,
        count: usize,
        died: &std::ops::Range<i64>,
    ) -> Vec<Publication> {
        let reader: Arc<str> = REDRIVE.into();
        let taken = self.read_letters(letters, count, died);
        let Some(topic) = self.topics.get_mut(letters) else { return Vec::new() };
        taken.iter().for_each(|(sequence, _)| topic.finish(&reader, *sequence));
        taken.into_iter().map(|(_, stored)| stored.message).collect()
    }

    /// Reads up to `count` letters that died in this time, with their numbers. They wait no more.
    fn read_letters(
        &mut self,
        letters: &Arc<str>,
        count: usize,
        died: &std::ops::Range<i64>,
    ) -> Vec<(u64, Stored)> {
        if !self.topics.contains_key(letters) {
            return Vec::new();
        }
        let reader: Arc<str> = REDRIVE.into();
        self.create(letters, Some(&reader));
        let Some(topic) = self.topics.get_mut(letters) else { return Vec::new() };
        let Some(channel) = topic.channels.get_mut(&reader) else { return Vec::new() };
        let (mut taken, mut left) = (Vec::new(), std::collections::VecDeque::new());
        for sequence in std::mem::take(&mut channel.waiting) {
            match topic.messages.get(&sequence) {
                Some(stored) if taken.len() < count && died.contains(&stored.timestamp) => {
                    taken.push((sequence, stored.clone()));
                }
                _ => left.push_back(sequence),
            }
        }
        channel.waiting = left;
        taken
    }
}
