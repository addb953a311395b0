//! An engine in memory with seeded faults, for tests of what drives an engine.
//!
//! It keeps the promises of [`crate::request`] and nothing beyond them: completions are late and out of
//! order, acknowledgements and fetches are lost, a publication fails although its messages are stored. Time
//! is given by the caller, and the seed alone decides what happens.

mod tasks;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::names::is_ephemeral;
use crate::request::{
    ACK_WAIT, Arrival, AtLimit, Change, Completion, Engine, EngineError, Fate, Handle, Heeded, Place,
    Publication, Request,
};

/// Time after which a fetch ends.
const FETCH_TIME: Duration = Duration::from_secs(5);

/// Frequencies of faults, in percent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Fates of messages that never arrive.
    pub lost_fates: u64,
    /// Fetches that bring nothing.
    pub lost_fetches: u64,
    /// Publications that are answered with an error, although they are stored.
    pub failed_publications: u64,
    /// Longest delay of a completion, in milliseconds.
    pub late_ms: u64,
}

/// The engine, shared by its nodes.
#[derive(Debug)]
pub struct Memory {
    mailboxes: BTreeMap<usize, Mailbox>,
    /// Number of the next node.
    next_node: usize,
    now: Duration,
    random: u64,
    faults: Faults,
    topics: BTreeMap<Arc<str>, Topic>,
    /// Topics that are local at all nodes.
    local: BTreeSet<Arc<str>>,
    completions: Vec<(Duration, usize, Completion)>,
    deliveries: u64,
}

type Mailbox = Arc<Mutex<VecDeque<Request>>>;

/// A node's end.
#[derive(Debug)]
pub struct Node(Mailbox);

#[derive(Debug, Default)]
struct Topic {
    next: u64,
    messages: BTreeMap<u64, Stored>,
    ids: BTreeSet<u64>,
    /// Bodies of all messages that it ever stored.
    bodies: Vec<String>,
    deferred: Vec<Publication>,
    channels: BTreeMap<Arc<str>, Channel>,
    paused: bool,
    settings: Option<Arc<str>>,
    /// Number of the first message that is kept although every channel has finished it.
    kept: Option<u64>,
}

#[derive(Debug, Clone)]
struct Stored {
    message: Publication,
    timestamp: i64,
    /// Channels that have not finished it.
    wanted: BTreeSet<Arc<str>>,
}

#[derive(Debug, Default)]
struct Channel {
    waiting: VecDeque<u64>,
    /// Delivered messages, and when they come back.
    pending: BTreeMap<u64, Duration>,
    attempts: BTreeMap<u64, u16>,
    fetches: VecDeque<Fetch>,
    paused: bool,
    settings: Option<Arc<str>>,
}

#[derive(Debug)]
struct Fetch {
    node: usize,
    count: u32,
    ends: Duration,
    lost: bool,
}

impl Engine for Node {
    fn submit(&mut self, request: Request) {
        lock(&self.0).push_back(request);
    }
}

fn lock(mailbox: &Mailbox) -> MutexGuard<'_, VecDeque<Request>> {
    mailbox.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    /// An empty engine.
    pub fn new(seed: u64, faults: Faults) -> Memory {
        Memory {
            mailboxes: BTreeMap::new(),
            next_node: 0,
            now: Duration::ZERO,
            random: seed | 1,
            faults,
            topics: BTreeMap::new(),
            local: BTreeSet::new(),
            completions: Vec::new(),
            deliveries: 0,
        }
    }

    /// A new node, and its number. It learns what exists.
    pub fn node(&mut self) -> (usize, Node) {
        let (number, mailbox) = (self.next_node, Mailbox::default());
        self.next_node += 1;
        self.mailboxes.insert(number, Arc::clone(&mailbox));
        let mut all = Vec::new();
        for (topic, state) in &self.topics {
            all.push((Arc::clone(topic), None, state.paused, state.settings.clone()));
            let lasting = state.channels.iter().filter(|(name, _)| !is_ephemeral(name));
            all.extend(lasting.map(|(name, its)| {
                (Arc::clone(topic), Some(Arc::clone(name)), its.paused, its.settings.clone())
            }));
        }
        for (topic, channel, paused, settings) in all {
            let (its, of) = (Arc::clone(&topic), channel.clone());
            self.tell(number, Completion::Exists { topic: its, channel: of, paused });
            if let Some(settings) = settings {
                self.tell(number, Completion::Configured { topic, channel, settings });
            }
        }
        for topic in self.local.clone() {
            self.tell(number, Completion::Local { topic, active: true });
        }
        (number, Node(mailbox))
    }

    /// Forgets a node that has died. What it fetched comes back in time.
    pub fn leave(&mut self, node: usize) {
        self.mailboxes.remove(&node);
    }

    /// From now on nothing goes wrong.
    pub fn heal(&mut self) {
        self.faults = Faults::default();
    }

    /// From now on this goes wrong.
    pub fn fail(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// Bodies of everything that a topic ever stored.
    pub fn published(&self, topic: &str) -> Vec<String> {
        self.topics.get(topic).map(|topic| topic.bodies.clone()).unwrap_or_default()
    }

    /// Messages that some channel has not finished, and those without a channel.
    pub fn unfinished(&self) -> usize {
        self.topics.values().map(|topic| topic.messages.len() + topic.deferred.len()).sum()
    }

    /// Carries out what the nodes have asked for, as of `now` (since the start) and of the wall clock, and
    /// returns the completions that are due: node and completion.
    pub fn step(&mut self, now: Duration, wall: i64) -> Vec<(usize, Completion)> {
        self.now = now;
        let asked = self.mailboxes.iter().map(|(node, mailbox)| (*node, lock(mailbox).drain(..).collect()));
        let asked: Vec<(usize, Vec<Request>)> = asked.collect();
        for (node, requests) in asked {
            requests.into_iter().for_each(|request| self.carry_out(node, request, wall));
        }
        let names: Vec<Arc<str>> = self.topics.keys().cloned().collect();
        names.iter().for_each(|name| self.work(name, wall));
        let (due, later) = std::mem::take(&mut self.completions).into_iter().partition(|row| row.0 <= now);
        self.completions = later;
        due.into_iter().map(|(_, node, completion)| (node, completion)).collect()
    }

    fn carry_out(&mut self, node: usize, request: Request, wall: i64) {
        match request {
            Request::Publish { number, topic, messages } => {
                self.create(&topic, None);
                let topic = self.topics.entry(Arc::clone(&topic)).or_default();
                let stored = messages.into_iter().map(|message| topic.publish(message, wall));
                let stored: Vec<bool> = stored.collect();
                let full = stored.contains(&false);
                let stored = stored.iter().enumerate().filter(|(_, stored)| **stored);
                let stored: Vec<usize> = stored.map(|(index, _)| index).collect();
                let outcome = match (full, self.happens(self.faults.failed_publications)) {
                    (true, _) => Err(EngineError { text: "topic is full".to_owned(), full, stored }),
                    (false, true) => Err(EngineError::new("engine: no acknowledgement")),
                    (false, false) => Ok(()),
                };
                self.tell(node, Completion::Published(number, outcome));
            }
            Request::Fetch { topic, channel, count } => {
                let lost = self.happens(self.faults.lost_fetches);
                let fetch = Fetch { node, count, ends: self.now + FETCH_TIME, lost };
                match self.topics.get_mut(&topic).and_then(|topic| topic.channels.get_mut(&channel)) {
                    Some(state) => state.fetches.push_back(fetch),
                    None => self.tell(node, Completion::Unfilled { topic, channel, count }),
                }
            }
            Request::StopFetching { topic, channel } => {
                if let Some(state) = self.topics.get_mut(&topic).and_then(|t| t.channels.get_mut(&channel)) {
                    state.fetches.retain(|fetch| fetch.node != node);
                }
            }
            Request::Settle(fates) => fates.into_iter().for_each(|(handle, fate)| self.settle(&handle, fate)),
            Request::Change { number, topic, channel, change } => {
                self.change(&topic, channel.as_ref(), change);
                self.tell(node, Completion::Changed(number, Ok(())));
            }
            Request::Task { number, topic, channel, task } => {
                let result = self.task(&topic, channel.as_ref(), task, wall);
                self.tell(node, Completion::Finished(number, result));
            }
        }
    }

    fn change(&mut self, topic: &Arc<str>, channel: Option<&Arc<str>>, change: Change) {
        match change {
            Change::Create => self.create(topic, channel),
            Change::Delete => {
                match channel {
                    None => {
                        self.topics.remove(topic);
                        self.set_local(topic, false);
                    }
                    Some(name) => {
                        if let Some(topic) = self.topics.get_mut(topic) {
                            topic.channels.remove(name);
                            topic.finish_all(name);
                        }
                    }
                }
                if channel.is_none_or(|name| !is_ephemeral(name)) {
                    let (topic, channel) = (Arc::clone(topic), channel.cloned());
                    self.tell_all(&Completion::Gone { topic, channel });
                }
            }
            Change::Empty => {
                let Some(state) = self.topics.get_mut(topic) else { return };
                match channel {
                    None if state.channels.is_empty() => state.messages.clear(),
                    None => {}
                    Some(name) => drop(self.seek(topic, name, Place::End)),
                }
            }
            Change::Leave => self.set_local(topic, true),
            Change::Enter => self.set_local(topic, false),
            Change::Pause(paused) => {
                let Some(state) = self.topics.get_mut(topic) else { return };
                match channel {
                    None => state.paused = paused,
                    Some(name) => state.channels.entry(Arc::clone(name)).or_default().paused = paused,
                }
                let (topic, channel) = (Arc::clone(topic), channel.cloned());
                self.tell_all(&Completion::Exists { topic, channel, paused });
            }
            Change::Configure(settings) => {
                let Some(state) = self.topics.get_mut(topic) else { return };
                match channel {
                    None => state.configure(&settings),
                    Some(name) => {
                        let Some(channel) = state.channels.get_mut(name) else { return };
                        channel.settings = Some(Arc::clone(&settings));
                    }
                }
                let (topic, channel) = (Arc::clone(topic), channel.cloned());
                self.tell_all(&Completion::Configured { topic, channel, settings });
            }
        }
    }

    fn set_local(&mut self, topic: &Arc<str>, active: bool) {
        let changed = match active {
            true => self.local.insert(Arc::clone(topic)),
            false => self.local.remove(topic),
        };
        if changed {
            self.tell_all(&Completion::Local { topic: Arc::clone(topic), active });
        }
    }

    fn create(&mut self, topic: &Arc<str>, channel: Option<&Arc<str>>) {
        if !self.topics.contains_key(topic) {
            self.topics.insert(Arc::clone(topic), Topic::default());
            self.tell_all(&Completion::Exists { topic: Arc::clone(topic), channel: None, paused: false });
        }
        let (Some(name), Some(state)) = (channel, self.topics.get_mut(topic)) else { return };
        if state.channels.contains_key(name) {
            return;
        }
        let mut new = Channel::default();
        if !is_ephemeral(name) && !state.channels.keys().any(|name| !is_ephemeral(name)) {
            // The first one gets what waited for it.
            new.waiting = state.messages.keys().copied().collect();
            for message in state.messages.values_mut() {
                message.wanted.insert(Arc::clone(name));
            }
        }
        state.channels.insert(Arc::clone(name), new);
        if !is_ephemeral(name) {
            let (topic, channel) = (Arc::clone(topic), Some(Arc::clone(name)));
            self.tell_all(&Completion::Exists { topic, channel, paused: false });
        }
    }

    /// A handle names topic, channel and message.
    fn settle(&mut self, handle: &Handle, fate: Fate) {
        if self.happens(self.faults.lost_fates) {
            return;
        }
        let text = String::from_utf8_lossy(&handle.0).into_owned();
        let mut parts = text.split('/');
        let (Some(topic), Some(name), Some(sequence)) = (parts.next(), parts.next(), parts.next()) else {
            return;
        };
        let Ok(sequence) = sequence.parse::<u64>() else { return };
        let (now, Some(topic)) = (self.now, self.topics.get_mut(topic)) else { return };
        let Some(channel) = topic.channels.get_mut(name) else { return };
        let Some(back) = channel.pending.get_mut(&sequence) else { return };
        match fate {
            Fate::Return(delay) => *back = now + delay,
            Fate::Extend => *back = now + ACK_WAIT,
            Fate::Finish => {
                channel.pending.remove(&sequence);
                channel.attempts.remove(&sequence);
                topic.finish(name, sequence);
            }
        }
    }

    /// Releases what is due in a topic, fills its fetches and ends old ones.
    fn work(&mut self, name: &Arc<str>, wall: i64) {
        let (now, mut told) = (self.now, Vec::new());
        let Some(topic) = self.topics.get_mut(name) else { return };
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut topic.deferred).into_iter().partition(|message| message.due <= wall);
        topic.deferred = later;
        due.into_iter().for_each(|message| topic.store(message, wall));
        for (channel_name, channel) in &mut topic.channels {
            let back: Vec<u64> =
                channel.pending.iter().filter(|(_, at)| **at <= now).map(|(sequence, _)| *sequence).collect();
            for sequence in back.into_iter().rev() {
                channel.pending.remove(&sequence);
                channel.waiting.push_front(sequence);
            }
            // One that is lost holds up none behind it.
            let mut at = 0;
            while let Some(fetch) = channel.fetches.get_mut(at) {
                let mut messages = Vec::new();
                while !fetch.lost && fetch.count > 0 {
                    let Some(sequence) = channel.waiting.pop_front() else { break };
                    let Some(stored) = topic.messages.get(&sequence) else { continue };
                    self.deliveries += 1;
                    let attempts = channel.attempts.entry(sequence).or_default();
                    let handle = format!("{name}/{channel_name}/{sequence}/{}", self.deliveries);
                    messages.push(Arrival {
                        id: stored.message.id,
                        timestamp: stored.timestamp,
                        attempts: *attempts,
                        handle: Handle(handle.into()),
                        only: stored.message.only.clone(),
                        origin: stored.message.origin.clone(),
                        body: stored.message.body.clone(),
                    });
                    *attempts = attempts.saturating_add(1);
                    channel.pending.insert(sequence, now + ACK_WAIT);
                    fetch.count -= 1;
                }
                let (node, ended) = (fetch.node, fetch.count == 0 || fetch.ends <= now);
                let (topic, channel_name) = (Arc::clone(name), Arc::clone(channel_name));
                if !messages.is_empty() {
                    let (topic, channel) = (Arc::clone(&topic), Arc::clone(&channel_name));
                    told.push((node, Completion::Arrived { topic, channel, messages }));
                }
                if !ended {
                    at += 1;
                    continue;
                }
                if fetch.count > 0 {
                    let unfilled = Completion::Unfilled { topic, channel: channel_name, count: fetch.count };
                    told.push((node, unfilled));
                }
                channel.fetches.remove(at);
            }
        }
        for (node, completion) in told {
            self.tell(node, completion);
        }
    }

    fn tell_all(&mut self, completion: &Completion) {
        let nodes: Vec<usize> = self.mailboxes.keys().copied().collect();
        nodes.into_iter().for_each(|node| self.tell(node, completion.clone()));
    }

    fn tell(&mut self, node: usize, completion: Completion) {
        // What exists is told in order.
        let in_order = matches!(
            completion,
            Completion::Exists { .. } | Completion::Gone { .. } | Completion::Local { .. }
        );
        let late = if in_order || self.faults.late_ms == 0 { 0 } else { self.next() % self.faults.late_ms };
        self.completions.push((self.now + Duration::from_millis(late), node, completion));
    }

    fn happens(&mut self, percent: u64) -> bool {
        percent > 0 && self.next() % 100 < percent
    }

    fn next(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 20
    }
}

impl Topic {
    /// Stores a message, unless it is a repetition. False if the topic is full.
    fn publish(&mut self, message: Publication, wall: i64) -> bool {
        if self.ids.contains(&message.id) {
            return true;
        }
        let bytes = |stored: &Stored| stored.message.body.len() as u64;
        let max = self.heeded().bytes_max;
        // A walk over the whole backlog, for topics with a limit.
        let mut held: u64 = if max > 0 { self.messages.values().map(bytes).sum() } else { 0 };
        while max > 0 && held + message.body.len() as u64 > max {
            if self.heeded().at_limit == AtLimit::Reject {
                return false;
            }
            let Some((_, oldest)) = self.messages.pop_first() else { break };
            held -= bytes(&oldest);
        }
        self.ids.insert(message.id);
        self.bodies.push(String::from_utf8_lossy(&message.body).into_owned());
        if message.due > wall {
            self.deferred.push(message);
        } else {
            self.store(message, wall);
        }
        true
    }

    fn heeded(&self) -> Heeded {
        self.settings.as_ref().map(|settings| Heeded::of(settings)).unwrap_or_default()
    }

    /// Retention keeps what is published from now on, for ever.
    fn configure(&mut self, settings: &Arc<str>) {
        self.settings = Some(Arc::clone(settings));
        let kept = self.kept.unwrap_or(self.next + 1);
        self.kept = (self.heeded().retention_seconds > 0).then_some(kept);
    }

    fn store(&mut self, message: Publication, wall: i64) {
        self.next += 1;
        let sequence = self.next;
        for channel in self.channels.values_mut() {
            channel.waiting.push_back(sequence);
        }
        let wanted = self.channels.keys().cloned().collect();
        let timestamp = if message.published == 0 { wall } else { message.published };
        let stored = Stored { message, timestamp, wanted };
        self.messages.insert(sequence, stored);
    }

    fn finish(&mut self, channel: &str, sequence: u64) {
        if let Some(message) = self.messages.get_mut(&sequence)
            && message.wanted.remove(channel)
            && message.wanted.is_empty()
            && self.kept.is_none_or(|kept| sequence < kept)
            && self.channels.keys().any(|name| !is_ephemeral(name))
        {
            self.messages.remove(&sequence);
        }
    }

    fn finish_all(&mut self, channel: &str) {
        let all: Vec<u64> = self.messages.keys().copied().collect();
        all.into_iter().for_each(|sequence| self.finish(channel, sequence));
    }
}
