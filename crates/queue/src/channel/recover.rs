//! A channel while its topic's journal is replayed.
//!
//! It starts from the last checkpoint's image, or from its creation, and is told what the journal says in order. What
//! was delivered and neither finished nor requeued is not in the journal: such messages are still before the cursor of
//! the image or in its list, and so they come again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Channel, ChannelImage, Counters, ImagedMessage};
use crate::clock::Clock;
use crate::message::Position;
use crate::record::{Requeued, Seek};

/// A channel that is being put together again.
#[derive(Debug)]
pub struct Recovering {
    /// Its part that is not lists.
    pub image: ChannelImage,
    apart: BTreeMap<Position, Apart>,
    taken: BTreeSet<Position>,
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
        let mut recovering = Recovering { image, apart: BTreeMap::new(), taken, next_order: 0 };
        messages.into_iter().for_each(|message| recovering.set_apart(message));
        recovering
    }

    /// A message came into the stream.
    pub fn pumped(&mut self, count: u64) {
        self.image.behind += count;
    }

    /// A message came in outside the stream.
    pub fn set_apart(&mut self, message: ImagedMessage) {
        let order = self.next_order;
        self.next_order += 1;
        self.apart.insert(message.at, Apart { order, message });
    }

    /// The channel was done with the message at `at`.
    pub fn finished(&mut self, at: Position) {
        if self.apart.remove(&at).is_none() {
            self.take(at);
        }
    }

    /// The message went back to waiting; the stream ended at `end` then.
    pub fn requeued(&mut self, event: Requeued, end: Position) {
        if !self.apart.contains_key(&event.at) {
            self.take(event.at);
        }
        let Requeued { at, id, attempts, due } = event;
        self.set_apart(ImagedMessage { at, id, attempts, due, behind: end });
    }

    /// Notes that the message at `at`, not taken as of the image, was taken later.
    fn take(&mut self, at: Position) {
        if at >= self.image.cursor && self.taken.insert(at) {
            self.image.behind = self.image.behind.saturating_sub(1);
        }
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
    }

    /// The channel was moved.
    pub fn sought(&mut self, seek: Seek) {
        self.emptied(0);
        self.image.cursor = seek.cursor;
        self.image.behind = seek.behind;
        self.image.replay_to = seek.end;
        self.image.not_before = seek.not_before;
    }

    /// Nobody gets what stands between these positions; it had not come into the channel's count.
    pub fn add_hole(&mut self, from: Position, to: Position) {
        if to > self.image.cursor {
            self.image.holes.push((from.max(self.image.cursor), to));
        }
    }

    /// A limit dropped what stands before `floor`.
    pub fn dropped(&mut self, floor: Position, in_stream: u64) {
        self.apart = self.apart.split_off(&floor);
        self.taken = self.taken.split_off(&floor);
        self.image.behind = self.image.behind.saturating_sub(in_stream);
        self.image.cursor = self.image.cursor.max(floor);
    }

    /// A live message was copied forward.
    pub fn moved(&mut self, from: Position, to: Position) {
        if let Some(Apart { order, message }) = self.apart.remove(&from) {
            self.apart.insert(to, Apart { order, message: ImagedMessage { at: to, ..message } });
        }
    }

    /// The channel, ready for work; the stream ends at `end`. Due times further away than `delay_max` are brought to that
    /// (the wall clock stepped).
    pub fn into_channel(self, end: Position, clock: Clock, delay_max: Duration) -> Channel {
        let Recovering { image, apart, taken, .. } = self;
        let mut channel = Channel::new(&image.name, image.number, image.cursor, image.behind);
        channel.holes = image.as_holes();
        channel.taken = taken.into_iter().filter(|&at| at >= image.cursor).collect();
        channel.paused = image.paused;
        channel.settings = image.settings;
        channel.replay_to = image.replay_to;
        channel.not_before = image.not_before;
        channel.counters = Counters::default();
        channel.end = end;
        let mut apart: Vec<Apart> = apart.into_values().collect();
        // What fell due meanwhile comes back now: behind the rest, the earliest first.
        apart.sort_unstable_by_key(|apart| (apart.message.due, apart.order));
        for Apart { message, .. } in apart {
            match message.due {
                0 => channel.again.push(message.behind, message.as_waiting()),
                due if due > clock.wall.0 => {
                    channel.deferred.push(clock.to_instant(due, delay_max), message.as_waiting());
                }
                _ => channel.wait_again(message.as_waiting()),
            }
        }
        channel
    }
}
