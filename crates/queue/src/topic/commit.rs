//! Commit of a turn: everything staged becomes one write, then the publishers get their OK.
//!
//! A commit includes the events of all channels: FIN costs no write of its own while messages are being
//! published. Events that the disk refused stay with their channel for the next commit; messages that were
//! not written are refused to their publishers and discarded.

use super::Topic;
use super::milestones::Milestone;
use super::staged::{Committing, Mark, Outcome, Private, Settled, Staged};
use crate::clock::Clock;
use crate::error::{JournalRefusal, QueueError};
use crate::message::Position;
use crate::record::{encode_finished, encode_requeued};
use crate::settings::AtLimit;

impl<W> Topic<W> {
    /// The present end of the staged messages; for [`Topic::unstage`].
    pub fn mark(&self) -> Mark {
        let staged = &self.staged;
        Mark {
            batch: self.journal.mark(),
            count: staged.count,
            bytes: staged.bytes,
            deferred: staged.deferred.len(),
            deferred_bytes: staged.deferred_bytes,
            positions: staged.positions.len(),
            private: staged.private.len(),
        }
    }

    /// Discards the messages staged since `mark`, so that nothing remains of a publication that does not fit.
    /// There must have been no commit since.
    pub fn unstage(&mut self, mark: Mark) {
        self.journal.unstage(mark.batch);
        let staged = &mut self.staged;
        (staged.count, staged.bytes) = (mark.count, mark.bytes);
        staged.deferred.truncate(mark.deferred);
        staged.deferred_bytes = mark.deferred_bytes;
        staged.positions.truncate(mark.positions);
        staged.private.truncate(mark.private);
    }

    /// Adds a waiter for what is staged.
    #[inline]
    pub fn wait(&mut self, waiter: W) {
        match &mut self.engine {
            None => self.staged.waiters.push(waiter),
            Some(engine) => engine.wait(waiter),
        }
    }

    /// Adds a waiter that is settled when the staged messages are on the device, whatever the topic's
    /// durability. In memory there is no device to wait for.
    pub fn wait_for_device(&mut self, waiter: W) {
        self.staged.device_waiters.push(waiter);
    }

    /// True while a waiter needs a flush that the topic's durability does not require.
    pub fn is_flush_awaited(&self) -> bool {
        !self.committing.unflushed.is_empty()
    }

    /// The last waiter for what is staged now.
    pub fn last_waiter(&self) -> Option<&W> {
        match &self.engine {
            None => self.staged.waiters.last(),
            Some(engine) => engine.last_waiter(),
        }
    }

    /// True if messages are staged.
    pub fn has_staged(&self) -> bool {
        let staged = &self.staged;
        self.journal.staged_bytes() > 0 || !staged.waiters.is_empty() || !staged.device_waiters.is_empty()
    }

    /// True if a channel has unwritten events.
    pub fn has_events(&self) -> bool {
        self.iter().any(|(_, channel)| !channel.events.is_empty())
    }

    /// Number of unwritten events: the most that a crash now would repeat.
    pub fn unwritten_events(&self) -> usize {
        self.iter().map(|(_, channel)| channel.events.finished.len() + channel.events.requeued.len()).sum()
    }

    /// Writes staged messages and the channels' events with one write, and hands the messages to the
    /// channels. The error is for changes other than publications; publications get it through
    /// [`Topic::settle`].
    pub fn commit(&mut self, clock: Clock) -> Result<(), JournalRefusal> {
        self.stage_events();
        let start = self.end();
        match self.journal.commit() {
            Ok(sequence) => {
                let (staged, committing) = (&mut self.staged, &mut self.committing);
                committing.written.extend(staged.waiters.drain(..).map(|w| (sequence, w)));
                committing.unflushed.extend(staged.device_waiters.drain(..).map(|w| (sequence, w)));
                self.forget_events();
                self.take_in(start, clock);
                Ok(())
            }
            Err(error) => {
                let why = JournalRefusal::from(error);
                let staged = &mut self.staged;
                let refused = staged.waiters.drain(..).chain(staged.device_waiters.drain(..));
                self.committing.refused.extend(refused.map(|w| (w, QueueError::Journal(why.clone()))));
                self.staged.clear();
                Err(why)
            }
        }
    }

    /// Publications whose outcome is known, in the order of staging.
    pub fn settle(&mut self, mut each: impl FnMut(Settled<W>)) {
        let reached = [
            (&mut self.committing.written, self.journal.accepted()),
            (&mut self.committing.unflushed, self.journal.durable()),
        ];
        for (line, reached) in reached {
            while let Some((_, waiter)) = line.pop_front_if(|(sequence, _)| *sequence <= reached) {
                each(Settled { waiter, outcome: Outcome::Accepted });
            }
        }
        for (waiter, why) in self.committing.refused.drain(..) {
            each(Settled { waiter, outcome: Outcome::Refused(why) });
        }
    }

    /// Refuses publications that are written and not flushed, because the journal accepts nothing more.
    pub fn refuse_written(&mut self, why: JournalRefusal) {
        self.refuse_unsettled(&QueueError::Journal(why));
    }

    fn refuse_unsettled(&mut self, why: &QueueError) {
        let Committing { written, unflushed, refused } = &mut self.committing;
        let waiting = written.drain(..).chain(unflushed.drain(..));
        refused.extend(waiting.map(|(_, waiter)| (waiter, why.clone())));
    }

    /// Refuses all pending publications of a topic that is being deleted.
    pub fn refuse_all(&mut self) {
        self.refuse_unsettled(&QueueError::Exiting);
        self.refuse_unpublished();
        let staged = self.staged.waiters.drain(..).chain(self.staged.device_waiters.drain(..));
        self.committing.refused.extend(staged.map(|waiter| (waiter, QueueError::Exiting)));
    }

    /// True while a publication waits for its outcome.
    pub fn is_waited_for(&self) -> bool {
        !self.staged.waiters.is_empty()
            || !self.staged.device_waiters.is_empty()
            || !self.committing.written.is_empty()
            || !self.committing.unflushed.is_empty()
            || !self.committing.refused.is_empty()
            || self.engine.as_ref().is_some_and(|engine| engine.is_publishing())
    }

    fn stage_events(&mut self) {
        let in_memory = self.in_memory();
        for slot in &mut self.channels {
            let Some(channel) = &mut slot.channel else { continue };
            // Those of a channel on the engine are taken by `Topic::take_fates`.
            if channel.events.is_empty() || channel.engine.is_some() {
                continue;
            }
            if channel.ephemeral || in_memory {
                channel.events = crate::channel::Events::default();
                continue;
            }
            if !channel.events.requeued.is_empty() {
                self.scratch.clear();
                let kind = encode_requeued(channel.number, &channel.events.requeued, &mut self.scratch);
                // A full batch is written without the events; they go with the next one.
                let Ok(_) = self.journal.append(kind, &[&self.scratch]) else { continue };
            }
            if !channel.events.finished.is_empty() {
                self.scratch.clear();
                let kind = encode_finished(channel.number, &channel.events.finished, &mut self.scratch);
                let Ok(_) = self.journal.append(kind, &[&self.scratch]) else { continue };
            }
            channel.events_staged = true;
        }
    }

    fn forget_events(&mut self) {
        for slot in &mut self.channels {
            if let Some(channel) = &mut slot.channel
                && std::mem::take(&mut channel.events_staged)
            {
                channel.events.requeued.clear();
                channel.events.finished.clear();
            }
        }
    }

    /// Hands the written messages to the channels.
    fn take_in(&mut self, start: Position, clock: Clock) {
        let Staged { count, bytes, deferred_bytes, .. } = self.staged;
        let later = self.staged.deferred.len() as u64;
        let mark = Milestone { at: start, sequence: self.sequence, time: clock.wall.0 };
        if self.journal.segments().next_back().is_some_and(|segment| segment.start.0 == start) {
            self.milestones.begin(mark);
        } else if count + later > 0 {
            self.milestones.pass(mark, self.settings.bytes_max);
        }
        self.sequence += count;
        self.counters.messages += count + later;
        self.counters.bytes += bytes + deferred_bytes;
        if self.flows() {
            self.pumped = self.end();
            self.share(count);
        } else {
            self.waiting += count;
            self.held.append(&mut self.staged.deferred);
        }
        if !self.staged.private.is_empty() {
            self.hand_out_private();
        }
        self.staged.clear();
        if self.settings.at_limit == AtLimit::DropOldest {
            self.drop_oldest();
        }
    }

    fn hand_out_private(&mut self) {
        for Private { channel, message, due } in std::mem::take(&mut self.staged.private) {
            let Some(channel) = self.channel_mut(channel) else { continue };
            match due {
                Some(due) => channel.defer(message, due),
                None => channel.add(message),
            }
        }
    }

    /// Gives the staged messages to every channel.
    fn share(&mut self, count: u64) {
        let end = self.pumped;
        for slot in &mut self.channels {
            let Some(channel) = &mut slot.channel else { continue };
            let mut room = count;
            if channel.ephemeral || self.ephemeral {
                room = count.min(self.queue_limit.saturating_sub(channel.depth()));
                if let Some(&from) = self.staged.positions.get(room as usize) {
                    channel.add_hole(from, end);
                    channel.count_dropped(count - room);
                }
            }
            channel.pumped(room, end);
            for &(due, message) in &self.staged.deferred {
                channel.defer(message, due);
            }
        }
    }
}
