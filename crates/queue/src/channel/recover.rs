//! A channel while its topic's journal is replayed.
//!
//! It starts from the last checkpoint's image, or from its creation, and applies the journal's records in
//! order. Deliveries are not in the journal: a message delivered but neither finished nor requeued is still
//! ahead of the image's cursor or in its list, and is delivered again.
//!
//! `behind` is never less than what can be read from the cursor on: too low a count makes a channel skip
//! undelivered messages. So a record that was not counted because it was unreadable is not subtracted when
//! its FIN is replayed; and where the journal only says how many were dropped, those that may not have been
//! counted are left in. A recount ([`Recovering::settle`]) or the end of the stream corrects a count that is
//! too high.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Channel, ChannelImage, Counters, Holes, ImagedMessage};
use crate::clock::Clock;
use crate::message::Position;
use crate::record::{Requeued, Seek};
use crate::topic::Damaged;

/// A channel being recovered.
#[derive(Debug)]
pub struct Recovering {
    /// Its state besides the lists.
    pub image: ChannelImage,
    apart: BTreeMap<Position, Apart>,
    taken: BTreeSet<Position>,
    /// Damaged records before this are in `behind`: they were readable when they were counted.
    counted_to: Position,
    /// Messages in damaged records that are not in `behind`, and not known to be finished.
    unread: u64,
    /// Amount by which `behind` may be too high.
    excess: u64,
    lost: u64,
    next_order: u64,
}

/// A message outside the stream.
#[derive(Debug, Clone, Copy)]
struct Apart {
    /// Sequence number of its return.
    order: u64,
    message: ImagedMessage,
}

impl Recovering {
    /// Starts from an image.
    pub fn new(mut image: ChannelImage) -> Recovering {
        let messages = std::mem::take(&mut image.messages);
        let taken = std::mem::take(&mut image.taken).into_iter().collect();
        let mut recovering = Recovering {
            image,
            apart: BTreeMap::new(),
            taken,
            counted_to: 0,
            unread: 0,
            excess: 0,
            lost: 0,
            next_order: 0,
        };
        for message in messages {
            recovering.set_apart(message);
        }
        recovering
    }

    /// Counts messages added to the stream.
    pub fn pumped(&mut self, count: u64) {
        self.image.behind = self.image.behind.saturating_add(count);
    }

    /// Counts damaged messages added to the stream.
    pub fn pumped_damaged(&mut self, count: u64) {
        self.unread += count;
    }

    /// Counts messages that may have been added, at most this many, because the device could not be read.
    pub fn pumped_unknown(&mut self, most: u64) {
        self.image.behind = self.image.behind.saturating_add(most);
        self.excess += most;
    }

    /// Adds a message outside the stream.
    pub fn set_apart(&mut self, message: ImagedMessage) {
        let order = self.next_order;
        self.next_order += 1;
        self.apart.insert(message.at, Apart { order, message });
    }

    /// Notes that the channel is done with the message at `at`.
    pub fn finished(&mut self, at: Position, damaged: &Damaged) {
        if self.apart.remove(&at).is_none() {
            self.take(at, damaged);
        }
    }

    /// Notes that a message was returned while the stream ended at `end`.
    pub fn requeued(&mut self, event: Requeued, end: Position, damaged: &Damaged) {
        if !self.apart.contains_key(&event.at) {
            self.take(event.at, damaged);
        }
        let Requeued { at, id, attempts, due } = event;
        self.set_apart(ImagedMessage { at, id, attempts, due, behind: end });
    }

    /// Notes that the message at `at`, not yet taken in the image, was taken later.
    fn take(&mut self, at: Position, damaged: &Damaged) {
        if at < self.image.cursor || !self.taken.insert(at) {
            return;
        }
        if at < self.image.replay_to {
            // A message with its own due time is not in the count of what is replayed, and nothing here says
            // whether this is one.
            self.excess += 1;
            return;
        }
        let uncounted = at >= self.counted_to && damaged.contains(at);
        let count = if uncounted { &mut self.unread } else { &mut self.image.behind };
        *count = count.saturating_sub(1);
    }

    /// Replays an emptying: everything before `to` was dropped.
    pub fn emptied(&mut self, to: Position) {
        self.apart.clear();
        self.taken.clear();
        self.image.holes.clear();
        self.image.behind = 0;
        self.image.cursor = self.image.cursor.max(to);
        self.image.replay_to = 0;
        self.image.not_before = 0;
        (self.unread, self.excess) = (0, 0);
    }

    /// Replays a seek. `tag` is in the ids of the topic's messages.
    pub fn sought(&mut self, seek: Seek, tag: u32) {
        let mut kept = std::mem::take(&mut self.apart);
        kept.retain(|_, apart| !seek.forgets(apart.message.id, tag));
        for apart in kept.values_mut() {
            apart.message.behind = seek.end;
        }
        self.emptied(0);
        self.apart = kept;
        self.image.cursor = seek.cursor;
        self.image.behind = seek.behind;
        self.image.replay_to = seek.end;
        self.counted_to = seek.end;
        self.image.not_before = seek.not_before;
    }

    /// Adds a stretch whose messages are not delivered and were never in the channel's count.
    pub fn add_hole(&mut self, from: Position, to: Position) {
        if to > self.image.cursor {
            self.image.holes.push((from.max(self.image.cursor), to));
        }
    }

    /// Replays a limit's drop of all before `floor`: `in_stream` messages of the stream, damaged ones
    /// included.
    pub fn dropped(&mut self, floor: Position, in_stream: u64, damaged: &Damaged) {
        let (said, most) = damaged.between(self.image.cursor.max(self.counted_to), floor);
        self.apart = self.apart.split_off(&floor);
        self.taken = self.taken.split_off(&floor);
        self.image.behind = self.image.behind.saturating_sub(in_stream.saturating_sub(most));
        self.image.cursor = self.image.cursor.max(floor);
        self.unread = self.unread.saturating_sub(said);
        self.excess += most.min(in_stream);
    }

    /// Notes that a live message was copied forward.
    pub fn moved(&mut self, from: Position, to: Position) {
        if let Some(Apart { order, message }) = self.apart.remove(&from) {
            self.apart.insert(to, Apart { order, message: ImagedMessage { at: to, ..message } });
        }
    }

    /// The oldest record that it needs.
    pub fn needed_from(&self) -> Position {
        self.apart.first_key_value().map_or(self.image.cursor, |(&at, _)| at.min(self.image.cursor))
    }

    /// Starts a count of the messages of the stream that it has still to take.
    pub fn tally(&self) -> Tally {
        let taken = self.taken.range(self.image.cursor..).copied().collect::<Vec<_>>().into_iter();
        Tally { cursor: self.image.cursor, holes: self.image.as_holes(), taken: taken.peekable(), count: 0 }
    }

    /// Gives up unreadable messages. `counted` is the result of [`Recovering::tally`], if counted.
    pub fn settle(&mut self, counted: Option<u64>, damaged: &Damaged) {
        let before = self.apart.len();
        self.apart.retain(|&at, _| !damaged.contains(at));
        let gone = (before - self.apart.len()) as u64;
        self.lost = gone + self.unread;
        if let Some(count) = counted {
            let in_stream = self.image.behind.saturating_sub(count).saturating_sub(self.excess);
            self.lost = self.lost.saturating_add(in_stream);
            (self.image.behind, self.excess) = (count, 0);
        }
    }

    /// Unfinished messages known to be lost.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The channel, ready for work; the stream ends at `end`. A due time without a record of when it was set
    /// is at most `delay_max` away.
    pub fn into_channel(self, end: Position, clock: Clock, delay_max: Duration) -> Channel {
        let Recovering { image, apart, taken, excess, lost, .. } = self;
        let mut channel = Channel::new(&image.name, image.number, image.cursor, image.behind);
        channel.holes = image.as_holes();
        channel.taken = taken.into_iter().filter(|&at| at >= image.cursor).collect();
        channel.paused = image.paused;
        channel.settings = image.settings;
        channel.replay_to = image.replay_to;
        channel.not_before = image.not_before;
        channel.doubt = excess;
        channel.counters = Counters { lost, ..Counters::default() };
        channel.end = end;
        let mut apart: Vec<Apart> = apart.into_values().collect();
        // Messages that fell due meanwhile are returned now, behind the rest, earliest first.
        apart.sort_unstable_by_key(|apart| (apart.message.due.at, apart.order));
        for Apart { message, .. } in apart {
            match clock.until(message.due, delay_max) {
                Some(due) => channel.deferred.push(due, message.as_waiting()),
                None if message.due.at == 0 => channel.again.push(message.behind, message.as_waiting()),
                None => channel.wait_again(message.as_waiting()),
            }
        }
        channel
    }
}

/// Counts, in order of position, the messages of the stream that a channel has still to take.
#[derive(Debug)]
pub struct Tally {
    cursor: Position,
    holes: Holes,
    taken: std::iter::Peekable<std::vec::IntoIter<Position>>,
    /// Number of them.
    pub count: u64,
}

impl Tally {
    /// Notes a readable message of the stream at `at`.
    #[inline]
    pub fn see(&mut self, at: Position) {
        if at < self.cursor {
            return;
        }
        while self.taken.next_if(|&taken| taken < at).is_some() {}
        if self.taken.peek() != Some(&at) && !self.holes.contains(at) {
            self.count += 1;
        }
    }
}
