//! Tasks of the engine: channels moved, messages shown, dead letters brought back.

use std::sync::Arc;

use engine::{EngineError, Place, Publication, Request as ToEngine, Shown, Task, TaskResult};

use super::{Queue, redrive};
use crate::error::QueueError;
use crate::request::{Answer, PeekAt, Peeked, Reply, Request};
use crate::topic::{SeekTo, Sought};

/// A task on a topic, or on one of its channels.
type Planned = (String, Option<String>, Task);

impl Queue {
    /// Hands a task over. Returns the request if it is not one for the engine.
    pub(super) fn ask_task(&mut self, request: Request, reply: Reply) -> Option<(Request, Reply)> {
        match self.plan_task(&request) {
            Ok(None) => return Some((request, reply)),
            Ok(Some((topic, channel, task))) => self.start_task(&topic, channel.as_deref(), task, reply),
            Err(why) => reply.send(Answer::Refused(why)),
        }
        None
    }

    fn plan_task(&self, request: &Request) -> Result<Option<Planned>, QueueError> {
        match request {
            Request::Seek(topic, channel, to) if self.is_on_engine(topic) => {
                self.named_channel(topic, channel)?;
                Ok(Some((topic.clone(), Some(channel.clone()), Task::Seek(place(*to)))))
            }
            Request::Peek { topic, channel, what, count } => {
                self.plan_peek_task(topic, channel.as_deref(), *what, *count)
            }
            Request::Redrive { topic, channel, count, died } => {
                self.named_channel(topic, channel)?;
                let letters = self.dead_letter_topic_of(topic, channel).ok_or(QueueError::NoChannel)?;
                match (self.is_on_engine(topic), self.exists_on_engine(&letters)) {
                    (true, true) => {
                        let (letters, count, died) = (letters.into(), *count, died.clone());
                        let task = Task::Redrive { letters, count, died };
                        Ok(Some((topic.clone(), Some(channel.clone()), task)))
                    }
                    // To a local topic it is no task, nor from one.
                    (false, true) | (_, false) => Ok(None),
                }
            }
            _ => Ok(None),
        }
    }

    fn plan_peek_task(
        &self,
        topic: &str,
        channel: Option<&str>,
        what: PeekAt,
        count: usize,
    ) -> Result<Option<Planned>, QueueError> {
        let shown = |what| Task::Peek { what, count: count.min(super::peek::PEEK_MAX) };
        if let (PeekAt::Dead, Some(channel)) = (what, channel) {
            self.named_channel(topic, channel)?;
            let letters = self.dead_letter_topic_of(topic, channel).ok_or(QueueError::NoChannel)?;
            if !self.exists_on_engine(&letters) {
                return Ok(None);
            }
            // Letters that the redrive channel has finished are not shown; without that channel, all are.
            let read = self.engine_channel(&letters, redrive::CHANNEL).is_some();
            let reader = read.then(|| redrive::CHANNEL.to_owned());
            return Ok(Some((letters, reader, shown(if read { Shown::Waiting } else { Shown::Kept }))));
        }
        if !self.is_on_engine(topic) || what == PeekAt::InFlight {
            return Ok(None);
        }
        match channel {
            None => drop(self.named(topic)?),
            Some(channel) => drop(self.named_channel(topic, channel)?),
        }
        let what = if what == PeekAt::Deferred { Shown::Deferred } else { Shown::Waiting };
        Ok(Some((topic.to_owned(), channel.map(str::to_owned), shown(what))))
    }

    /// True if there is a topic of this name, and it is on the engine.
    pub(super) fn exists_on_engine(&self, topic: &str) -> bool {
        let topic = self.topics.find(topic).and_then(|key| self.topics.get(key));
        topic.is_some_and(|topic| topic.is_on_engine())
    }

    fn start_task(&mut self, topic: &str, channel: Option<&str>, task: Task, reply: Reply) {
        let Some(link) = &mut self.engine else { return reply.send(Answer::Refused(QueueError::NoEngine)) };
        let (number, topic, channel) = (link.number(), Arc::from(topic), channel.map(Arc::from));
        link.tasks.insert(number, reply);
        link.submit(ToEngine::Task { number, topic, channel, task });
    }

    pub(super) fn task_finished(&mut self, number: u64, outcome: Result<TaskResult, EngineError>) {
        if self.dissolved(number, &outcome) || self.letters_arrived(number, &outcome) {
            return;
        }
        let Some(reply) = self.engine.as_mut().and_then(|link| link.tasks.remove(&number)) else { return };
        reply.send(match outcome {
            Err(why) => Answer::Refused(QueueError::Engine(why.text)),
            Ok(TaskResult::Count(count)) => Answer::Count(count),
            // Handled above.
            Ok(TaskResult::Letters(_)) => Answer::Count(0),
            Ok(TaskResult::Shown(messages)) => Answer::Messages(messages.into_iter().map(shown).collect()),
            Ok(TaskResult::Sought { count, complete, oldest }) => {
                Answer::Sought(Sought { count, complete, oldest })
            }
        });
    }
}

fn place(to: SeekTo) -> Place {
    match to {
        SeekTo::Beginning => Place::Beginning,
        SeekTo::Time(time) => Place::Time(time),
        SeekTo::End => Place::End,
    }
}

fn shown(message: Publication) -> Peeked {
    Peeked {
        id: wire::nsq::MessageId(message.id).to_string(),
        timestamp: message.published,
        attempts: 0,
        due: message.due,
        consumer: String::new(),
        origin: String::from_utf8_lossy(&message.origin).into_owned(),
        body: message.body,
    }
}
