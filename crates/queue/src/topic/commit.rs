//! What was staged in a turn becomes one write, and then everybody's OK.
//!
//! A commit takes along the events of all channels: FIN costs no write of its own as long as somebody publishes. Events
//! that were not written because the disk refused stay with their channel for the next commit; messages that were not
//! written are refused to their publishers, and nothing of them remains.

use std::collections::VecDeque;

use journal::CommitSeq;
use net::Instant;

use super::Topic;
use super::milestones::Milestone;
use crate::clock::Clock;
use crate::deferred::Waiting;
use crate::message::{Message, Position};
use crate::record::{encode_finished, encode_requeued};
use crate::settings::AtLimit;

/// What became of a publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is as durable as it was to be.
    Accepted,
    /// It was not written; the text says why.
    Refused(String),
}

/// A publication whose outcome is known.
#[derive(Debug)]
pub struct Settled<W> {
    /// Who waits for it.
    pub waiter: W,
    /// What became of it.
    pub outcome: Outcome,
}

/// Messages that were appended to the journal's batch.
#[derive(Debug)]
pub(super) struct Staged<W> {
    /// How many messages of the stream.
    pub count: u64,
    bytes: u64,
    deferred: Vec<(Instant, Waiting)>,
    deferred_bytes: u64,
    /// Positions of the messages of the stream; only noted when a channel has a limit.
    positions: Vec<Position>,
    waiters: Vec<W>,
}

/// A point in what is staged; see [`Topic::mark`].
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    batch: journal::Mark,
    count: u64,
    bytes: u64,
    deferred: usize,
    deferred_bytes: u64,
    positions: usize,
}

impl<W> Default for Staged<W> {
    fn default() -> Self {
        Staged {
            count: 0,
            bytes: 0,
            deferred: Vec::new(),
            deferred_bytes: 0,
            positions: Vec::new(),
            waiters: Vec::new(),
        }
    }
}

impl<W> Staged<W> {
    #[inline]
    pub fn note(
        &mut self,
        at: Position,
        message: &Message<'_>,
        due: Option<Instant>,
        tag: u32,
        positions: bool,
    ) {
        if message.channel.is_some() {
            return;
        }
        if let Some(due) = due {
            let id = message.id_at(tag, at).0;
            self.deferred.push((due, Waiting { at, id, attempts: message.attempts }));
            self.deferred_bytes += message.body.len() as u64;
            return;
        }
        self.count += 1;
        self.bytes += message.body.len() as u64;
        if positions {
            self.positions.push(at);
        }
    }

    fn clear(&mut self) {
        self.count = 0;
        self.bytes = 0;
        self.deferred_bytes = 0;
        self.deferred.clear();
        self.positions.clear();
    }
}

/// Publications that are written, or refused, and not settled yet.
#[derive(Debug)]
pub(super) struct Committing<W> {
    written: VecDeque<(CommitSeq, W)>,
    refused: Vec<(W, String)>,
}

impl<W> Default for Committing<W> {
    fn default() -> Self {
        Committing { written: VecDeque::new(), refused: Vec::new() }
    }
}

impl<W> Topic<W> {
    /// Where the staged messages end now; for [`Topic::unstage`].
    pub fn mark(&self) -> Mark {
        let staged = &self.staged;
        Mark {
            batch: self.journal.mark(),
            count: staged.count,
            bytes: staged.bytes,
            deferred: staged.deferred.len(),
            deferred_bytes: staged.deferred_bytes,
            positions: staged.positions.len(),
        }
    }

    /// Takes back the messages that were staged since `mark` was taken: of a publication that does not fit nothing
    /// remains. There must have been no commit since.
    pub fn unstage(&mut self, mark: Mark) {
        self.journal.unstage(mark.batch);
        let staged = &mut self.staged;
        (staged.count, staged.bytes) = (mark.count, mark.bytes);
        staged.deferred.truncate(mark.deferred);
        staged.deferred_bytes = mark.deferred_bytes;
        staged.positions.truncate(mark.positions);
    }

    /// Adds somebody who waits for what is staged.
    #[inline]
    pub fn wait(&mut self, waiter: W) {
        self.staged.waiters.push(waiter);
    }

    /// The last of those who wait for what is staged now.
    pub fn last_waiter(&self) -> Option<&W> {
        self.staged.waiters.last()
    }

    /// True if messages are staged.
    pub fn has_staged(&self) -> bool {
        self.journal.staged_bytes() > 0 || !self.staged.waiters.is_empty()
    }

    /// True if a channel has events that are not written.
    pub fn has_events(&self) -> bool {
        self.iter().any(|(_, channel)| !channel.events.is_empty())
    }

    /// How many events wait to be written: what a crash now would repeat at most.
    pub fn unwritten_events(&self) -> usize {
        self.iter().map(|(_, channel)| channel.events.finished.len() + channel.events.requeued.len()).sum()
    }

    /// Writes what is staged and what the channels noted, with one write, and hands the messages to the channels. The error
    /// is for whoever asked for something that is not a publication; publications learn it through
    /// [`Topic::settle`].
    pub fn commit(&mut self, clock: Clock) -> Result<(), String> {
        self.stage_events();
        let start = self.end();
        match self.journal.commit() {
            Ok(sequence) => {
                self.committing.written.extend(self.staged.waiters.drain(..).map(|w| (sequence, w)));
                self.disk_full = false;
                self.forget_events();
                self.take_in(start, clock);
                Ok(())
            }
            Err(error) => {
                self.disk_full = matches!(error, journal::WriteError::DiskFull(_));
                let why = error.to_string();
                let refused = self.staged.waiters.drain(..).map(|w| (w, why.clone()));
                self.committing.refused.extend(refused);
                self.staged.clear();
                Err(why)
            }
        }
    }

    /// Publications whose outcome is known by now, in the order in which they were staged.
    pub fn settle(&mut self, mut each: impl FnMut(Settled<W>)) {
        let accepted = self.journal.accepted();
        while self.committing.written.front().is_some_and(|(sequence, _)| *sequence <= accepted) {
            if let Some((_, waiter)) = self.committing.written.pop_front() {
                each(Settled { waiter, outcome: Outcome::Accepted });
            }
        }
        for (waiter, why) in self.committing.refused.drain(..) {
            each(Settled { waiter, outcome: Outcome::Refused(why) });
        }
    }

    /// The journal takes no more: what was written and not flushed cannot be acknowledged.
    pub fn refuse_written(&mut self, why: &str) {
        let refused = self.committing.written.drain(..).map(|(_, waiter)| (waiter, why.to_owned()));
        self.committing.refused.extend(refused);
    }

    /// The topic goes away: whoever waits is told so.
    pub fn refuse_all(&mut self, why: &str) {
        let staged = std::mem::take(&mut self.staged.waiters);
        self.refuse_written(why);
        self.committing.refused.extend(staged.into_iter().map(|waiter| (waiter, why.to_owned())));
    }

    /// True while a publication waits for its outcome.
    pub fn is_waited_for(&self) -> bool {
        !self.staged.waiters.is_empty()
            || !self.committing.written.is_empty()
            || !self.committing.refused.is_empty()
    }

    fn stage_events(&mut self) {
        let in_memory = self.in_memory();
        for slot in &mut self.channels {
            let Some(channel) = &mut slot.channel else { continue };
            if channel.events.is_empty() {
                continue;
            }
            if channel.ephemeral || in_memory {
                channel.events = crate::channel::Events::default();
                continue;
            }
            if !channel.events.requeued.is_empty() {
                self.scratch.clear();
                let kind = encode_requeued(channel.number, &channel.events.requeued, &mut self.scratch);
                // A batch that is full is written without them; they go with the next one.
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

    /// Hands what was written to the channels.
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
        self.staged.clear();
        if self.settings.at_limit == AtLimit::DropOldest {
            self.drop_oldest();
        }
    }

    /// Gives every channel what was staged.
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
            channel.pumped(room);
            for &(due, message) in &self.staged.deferred {
                channel.defer(message, due);
            }
        }
    }
}
