//! The replay of a topic's journal: the image in its last checkpoint, then every record behind it.
//!
//! Each record has the effect that it had when it was written. A damaged record has no effect; for the
//! consequences on counts see [`Recovering`] and [`super::recount`].

use std::collections::{BTreeMap, VecDeque};

use journal::{Damage, DamageReason, Entry};

use super::damaged::{Damaged, messages_at_most, messages_in, private_in};
use super::image::TopicImage;
use super::milestones::Milestone;
use crate::channel::{ChannelImage, ImagedMessage, Recovering};
use crate::clock::Due;
use crate::message::{Message, Position};
use crate::record::{ChannelNumber, KIND_COPY, KIND_MESSAGE, KIND_PRIVATE, Record, TOPIC};

/// A topic being recovered from its journal.
#[derive(Debug)]
pub(super) struct Replay {
    pub image: TopicImage,
    pub channels: BTreeMap<ChannelNumber, Recovering>,
    /// Starts of the segments yet to be reached.
    pub starts: VecDeque<u64>,
    /// The segment being read, until a message of the stream has given the time at which it began.
    begun: Option<u64>,
    pub unknown: u64,
    /// End of the checkpoint.
    pub from: Position,
    pub damaged: Damaged,
    /// Damaged messages waiting in the topic.
    pub unread: u64,
    pub lost_elsewhere: u64,
}

impl Replay {
    pub fn new(mut image: TopicImage, from: Position) -> Replay {
        let channels = std::mem::take(&mut image.channels);
        let channels = channels.into_iter().map(|image| (image.number, Recovering::new(image))).collect();
        Replay {
            image,
            channels,
            starts: VecDeque::new(),
            begun: None,
            unknown: 0,
            from,
            damaged: Damaged::default(),
            unread: 0,
            lost_elsewhere: 0,
        }
    }

    /// True if messages go to the channels as they arrive.
    pub fn flows(&self) -> bool {
        !self.image.paused && !self.channels.is_empty()
    }

    /// Position from which messages wait in the topic.
    pub fn waiting_from(&self) -> Position {
        if self.flows() { Position::MAX } else { self.image.pumped }
    }

    /// The channels that outlive the process.
    pub fn lasting(&mut self) -> impl Iterator<Item = &mut Recovering> {
        self.channels.values_mut().filter(|channel| !wire::nsq::is_ephemeral(&channel.image.name))
    }

    /// The oldest record still needed.
    pub fn needed_from(&mut self) -> Position {
        let channels = self.lasting().map(|channel| channel.needed_from()).min();
        let held = self.image.held.iter().map(|message| message.at);
        held.chain(channels).min().unwrap_or(Position::MAX).min(self.waiting_from())
    }

    pub fn apply(&mut self, entry: Entry<'_>) {
        let record = match entry {
            Entry::Record(record) => record,
            Entry::Damage(damage) => return self.pass_damage(damage),
        };
        while self.starts.front().is_some_and(|start| *start <= record.position.0) {
            self.begun = self.starts.pop_front();
        }
        match record.kind {
            KIND_MESSAGE | KIND_PRIVATE | KIND_COPY => match Message::decode(record.payload) {
                Some(message) => self.message(&message, record.position.0, record.kind),
                None => self.unknown += 1,
            },
            kind => match Record::decode(kind, record.payload) {
                Some(event) => self.event(event, record.position.0),
                None => self.unknown += 1,
            },
        }
    }

    /// Notes a damaged stretch, of which only the headers are known. The image already counts stretches
    /// before the checkpoint.
    fn pass_damage(&mut self, damage: &Damage) {
        self.damaged.add(damage, self.from);
        if damage.from.0 < self.from {
            return;
        }
        if damage.reason == DamageReason::Unreadable {
            // It may become readable later: reserve room for all messages that it may hold.
            let most = messages_at_most(damage.bytes());
            if self.flows() {
                self.channels.values_mut().for_each(|channel| channel.pumped_unknown(most));
            } else {
                self.image.waiting = self.image.waiting.saturating_add(most);
            }
            return;
        }
        let messages = messages_in(damage);
        if self.flows() {
            self.channels.values_mut().for_each(|channel| channel.pumped_damaged(messages));
        } else {
            self.unread += messages;
        }
        self.lost_elsewhere += private_in(damage);
    }

    fn message(&mut self, message: &Message<'_>, at: u64, kind: u8) {
        let id = message.id_at(self.image.tag, at).0;
        let due = Due::written(message.due, message.timestamp);
        let apart = ImagedMessage { at, id, attempts: message.attempts, due, behind: at };
        self.image.wall = self.image.wall.max(message.timestamp);
        if kind == KIND_COPY {
            if let Some(from) = message.moved_from {
                self.channels.values_mut().for_each(|channel| channel.moved(from, at));
                self.image.held.iter_mut().filter(|held| held.at == from).for_each(|held| held.at = at);
            }
            return;
        }
        if let Some(number) = message.channel {
            if let Some(channel) = self.channels.get_mut(&number) {
                channel.set_apart(apart);
            }
            return;
        }
        let mark = |at| Milestone { at, sequence: self.image.sequence, time: message.timestamp };
        match self.begun.take() {
            Some(start) => self.image.milestones.begin(mark(start)),
            None => self.image.milestones.pass(mark(at), self.image.settings.bytes_max),
        }
        let flows = self.flows();
        if message.due != 0 {
            if flows {
                self.channels.values_mut().for_each(|channel| channel.set_apart(apart));
            } else {
                self.image.held.push(apart);
            }
            return;
        }
        self.image.sequence += 1;
        if flows {
            self.channels.values_mut().for_each(|channel| channel.pumped(1));
        } else {
            self.image.waiting += 1;
        }
    }

    fn event(&mut self, event: Record, at: u64) {
        match event {
            Record::TopicCreated { tag, .. } => self.image.tag = tag,
            Record::TopicPaused(paused) => {
                if !self.image.paused && !self.channels.is_empty() {
                    self.image.pumped = at;
                }
                self.image.paused = paused;
                self.pump(at);
            }
            Record::TopicEmptied(from, to) => {
                (self.image.waiting, self.unread) = (0, 0);
                self.image.held.clear();
                self.image.pumped = to;
                self.channels.values_mut().for_each(|channel| channel.add_hole(from, to));
            }
            Record::Configured(None, json) => match serde_json::from_str(&json) {
                Ok(settings) => self.image.settings = settings,
                Err(_) => self.unknown += 1,
            },
            Record::ChannelCreated { number, cursor, name } => {
                let image = ChannelImage { number, name, cursor, ..ChannelImage::default() };
                self.channels.insert(number, Recovering::new(image));
                self.image.next_number = self.image.next_number.max(number + 1);
                self.pump(at);
            }
            Record::ChannelDeleted(number) => {
                let last = self.channels.remove(&number).is_some() && self.channels.is_empty();
                // Messages in a paused topic keep waiting.
                if last && !self.image.paused {
                    self.image.pumped = at;
                }
            }
            Record::Dropped { floor, channels } => self.dropped(floor, channels),
            other => {
                let end = if self.image.paused { self.image.pumped } else { at };
                self.channel_event(other, end);
            }
        }
    }

    /// Applies an event of a channel; the stream ended at `end` then.
    fn channel_event(&mut self, event: Record, end: u64) {
        let number = match &event {
            Record::Finished(n, _)
            | Record::Requeued(n, _)
            | Record::ChannelPaused(n, _)
            | Record::ChannelEmptied(n, _)
            | Record::Configured(Some(n), _)
            | Record::ChannelSought { number: n, .. } => *n,
            _ => return,
        };
        // The last events of a deleted channel may have been written after its deletion.
        let Some(channel) = self.channels.get_mut(&number) else { return };
        let damaged = &self.damaged;
        match event {
            Record::Finished(_, positions) => {
                for at in positions {
                    channel.finished(at, damaged);
                }
            }
            Record::Requeued(_, list) => list.into_iter().for_each(|one| channel.requeued(one, end, damaged)),
            Record::ChannelPaused(_, paused) => channel.image.paused = paused,
            Record::ChannelEmptied(_, to) => channel.emptied(to),
            Record::ChannelSought { seek, .. } => channel.sought(seek, self.image.tag),
            Record::Configured(_, json) => match serde_json::from_str(&json) {
                Ok(settings) => channel.image.settings = settings,
                Err(_) => self.unknown += 1,
            },
            _ => {}
        }
    }

    fn dropped(&mut self, floor: u64, channels: Vec<(ChannelNumber, u64)>) {
        let mut in_topic = None;
        for (number, count) in channels {
            match self.channels.get_mut(&number) {
                Some(channel) => channel.dropped(floor, count, &self.damaged),
                None if number == TOPIC => in_topic = Some(count),
                None => {}
            }
        }
        if self.image.pumped < floor {
            let (said, most) = self.damaged.between(self.image.pumped, floor);
            let in_topic = in_topic.unwrap_or_else(|| self.waiting_before(floor));
            self.image.waiting = self.image.waiting.saturating_sub(in_topic.saturating_sub(most));
            self.unread = self.unread.saturating_sub(said);
            self.image.pumped = floor;
            self.image.held.retain(|message| message.at >= floor);
        }
    }

    /// Number of messages waiting before `floor`, to the precision of a mark: earlier versions did not record
    /// it.
    fn waiting_before(&self, floor: u64) -> u64 {
        let first =
            self.image.milestones.at_or_after(floor).map_or(self.image.sequence, |mark| mark.sequence);
        self.image.waiting.saturating_sub(self.image.sequence.saturating_sub(first))
    }

    /// Hands waiting messages to the channels, as [`super::Topic::pump`] does; the journal ends at `end`.
    fn pump(&mut self, end: u64) {
        if self.image.paused || self.channels.is_empty() {
            return;
        }
        let waiting = std::mem::take(&mut self.image.waiting);
        let unread = std::mem::take(&mut self.unread);
        let held = std::mem::take(&mut self.image.held);
        self.image.pumped = end;
        for channel in self.channels.values_mut() {
            channel.pumped(waiting);
            channel.pumped_damaged(unread);
            for message in &held {
                channel.set_apart(*message);
            }
        }
    }
}
