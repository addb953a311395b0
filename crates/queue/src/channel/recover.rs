//! A channel while its topic's journal is replayed.
//!
//! It starts from the last checkpoint's image, or from its creation, and is told what the journal says in
//! order. What was delivered and neither finished nor requeued is not in the journal: such messages are still
//! before the cursor of the image or in its list, and so they come again.
//!
//! `behind` is never short of what can be read from the cursor on: a count that is short makes a channel pass
//! over messages that nobody got. So a record that could not be read, and was not counted for that, is not
//! subtracted when its FIN is replayed either; and where the journal only says how many were dropped, those
//! that may not have been counted are left in. Counting anew ([`Recovering::settle`]) or the end of the
//! stream puts right what is too many.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Channel, ChannelImage, Counters, Holes, ImagedMessage};
use crate::clock::Clock;
use crate::message::Position;
use crate::record::{Requeued, Seek};
use crate::topic::Damaged;

/// A channel that is being put together again.
#[derive(Debug)]
pub struct Recovering {
    /// Its part that is not lists.
    pub image: ChannelImage,
    apart: BTreeMap<Position, Apart>,
    taken: BTreeSet<Position>,
    /// Damaged records before this are in `behind`: who counted them had read them.
    counted_to: Position,
    /// Messages in damaged records that are not, and that it is not known to be done with.
    unread: u64,
    /// Amount by which `behind` may be too high.
    excess: u64,
    lost: u64,
    next_order: u64,
}

/// A message outside the stream.
#[derive(Debug, Clone, Copy)]
struct Apart {
    /// Counts up as messages come back.
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

    /// Messages came into the stream.
    pub fn pumped(&mut self, count: u64) {
        self.image.behind = self.image.behind.saturating_add(count);
    }

    /// Messages came in that are damaged.
    pub fn pumped_damaged(&mut self, count: u64) {
        self.unread += count;
    }

    /// Perhaps messages came in, at most so many: the device would not say.
    pub fn pumped_unknown(&mut self, most: u64) {
        self.image.behind = self.image.behind.saturating_add(most);
        self.excess += most;
    }

    /// A message came in outside the stream.
    pub fn set_apart(&mut self, message: ImagedMessage) {
        let order = self.next_order;
        self.next_order += 1;
        self.apart.insert(message.at, Apart { order, message });
    }

    /// The channel was done with the message at `at`.
    pub fn finished(&mut self, at: Position, damaged: &Damaged) {
        if self.apart.remove(&at).is_none() {
            self.take(at, damaged);
        }
    }

    /// The message went back to waiting; the stream ended at `end` then.
    pub fn requeued(&mut self, event: Requeued, end: Position, damaged: &Damaged) {
        if !self.apart.contains_key(&event.at) {
            self.take(event.at, damaged);
        }
        let Requeued { at, id, attempts, due } = event;
        self.set_apart(ImagedMessage { at, id, attempts, due, behind: end });
    }

    /// Notes that the message at `at`, not taken as of the image, was taken later.
    fn take(&mut self, at: Position, damaged: &Damaged) {
        if at < self.image.cursor || !self.taken.insert(at) {
            return;
        }
        if at < self.image.replay_to {
            // One that had a due time of its own is not in the count of what is replayed, and nothing here
            // says which one had.
            self.excess += 1;
            return;
        }
        let uncounted = at >= self.counted_to && damaged.contains(at);
        let count = if uncounted { &mut self.unread } else { &mut self.image.behind };
        *count = count.saturating_sub(1);
    }

    /// Everything before `to` was dropped.
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

    /// The channel was moved. `tag` is in the ids of the topic's messages.
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

    /// Nobody gets what stands between these positions; it had not come into the channel's count.
    pub fn add_hole(&mut self, from: Position, to: Position) {
        if to > self.image.cursor {
            self.image.holes.push((from.max(self.image.cursor), to));
        }
    }

    /// A limit dropped what stands before `floor`: of the stream `in_stream` messages, damaged ones included.
    pub fn dropped(&mut self, floor: Position, in_stream: u64, damaged: &Damaged) {
        let (said, most) = damaged.between(self.image.cursor.max(self.counted_to), floor);
        self.apart = self.apart.split_off(&floor);
        self.taken = self.taken.split_off(&floor);
        self.image.behind = self.image.behind.saturating_sub(in_stream.saturating_sub(most));
        self.image.cursor = self.image.cursor.max(floor);
        self.unread = self.unread.saturating_sub(said);
        self.excess += most.min(in_stream);
    }

    /// A live message was copied forward.
    pub fn moved(&mut self, from: Position, to: Position) {
        if let Some(Apart { order, message }) = self.apart.remove(&from) {
            self.apart.insert(to, Apart { order, message: ImagedMessage { at: to, ..message } });
        }
    }

    /// The oldest record that it needs.
    pub fn needed_from(&self) -> Position {
        self.apart.first_key_value().map_or(self.image.cursor, |(&at, _)| at.min(self.image.cursor))
    }

    /// Counts the messages of the stream that it has still to take.
    pub fn tally(&self) -> Tally {
        let taken = self.taken.range(self.image.cursor..).copied().collect::<Vec<_>>().into_iter();
        Tally { cursor: self.image.cursor, holes: self.image.as_holes(), taken: taken.peekable(), count: 0 }
    }

    /// Gives up what cannot be read. `counted` is what [`Recovering::tally`] came to, if the stream was read.
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

    /// Messages that it was not done with and will never get, as far as can be known.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The channel, ready for work; the stream ends at `end`. A due time of which nobody knows when it was
    /// given is `delay_max` away at most.
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
        // What fell due meanwhile comes back now: behind the rest, the earliest first.
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
    /// A message of the stream can be read at `at`.
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
