//! A topic: its journal, its channels, and the backlog between the two.
//!
//! ```text
//!  publish ▸ stage ─commit─▶ journal ──────────┬──────────────────────▶ end
//!                                       pumped │  waiting (no channel yet, or the topic is paused)
//!                            channels read ◀───┘
//! ```
//! Messages up to [`Topic::pumped`] belong to the channels; later ones wait in the topic, and are handed to
//! all channels at once when there is one and the topic is not paused. That alone gives nsqd's rules: the
//! first channel gets the backlog, later ones begin with the messages published after them, and a paused
//! topic holds its messages back.
//!
//! A topic knows nothing of connections. Publishers are represented by a `W` (a waiter), which is returned
//! with the outcome once the topic's durability is reached.

mod apply;
mod checkpoint;
mod clean;
mod commit;
mod control;
mod copy;
mod count;
mod damaged;
mod exchange;
mod image;
mod memory;
mod milestones;
mod on_engine;
mod pass;
mod progress;
mod recount;
mod recover;
mod replay;
mod set_backs;
mod slots;
mod staged;

use journal::{Journal, Position as At};
use net::Instant;
use wire::nsq::MessageId;

use crate::channel::Channel;
use crate::clock::Clock;
use crate::deferred::Waiting;
use crate::error::QueueError;
use crate::message::{Message, Position};
use crate::options::QueueOptions;
use crate::record::ChannelNumber;
use crate::settings::{Durability, TopicSettings};

pub use control::{ControlError, SeekTo, Sought};
pub use damaged::{Damaged, messages_in};
pub use memory::{Memory, TOPIC_BYTES};
pub use on_engine::OnEngine;
pub use pass::{Copied, CopyJob};
pub use recover::{Found, Known, RecoverError};
pub use set_backs::SetBacks;
pub use slots::ChannelKey;
pub use staged::{Mark, Outcome, Settled};

use milestones::Milestones;
use slots::Slot;
use staged::{Committing, Staged};

/// Counts since the topic was created or the process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Messages published.
    pub messages: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// Messages refused because the topic was full.
    pub rejected: u64,
    /// Messages dropped because the topic was full.
    pub dropped: u64,
    /// Live messages copied forward to free old segments.
    pub copied: u64,
}

/// The reason a message was not staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StageError {
    /// The topic is full.
    Full,
    /// The engine does not take a message of this size.
    TooLarge {
        /// Bytes of its body.
        size: usize,
        /// The limit.
        max: usize,
    },
    /// The journal rejected it.
    Journal(journal::AppendError),
}

impl std::fmt::Display for StageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StageError::Full => f.write_str("topic is full"),
            StageError::TooLarge { size, max } => {
                write!(f, "message of {size} bytes is too large for the engine: {max}")
            }
            StageError::Journal(e) => e.fmt(f),
        }
    }
}

impl From<StageError> for QueueError {
    fn from(error: StageError) -> QueueError {
        match error {
            StageError::Full => QueueError::TopicFull,
            StageError::TooLarge { size, max } => QueueError::TooLargeForEngine { size, max },
            StageError::Journal(error) => QueueError::Journal(error.into()),
        }
    }
}

/// One topic.
#[derive(Debug)]
pub struct Topic<W> {
    /// Its name.
    pub name: String,
    /// True if no data is written to disk and the topic is deleted with its last channel.
    pub ephemeral: bool,
    /// Its journal.
    pub journal: Journal,
    /// Limits and durability.
    pub settings: TopicSettings,
    /// Counters.
    pub counters: Counters,
    /// The engine's part, if its messages are kept there.
    pub engine: Option<Box<OnEngine<W>>>,
    memory: Memory,
    tag: u32,
    paused: bool,
    holding: bool,
    released: Position,
    channels: Vec<Slot>,
    channel_count: usize,
    limited: usize,
    next_number: ChannelNumber,
    pumped: Position,
    waiting: u64,
    held: Vec<(Instant, Waiting)>,
    sequence: u64,
    milestones: Milestones,
    /// Damaged stretches found when the topic was opened.
    damaged: Damaged,
    set_backs: SetBacks,
    queue_limit: u64,
    staged: Staged<W>,
    committing: Committing<W>,
    scratch: Vec<u8>,
    checkpointing: progress::Progress,
    /// The active pass that copies messages forward.
    pass: Option<pass::Pass>,
    too_much_alive: Option<pass::TooMuchAlive>,
}

impl<W> Topic<W> {
    /// Creates a topic in `journal`, which is empty.
    pub fn create(name: &str, tag: u32, journal: Journal, options: &QueueOptions) -> Topic<W> {
        let ephemeral = wire::nsq::is_ephemeral(name);
        let mut topic = Topic {
            name: name.to_owned(),
            ephemeral,
            pumped: journal.end().0,
            journal,
            settings: TopicSettings::default(),
            counters: Counters::default(),
            engine: None,
            holding: false,
            released: 0,
            memory: Memory::default(),
            tag: tag & 0xf_ffff,
            paused: false,
            channels: Vec::new(),
            channel_count: 0,
            limited: 0,
            next_number: 1,
            waiting: 0,
            held: Vec::new(),
            sequence: 0,
            milestones: Milestones::default(),
            damaged: Damaged::default(),
            set_backs: SetBacks::default(),
            queue_limit: options.settings.mem_queue_size,
            staged: Staged::default(),
            committing: Committing::default(),
            scratch: Vec::new(),
            checkpointing: progress::Progress::default(),
            pass: None,
            too_much_alive: None,
        };
        topic.stage_creation();
        topic
    }

    /// True while messages are held back from the channels.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Holds messages back until the channels known to lookup daemons exist. Neither shown nor persisted.
    pub fn hold(&mut self, on: bool) {
        self.holding = on;
    }

    /// True while messages go to the channels as they arrive.
    fn flows(&self) -> bool {
        !self.paused && !self.holding && self.channel_count > 0
    }

    /// True if its journal has no files.
    pub fn in_memory(&self) -> bool {
        self.journal.options().durability == Durability::Memory
    }

    /// Tag in the ids of its messages.
    pub fn tag(&self) -> u32 {
        self.tag
    }

    /// Messages waiting in the topic itself.
    pub fn depth(&self) -> u64 {
        let elsewhere = self.engine.as_ref().map_or(0, |engine| engine.backlog);
        self.waiting + self.held.len() as u64 + elsewhere
    }

    /// Undelivered or unfinished messages: those of the channel with most of them, and those waiting in the
    /// topic itself.
    pub fn unfinished(&self) -> u64 {
        let lasting = self.iter().map(|(_, channel)| channel).filter(|channel| !channel.ephemeral);
        let each = lasting
            .map(|channel| channel.depth() + (channel.in_flight_count() + channel.deferred_count()) as u64);
        self.depth() + each.max().unwrap_or(0)
    }

    /// True if no channel has anything left, and nothing waits.
    pub fn is_finished(&self) -> bool {
        let done = |channel: &Channel| {
            channel.depth() == 0
                && channel.in_flight_count() == 0
                && channel.waiting().next().is_none()
                && channel.events.is_empty()
        };
        self.depth() == 0 && self.iter().all(|(_, channel)| done(channel)) && !self.has_staged()
    }

    /// Deferred messages in all channels and in the topic itself.
    pub fn deferred_count(&self) -> u64 {
        let in_channels: usize = self.iter().map(|(_, channel)| channel.deferred_count()).sum();
        (in_channels + self.held.len()) as u64
    }

    /// Position up to which channels may read.
    pub fn pumped(&self) -> Position {
        self.pumped
    }

    /// The journal's end as a bare number.
    pub fn end(&self) -> Position {
        self.journal.end().0
    }

    /// Number of channels.
    pub fn channel_count(&self) -> usize {
        self.channel_count
    }

    /// A channel by name.
    pub fn find(&self, name: &str) -> Option<ChannelKey> {
        self.iter().find(|(_, channel)| channel.name == name).map(|(key, _)| key)
    }

    /// The key of the channel that holds this slot now.
    pub fn key_of(&self, slot: u32) -> Option<ChannelKey> {
        let entry = self.channels.get(slot as usize)?;
        entry.channel.as_ref().map(|_| ChannelKey { slot, generation: entry.generation })
    }

    /// A channel, if it still exists.
    #[inline]
    pub fn channel(&self, key: ChannelKey) -> Option<&Channel> {
        let slot = self.channels.get(key.slot as usize)?;
        if slot.generation == key.generation { slot.channel.as_ref() } else { None }
    }

    /// A channel, if it still exists.
    #[inline]
    pub fn channel_mut(&mut self, key: ChannelKey) -> Option<&mut Channel> {
        let slot = self.channels.get_mut(key.slot as usize)?;
        if slot.generation == key.generation { slot.channel.as_mut() } else { None }
    }

    /// A channel and the journal it reads.
    #[inline]
    pub fn channel_and_journal(&mut self, key: ChannelKey) -> Option<(&mut Channel, &mut Journal)> {
        let slot = self.channels.get_mut(key.slot as usize)?;
        if slot.generation != key.generation {
            return None;
        }
        slot.channel.as_mut().map(|channel| (channel, &mut self.journal))
    }

    /// Parts needed for a delivery: the channel, the journal it reads, damage that no channel has counted,
    /// and the limits on the age of messages.
    #[inline]
    pub fn parts_for_delivery(
        &mut self,
        key: ChannelKey,
    ) -> Option<(&mut Channel, &mut Journal, &Damaged, &SetBacks)> {
        let slot = self.channels.get_mut(key.slot as usize)?;
        if slot.generation != key.generation {
            return None;
        }
        let channel = slot.channel.as_mut()?;
        Some((channel, &mut self.journal, &self.damaged, &self.set_backs))
    }

    /// All channels, in order of slot.
    pub fn iter(&self) -> impl Iterator<Item = (ChannelKey, &Channel)> {
        self.channels.iter().enumerate().filter_map(|(slot, entry)| {
            let key = ChannelKey { slot: slot as u32, generation: entry.generation };
            entry.channel.as_ref().map(|channel| (key, channel))
        })
    }

    /// All channels, mutably.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (ChannelKey, &mut Channel)> {
        self.channels.iter_mut().enumerate().filter_map(|(slot, entry)| {
            let key = ChannelKey { slot: slot as u32, generation: entry.generation };
            entry.channel.as_mut().map(|channel| (key, channel))
        })
    }

    /// Checks that the topic can take `messages` of `bytes` in all. With drop-oldest it always can.
    pub fn admit(&mut self, messages: u64, bytes: u64) -> Result<(), StageError> {
        let max = self.settings.bytes_max;
        if max > 0
            && self.settings.at_limit == crate::settings::AtLimit::Reject
            && self.backlog_bytes() + self.journal.staged_bytes() as u64 + bytes > max
        {
            self.counters.rejected += messages;
            return Err(StageError::Full);
        }
        Ok(())
    }

    /// Stages one message for the next commit. `due` is the earliest delivery time, if deferred. Returns the
    /// message's id; `None` if the topic drops the message, as a full topic in memory does.
    #[inline]
    pub fn stage(
        &mut self,
        message: &Message<'_>,
        due: Option<Instant>,
    ) -> Result<Option<MessageId>, StageError> {
        if self.ephemeral && self.drops_newest() {
            return Ok(None);
        }
        self.scratch.clear();
        message.encode_head(&mut self.scratch);
        let at = self
            .journal
            .append(message.kind(), &[&self.scratch, message.body])
            .map_err(StageError::Journal)?;
        self.staged.note(at.0, message, due, self.tag, self.limited > 0);
        Ok(Some(message.id_at(self.tag, at.0)))
    }

    /// Bytes of the journal that some channel, or the topic itself, has yet to read.
    pub fn backlog_bytes(&self) -> u64 {
        self.end() - self.lowest_cursor()
    }

    /// The lowest position that the topic or a channel has yet to read.
    fn lowest_cursor(&self) -> Position {
        let cursors = self.iter().map(|(_, channel)| channel.cursor()).min();
        cursors.unwrap_or(self.pumped).min(self.pumped)
    }

    /// True if a topic in memory already holds its limit of messages that no channel has taken: it then drops
    /// new ones, as nsqd does.
    fn drops_newest(&mut self) -> bool {
        let full =
            (self.channel_count == 0 || self.paused) && self.waiting + self.staged.count >= self.queue_limit;
        if full {
            self.counters.messages += 1;
            self.counters.dropped += 1;
        }
        full
    }

    /// Hands waiting messages to the channels, if there are any and the topic is not paused.
    pub fn pump(&mut self) {
        if !self.flows() || (self.waiting == 0 && self.held.is_empty()) {
            return;
        }
        self.pumped = self.end();
        let waiting = std::mem::take(&mut self.waiting);
        let held = std::mem::take(&mut self.held);
        for slot in &mut self.channels {
            let Some(channel) = &mut slot.channel else { continue };
            channel.pumped(waiting, self.pumped);
            for &(due, message) in &held {
                channel.defer(message, due);
            }
        }
    }

    /// Time at which the topic or one of its channels next has work; for tests and statistics.
    pub fn next_due(&self) -> Option<Instant> {
        self.iter().filter_map(|(_, channel)| channel.next_due()).min()
    }

    /// Requeues timed-out messages and releases due ones, in all channels.
    pub fn expire(&mut self, clock: Clock) {
        for (_, channel) in self.iter_mut() {
            channel.expire(clock);
        }
    }
}

/// Converts a position for the journal.
#[inline]
pub fn at(position: Position) -> At {
    At(position)
}
