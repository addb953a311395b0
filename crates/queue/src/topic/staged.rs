//! Publications from staging to outcome: in the journal's batch, then written and waiting for their
//! durability.

use std::collections::VecDeque;

use journal::CommitSeq;
use net::Instant;

use super::slots::ChannelKey;
use crate::deferred::Waiting;
use crate::error::QueueError;
use crate::message::{Message, Position};

/// Outcome of a publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It has the required durability.
    Accepted,
    /// It was not written.
    Refused(QueueError),
}

/// A publication whose outcome is known.
#[derive(Debug)]
pub struct Settled<W> {
    /// Its waiter.
    pub waiter: W,
    /// Its outcome.
    pub outcome: Outcome,
}

/// Messages that were appended to the journal's batch.
#[derive(Debug)]
pub(super) struct Staged<W> {
    /// Number of messages of the stream.
    pub count: u64,
    pub bytes: u64,
    pub deferred: Vec<(Instant, Waiting)>,
    pub deferred_bytes: u64,
    /// Positions of the messages of the stream; only filled when a channel has a limit.
    pub positions: Vec<Position>,
    /// Messages for one channel only.
    pub private: Vec<Private>,
    pub waiters: Vec<W>,
    /// Waiters for the device, whatever the topic's durability.
    pub device_waiters: Vec<W>,
}

/// A staged message for one channel only.
#[derive(Debug, Clone, Copy)]
pub(super) struct Private {
    pub channel: ChannelKey,
    pub message: Waiting,
    /// Earliest delivery time, if deferred.
    pub due: Option<Instant>,
}

/// A point in the staged messages; see [`super::Topic::mark`].
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    pub(super) batch: journal::Mark,
    pub(super) count: u64,
    pub(super) bytes: u64,
    pub(super) deferred: usize,
    pub(super) deferred_bytes: u64,
    pub(super) positions: usize,
    pub(super) private: usize,
}

impl<W> Default for Staged<W> {
    fn default() -> Self {
        Staged {
            count: 0,
            bytes: 0,
            deferred: Vec::new(),
            deferred_bytes: 0,
            positions: Vec::new(),
            private: Vec::new(),
            waiters: Vec::new(),
            device_waiters: Vec::new(),
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

    pub fn clear(&mut self) {
        self.count = 0;
        self.bytes = 0;
        self.deferred_bytes = 0;
        self.deferred.clear();
        self.positions.clear();
        self.private.clear();
    }
}

/// Publications written or refused, and not settled yet.
#[derive(Debug)]
pub(super) struct Committing<W> {
    pub written: VecDeque<(CommitSeq, W)>,
    /// Waiters for the device.
    pub unflushed: VecDeque<(CommitSeq, W)>,
    pub refused: Vec<(W, QueueError)>,
}

impl<W> Default for Committing<W> {
    fn default() -> Self {
        Committing { written: VecDeque::new(), unflushed: VecDeque::new(), refused: Vec::new() }
    }
}
