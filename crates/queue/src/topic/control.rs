//! Changes by operators and subscriptions: channels are created, deleted, paused, emptied and moved.
//!
//! Each change is written at once, after everything staged before it, so that the journal has the order of
//! events. A change that cannot be written does not happen.

use std::time::Duration;

use super::slots::{ChannelKey, Slot};
use super::staged::Private;
use super::{Topic, at};
use crate::channel::Channel;
use crate::clock::Clock;
use crate::deferred::Waiting;
use crate::error::{JournalRefusal, QueueError};
use crate::message::{Message, Position};
use crate::record::{FROM_THE_BEGINNING, Record, Seek, TOPIC};
use crate::settings::{ChannelSettings, TopicSettings};

/// The reason a change was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlError {
    /// The journal refused it.
    NotWritten(JournalRefusal),
    /// The channel does not exist.
    NoChannel,
}

impl std::fmt::Display for ControlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ControlError::NotWritten(why) => why.fmt(f),
            ControlError::NoChannel => f.write_str("channel not found"),
        }
    }
}

impl From<JournalRefusal> for ControlError {
    fn from(why: JournalRefusal) -> ControlError {
        ControlError::NotWritten(why)
    }
}

impl From<ControlError> for QueueError {
    fn from(error: ControlError) -> QueueError {
        match error {
            ControlError::NoChannel => QueueError::NoChannel,
            ControlError::NotWritten(why) => QueueError::Journal(why),
        }
    }
}

/// Target of moving a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeekTo {
    /// To the oldest kept message.
    Beginning,
    /// To the first message published at or after this wall time (ns).
    Time(i64),
    /// To the end of the stream.
    End,
}

/// Result of moving a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sought {
    /// Messages that the channel has yet to read.
    pub count: u64,
    /// False if kept messages do not reach back to the requested time: older ones are gone, and the channel
    /// begins with the oldest kept one.
    pub complete: bool,
    /// Lower bound (wall, ns) on the publication time of the oldest kept message, to a mebibyte of messages;
    /// `None` if nothing is kept.
    pub oldest: Option<i64>,
}

impl<W> Topic<W> {
    /// Creates a channel. The first one gets the messages waiting in the topic, later ones only those
    /// published afterwards; with `from_beginning` a channel gets everything kept.
    pub fn create_channel(
        &mut self,
        name: &str,
        from_beginning: bool,
        clock: Clock,
    ) -> Result<ChannelKey, ControlError> {
        if let Some(key) = self.find(name) {
            return Ok(key);
        }
        if self.end() > 0 || self.channel_count > 0 {
            self.commit(clock)?;
        }
        // Otherwise the topic is new, and its creation is written along with the channel's.
        let (number, cursor, tag) = (self.next_number, self.pumped, self.tag);
        // Also for ephemeral ones: the messages they took from the topic must not return to it.
        let mut records = vec![Record::ChannelCreated { number, cursor, name: name.to_owned() }];
        let seek = (from_beginning && self.engine.is_none()).then(|| self.find_beginning()).flatten();
        if let Some(seek) = seek
            && !wire::nsq::is_ephemeral(name)
        {
            records.push(Record::ChannelSought { number, seek });
        }
        self.write(&records, clock)?;
        self.next_number += 1;
        let key = self.insert_channel(Channel::new(name, number, cursor, 0));
        self.pump();
        if let Some(seek) = seek
            && let Some(channel) = self.channel_mut(key)
        {
            channel.seek(seek, tag);
        }
        Ok(key)
    }

    /// Position of the oldest kept message, for a new channel; `None` if the topic has had no message.
    fn find_beginning(&self) -> Option<Seek> {
        // Unless the topic holds its messages back, creating the channel hands all of them out.
        let seek = if self.paused || self.holding {
            self.find_place(SeekTo::Beginning)
        } else {
            self.place(SeekTo::Beginning, self.end(), self.sequence)
        };
        (self.journal.first().0 < seek.end).then_some(seek)
    }

    /// Deletes a channel and returns it, so that its consumers can be closed.
    pub fn delete_channel(&mut self, key: ChannelKey, clock: Clock) -> Result<Channel, ControlError> {
        let channel = self.channel(key).ok_or(ControlError::NoChannel)?;
        let number = channel.number;
        self.commit(clock)?;
        self.write(&[Record::ChannelDeleted(number)], clock)?;
        let slot = &mut self.channels[key.slot as usize];
        slot.generation = slot.generation.wrapping_add(1);
        self.channel_count -= 1;
        let channel = slot.channel.take().ok_or(ControlError::NoChannel)?;
        self.limited -= usize::from(channel.ephemeral || self.ephemeral);
        Ok(channel)
    }

    /// Pauses or resumes a channel.
    pub fn pause_channel(&mut self, key: ChannelKey, paused: bool, clock: Clock) -> Result<(), ControlError> {
        self.change_channel(key, clock, |number| Record::ChannelPaused(number, paused))?;
        if let Some(channel) = self.channel_mut(key) {
            channel.pause(paused);
        }
        Ok(())
    }

    /// Drops all messages of a channel.
    pub fn empty_channel(&mut self, key: ChannelKey, clock: Clock) -> Result<(), ControlError> {
        self.commit(clock)?;
        let end = self.pumped;
        self.change_channel(key, clock, |number| Record::ChannelEmptied(number, end))?;
        if let Some(channel) = self.channel_mut(key) {
            channel.empty(end);
        }
        Ok(())
    }

    /// Changes the settings of a channel.
    pub fn configure_channel(
        &mut self,
        key: ChannelKey,
        settings: ChannelSettings,
        clock: Clock,
    ) -> Result<(), ControlError> {
        let json = serde_json::to_string(&settings).unwrap_or_default();
        self.change_channel(key, clock, |number| Record::Configured(Some(number), json))?;
        if let Some(channel) = self.channel_mut(key) {
            channel.settings = settings;
        }
        Ok(())
    }

    /// Moves a channel. Its messages in flight, waiting or deferred are dropped.
    pub fn seek(&mut self, key: ChannelKey, to: SeekTo, clock: Clock) -> Result<Sought, ControlError> {
        self.commit(clock)?;
        let (seek, tag) = (self.find_place(to), self.tag);
        self.change_channel(key, clock, |number| Record::ChannelSought { number, seek })?;
        if let Some(channel) = self.channel_mut(key) {
            channel.seek(seek, tag);
        }
        Ok(self.sought(to, seek.behind))
    }

    /// Pauses or resumes the topic.
    pub fn pause(&mut self, paused: bool, clock: Clock) -> Result<(), ControlError> {
        self.commit(clock)?;
        self.write(&[Record::TopicPaused(paused)], clock)?;
        self.paused = paused;
        self.pump();
        Ok(())
    }

    /// Drops messages waiting in the topic itself; its channels keep theirs.
    pub fn empty(&mut self, clock: Clock) -> Result<(), ControlError> {
        self.commit(clock)?;
        let (from, to) = (self.pumped, self.end());
        self.write(&[Record::TopicEmptied(from, to)], clock)?;
        self.waiting = 0;
        self.held.clear();
        self.pumped = to;
        for (_, channel) in self.iter_mut() {
            channel.add_hole(from, to);
        }
        Ok(())
    }

    /// Changes the topic's settings.
    pub fn configure(&mut self, settings: TopicSettings, clock: Clock) -> Result<(), ControlError> {
        let json = serde_json::to_string(&settings).unwrap_or_default();
        self.commit(clock)?;
        self.write(&[Record::Configured(None, json)], clock)?;
        if settings.limits_age() && !self.settings.limits_age() {
            // Earlier set-backs may be missing, because no setting needed them.
            self.set_backs.add(self.end(), clock.wall.0);
        }
        self.settings = settings;
        Ok(())
    }

    /// Notes that the wall clock was set back. True if a checkpoint must persist it.
    pub fn clock_set_back(&mut self, clock: Clock) -> bool {
        self.set_backs.add(self.end(), clock.wall.0);
        self.wants_set_backs_saved()
    }

    /// True if checkpoints must persist when the clock was set back and the remaining delays of due times,
    /// because the topic depends on either.
    pub fn wants_set_backs_saved(&self) -> bool {
        let matters = || self.settings.limits_age() || self.deferred_count() > 0;
        self.set_backs.is_unsaved() && !self.in_memory() && matters()
    }

    /// Stages messages for one channel only: all or none. The channel gets them once they are committed.
    pub fn stage_private(
        &mut self,
        key: ChannelKey,
        messages: &[Message<'_>],
        clock: Clock,
    ) -> Result<(), ControlError> {
        let number = self.channel(key).ok_or(ControlError::NoChannel)?.number;
        let mark = self.mark();
        for message in messages {
            let message = Message { channel: Some(number), ..*message };
            self.scratch.clear();
            message.encode_head(&mut self.scratch);
            let at = match self.journal.append(message.kind(), &[&self.scratch, message.body]) {
                Ok(at) => at.0,
                Err(e) => {
                    self.unstage(mark);
                    return Err(ControlError::NotWritten(e.into()));
                }
            };
            let waiting = Waiting { at, id: message.id_at(self.tag, at).0, attempts: message.attempts };
            let due = (message.due > clock.wall.0).then(|| clock.to_instant(message.due, Duration::MAX));
            self.staged.private.push(Private { channel: key, message: waiting, due });
        }
        Ok(())
    }

    /// Stages the first record of a new journal.
    pub(super) fn stage_creation(&mut self) {
        self.stage_record(&Record::TopicCreated { tag: self.tag, name: self.name.clone() });
    }

    /// Sets the settings of a new topic, which are written along with its creation.
    pub fn stage_settings(&mut self, settings: TopicSettings) {
        let json = serde_json::to_string(&settings).unwrap_or_default();
        self.stage_record(&Record::Configured(None, json));
        self.settings = settings;
    }

    /// Stages a record, to be written with the next batch.
    pub(super) fn stage_record(&mut self, record: &Record) {
        if self.in_memory() {
            return;
        }
        self.scratch.clear();
        let kind = record.encode(&mut self.scratch);
        // The batch is empty or nearly so, and has room for a record of a hundred bytes.
        let _ = self.journal.append(kind, &[&self.scratch]);
    }

    pub(super) fn insert_channel(&mut self, mut channel: Channel) -> ChannelKey {
        channel.engine = self.engine.as_ref().map(|_| Box::default());
        self.channel_count += 1;
        self.limited += usize::from(channel.ephemeral || self.ephemeral);
        let free = self.channels.iter().position(|slot| slot.channel.is_none());
        let slot = free.unwrap_or_else(|| {
            if self.channels.is_empty() {
                // Most topics have one channel; `push` alone would allocate for four.
                self.channels.reserve_exact(1);
            }
            self.channels.push(Slot::default());
            self.channels.len() - 1
        });
        self.channels[slot].channel = Some(channel);
        ChannelKey { slot: slot as u32, generation: self.channels[slot].generation }
    }

    /// Drops the oldest messages while the backlog exceeds the topic's limit.
    pub(super) fn drop_oldest(&mut self) {
        let max = self.settings.bytes_max;
        if max == 0 || self.backlog_bytes() <= max {
            return;
        }
        // A tenth more than needed, so that this does not run for every message.
        let Some(mark) = self.milestones.at_or_after(self.end().saturating_sub(max - max / 10)) else {
            return;
        };
        let left = self.sequence - mark.sequence;
        let mut channels = Vec::new();
        let mut dropped = 0;
        for slot in &mut self.channels {
            let Some(channel) = &mut slot.channel else { continue };
            let count = channel.drop_before(mark.at, left.saturating_sub(self.waiting));
            dropped += count;
            if !channel.ephemeral {
                channels.push((channel.number, count));
            }
        }
        if self.pumped < mark.at {
            let in_topic = self.waiting.saturating_sub(left);
            dropped += in_topic;
            channels.push((TOPIC, in_topic));
            self.waiting -= in_topic;
            self.pumped = mark.at;
            self.held.retain(|(_, message)| message.at >= mark.at);
        }
        self.counters.dropped += dropped;
        // Written with the next batch. A crash before that brings the dropped messages back; none is lost.
        self.stage_record(&Record::Dropped { floor: mark.at, channels });
    }

    fn find_place(&self, to: SeekTo) -> Seek {
        self.place(to, self.pumped, self.sequence - self.waiting)
    }

    /// The target in a stream that is read up to `pumped`, with `sequence` messages before that.
    fn place(&self, to: SeekTo, pumped: Position, sequence: u64) -> Seek {
        let first = self.journal.first().0;
        let (mark, not_before) = match to {
            SeekTo::End => (None, 0),
            SeekTo::Beginning => (self.milestones.at_or_after(first), FROM_THE_BEGINNING),
            SeekTo::Time(time) => (self.milestones.before_time(time), time),
        };
        match mark.filter(|mark| mark.at < pumped) {
            Some(mark) => {
                let behind = sequence.saturating_sub(mark.sequence);
                Seek { cursor: mark.at.max(first), behind, end: pumped, not_before }
            }
            None if to == SeekTo::Beginning => Seek { cursor: pumped, behind: 0, end: pumped, not_before },
            None => Seek { cursor: pumped, behind: 0, end: pumped, not_before: 0 },
        }
    }

    fn sought(&self, to: SeekTo, count: u64) -> Sought {
        let oldest = self.milestones.first().map(|mark| mark.time);
        let whole = self.journal.first().0 == 0;
        let complete = match to {
            SeekTo::End => true,
            SeekTo::Beginning => whole,
            SeekTo::Time(time) => whole || oldest.is_some_and(|oldest| oldest <= time),
        };
        Sought { count, complete, oldest }
    }

    fn change_channel(
        &mut self,
        key: ChannelKey,
        clock: Clock,
        record: impl FnOnce(u32) -> Record,
    ) -> Result<(), ControlError> {
        let channel = self.channel(key).ok_or(ControlError::NoChannel)?;
        let (number, ephemeral) = (channel.number, channel.ephemeral);
        self.commit(clock)?;
        if !ephemeral {
            self.write(&[record(number)], clock)?;
        }
        Ok(())
    }

    /// Writes records at once, all or none, along with staged ones. A journal in memory holds only messages,
    /// because it is never replayed.
    fn write(&mut self, records: &[Record], clock: Clock) -> Result<(), ControlError> {
        let records = if self.in_memory() { &[] } else { records };
        for record in records {
            self.scratch.clear();
            let kind = record.encode(&mut self.scratch);
            if let Err(e) = self.journal.append(kind, &[&self.scratch]) {
                self.journal.discard();
                return Err(ControlError::NotWritten(e.into()));
            }
        }
        Ok(self.commit(clock)?)
    }

    /// The message record at a position, if it is in memory.
    pub fn peek(&mut self, position: Position) -> Option<journal::Block> {
        match self.journal.read_one(at(position), 4096) {
            journal::ReadOutcome::Block(block) => Some(block),
            _ => None,
        }
    }
}
