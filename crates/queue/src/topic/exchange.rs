//! The exchange of a topic with the engine: its publications go there, and what comes from there passes
//! through the topic's journal, which is in memory and holds only the messages on their way to consumers.
//!
//! ```text
//!  PUB ▸ stage_for_engine ▸ take_publications ▸ engine ▸ published ▸ OK
//!  engine ▸ stage_arrival ▸ journal in memory, for one channel ▸ delivery ▸ FIN, REQ ▸ take_fates ▸ engine
//! ```

use std::sync::Arc;

use bytes::Bytes;
use engine::{Arrival, EngineError, Fate, Handle, Publication};
use journal::CommitSeq;

use super::on_engine::{OnEngine, Sent};
use super::slots::ChannelKey;
use super::{ControlError, Topic};
use crate::clock::Clock;
use crate::error::QueueError;
use crate::message::Message;
use crate::settings::TopicSettings;

impl<W> Topic<W> {
    /// Puts a new topic on the engine. Its journal is in memory.
    pub fn put_on_engine(&mut self) {
        self.engine = Some(Box::new(OnEngine::new(&self.name)));
    }

    /// Sets whether publications are accepted here first, if it is on the engine.
    pub fn accept_locally(&mut self, locally: bool) {
        if let Some(engine) = &mut self.engine {
            engine.accepts_locally = locally;
        }
    }

    /// True if it is on the engine, and publications are accepted here first.
    #[inline]
    pub fn accepts_locally(&self) -> bool {
        self.engine.as_ref().is_some_and(|engine| engine.accepts_locally)
    }

    /// True if its messages are kept by the engine.
    #[inline]
    pub fn is_on_engine(&self) -> bool {
        self.engine.is_some()
    }

    /// Stages a message with this body for the engine.
    pub fn stage_for_engine(&mut self, message: Publication, body: &[u8]) {
        if let Some(engine) = &mut self.engine {
            engine.bodies.extend_from_slice(body);
            engine.staged.push((message, engine.bodies.len()));
        }
    }

    /// Its settings, as they were set.
    pub fn configured(&self) -> TopicSettings {
        self.engine.as_ref().map_or(self.settings, |engine| engine.settings)
    }

    /// Takes new settings of a topic on the engine. Here only those about delivery matter.
    pub fn configure_on_engine(&mut self, settings: TopicSettings) {
        if let Some(engine) = &mut self.engine {
            engine.settings = settings;
            self.settings = TopicSettings { ttl_seconds: settings.ttl_seconds, ..TopicSettings::default() };
        }
    }

    /// The end of what is staged for the engine: messages, and bytes of bodies.
    pub fn mark_for_engine(&self) -> (usize, usize) {
        self.engine.as_ref().map_or((0, 0), |engine| (engine.staged.len(), engine.bodies.len()))
    }

    /// Drops what was staged for the engine after this mark.
    pub fn unstage_for_engine(&mut self, (messages, bytes): (usize, usize)) {
        if let Some(engine) = &mut self.engine {
            engine.staged.truncate(messages);
            engine.bodies.truncate(bytes);
        }
    }

    /// Takes the staged publications, whose outcome [`Topic::published`] brings under this number.
    pub fn take_publications(&mut self, number: u64) -> Option<(Arc<str>, Vec<Publication>, usize)> {
        let engine = self.engine.as_deref_mut().filter(|engine| !engine.staged.is_empty())?;
        let bodies: Bytes = std::mem::take(&mut engine.bodies).freeze();
        let mut from = 0;
        let messages: Vec<Publication> = engine
            .staged
            .drain(..)
            .map(|(message, end)| {
                let body = bodies.slice(from..end);
                from = end;
                Publication { body, ..message }
            })
            .collect();
        let sent = Sent {
            waiters: std::mem::take(&mut engine.waiters),
            messages: messages.len() as u64,
            bytes: bodies.len() as u64,
        };
        engine.sent.insert(number, sent);
        Some((Arc::clone(&engine.name), messages, bodies.len()))
    }

    /// Takes the outcome of publications: their waiters are settled next.
    pub fn published(&mut self, number: u64, outcome: Result<(), EngineError>) {
        let sent = self.engine.as_deref_mut().and_then(|engine| engine.sent.remove(&number));
        let Some(sent) = sent else { return };
        match outcome {
            Ok(()) => {
                self.counters.messages += sent.messages;
                self.counters.bytes += sent.bytes;
                // Settled as what the journal has long written.
                self.committing.written.extend(sent.waiters.into_iter().map(|w| (CommitSeq(0), w)));
            }
            Err(why) => {
                let why = if why.full { QueueError::TopicFull } else { QueueError::Engine(why.text) };
                self.counters.rejected += if why == QueueError::TopicFull { sent.messages } else { 0 };
                self.committing.refused.extend(sent.waiters.into_iter().map(|w| (w, why.clone())));
            }
        }
    }

    /// Refuses the publications that the engine has not answered.
    pub(super) fn refuse_unpublished(&mut self) {
        if let Some(engine) = &mut self.engine {
            self.committing.refused.extend(engine.unanswered().map(|w| (w, QueueError::Exiting)));
        }
    }

    /// Stages a message that the engine gave for a channel. A message that is held here, which the engine
    /// believed lost, only gets its new handle.
    pub fn stage_arrival(
        &mut self,
        key: ChannelKey,
        arrival: &Arrival,
        clock: Clock,
    ) -> Result<(), ControlError> {
        let channel = self.channel_mut(key).ok_or(ControlError::NoChannel)?;
        if let Some(at) = channel.held(arrival.id) {
            channel.hold_handle(at, arrival.handle.clone());
            return Ok(());
        }
        let message = Message {
            id: Some(arrival.id),
            attempts: arrival.attempts,
            origin: &arrival.origin,
            ..Message::new(arrival.timestamp, &arrival.body)
        };
        self.stage_private(key, &[message], clock)?;
        let at = self.staged.private.last().map(|private| private.message.at);
        if let (Some(at), Some(channel)) = (at, self.channel_mut(key)) {
            channel.hold_handle(at, arrival.handle.clone());
        }
        Ok(())
    }

    /// Takes what the channels have decided about their messages.
    pub fn take_fates(&mut self, clock: Clock) -> Vec<(Handle, Fate)> {
        let mut fates = Vec::new();
        if self.is_on_engine() {
            self.iter_mut().for_each(|(_, channel)| channel.take_fates(clock, &mut fates));
        }
        fates
    }

    /// Returns the messages that could not be kept here, from `end` of the journal on.
    pub fn take_unkept(&mut self) -> Vec<(Handle, Fate)> {
        let end = self.end();
        let mut fates = Vec::new();
        self.iter_mut().for_each(|(_, channel)| channel.return_from(end, &mut fates));
        fates
    }
}
