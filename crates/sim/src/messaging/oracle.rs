//! Rules of a run, checked between the shard and its loop. A broken rule becomes a fault, as text.
//!
//! | rule | checked in |
//! |---|---|
//! | a message that got its OK is delivered to each channel until it is finished, except for losses that its durability allows in a crash | [`Oracle::missing`], after the last drain |
//! | a message is in flight to one consumer at a time, and only to one with RDY left | [`Channel::deliver`], at each delivery |
//! | nothing is delivered before its due time | the same |
//! | no finished message is delivered: in the same life never, after a crash if the FIN was old enough | the same, and [`Channel::crash`] |
//! | messages come in nsqd's order: a returning message goes behind the waiting ones | the same |
//! | attempts count up | the same |
//! | depth, in flight and deferred match the oracle's counts | [`Oracle::check_counts`], at each request for statistics |
//! | a dead letter was delivered too often; it is in its topic, or in its channel | the same, and [`Oracle::letter`] |
//! | nothing is delivered after its time to live, or missing before | [`Topic::check_age`], at each delivery, and [`Topic::age`] |
//! | a topic that rejects publications above its limit holds no more than the limit | [`Topic::too_much`], at each request for statistics |
//! | a topic that drops the oldest drops nothing younger | [`Topic::dropped_in_the_middle`], after the last drain |
//! | messages retained for replay are delivered again | [`Topic::replay`] |
//! | finished messages leave the disk | `World::rest`, at the end |
//! | damage is reported, and costs no more than it must | `world/rot.rs` |
//! | no publication is refused without a reason | [`Oracle::refused`] |
//! | memory is reported full only when nearly full, and never exceeds its limit | [`Oracle::check_full`], [`Oracle::check_memory`] |
//! | memory of consumed messages is released | [`Oracle::check_given_back`], when chaos is over |
//! | a topic has no more channels than its limit, and is refused none below it | [`Oracle::not_subscribed`], and the same |
//! | topics and channels outlast the process | [`Oracle::adopt`], at each start |
//! | ephemeral ones do not: they are deleted with their last user | [`Oracle::check_ephemeral`], at each request for statistics |
//! | nothing of an ephemeral topic is on the disk | `World::check_disk`, when a life ends |
//! | messages that fit into an ephemeral channel are delivered while it has a consumer | [`Oracle::missing_ephemeral`], when chaos is over |
//! | ephemeral ones hold no more than their limit, and drop the excess | [`Channel::check_held`], [`Topic::check_held`] |
//!
//! Uncertainty is never a fault: a publication without an answer may exist or not, and a crash makes
//! everything uncertain that it may have lost.

mod adopt;
mod orders;
mod ephemeral;
mod memory;
mod channel;
mod limits;
mod retention;
mod row;
mod time;
mod topic;

use std::collections::{BTreeMap, BTreeSet};

use net::Instant;
use queue::settings::Durability;

use super::body::{Uid, body};
use super::command::Command;
use super::frames::Id;
use super::names::{DEAD, is_ephemeral};
use super::report::Report;
use super::scenario::End;
use super::session::{Fact, SessionId};

use channel::{Channel, Consumer};
use time::{Now, SLACK_US};
use topic::Topic;

#[derive(Debug)]
pub(crate) struct Oracle {
    /// Deleted topics.
    deleted: BTreeMap<String, Topic>,
    /// Dead letters of deleted topics.
    letters: BTreeMap<String, BTreeSet<Uid>>,
    pub(crate) topics: BTreeMap<String, Topic>,
    /// Durability of topics without a setting.
    durability: Durability,
    /// Subscribed sessions, with their channels.
    subscribed: BTreeMap<SessionId, (String, String)>,
    /// Message timeouts requested by clients.
    timeouts: BTreeMap<SessionId, u64>,
    msg_timeout_ms: u64,
    max_msg_timeout_ms: u64,
    /// Time after which FIN and REQ are written, in microseconds.
    event_delay_us: u64,
    /// Time of the last disk fault, which excuses late writes.
    pub(crate) trouble: Option<Instant>,
    /// True if an event of this life may explain a refused publication.
    pub(crate) excused: bool,
    /// `excused` of the previous life.
    was_excused: bool,
    /// True once the wall clock was stepped.
    stepped: bool,
    /// Most filler bytes in a body.
    fill_max: usize,
    /// Most messages that an ephemeral topic or channel holds.
    queue_limit: u64,
    /// `max_memory`; 0 for no limit.
    memory_max: usize,
    /// `max_channels_per_topic`.
    channels_max: u64,
    /// Messages published to ephemeral topics.
    pub(crate) in_memory_only: BTreeSet<Uid>,
    /// Ephemeral channels that lost their last consumer in this turn.
    doomed: Vec<(String, String)>,
    seq: u64,
    pub(crate) faults: Vec<String>,
    pub(crate) report: Report,
}

impl Oracle {
    pub(crate) fn new(options: &queue::QueueOptions, fill_max: usize) -> Oracle {
        Oracle {
            deleted: BTreeMap::new(),
            letters: BTreeMap::new(),
            topics: BTreeMap::new(),
            durability: options.settings.durability,
            subscribed: BTreeMap::new(),
            timeouts: BTreeMap::new(),
            msg_timeout_ms: options.settings.msg_timeout.as_millis() as u64,
            max_msg_timeout_ms: options.settings.max_msg_timeout.as_millis() as u64,
            event_delay_us: options.event_delay.as_micros() as u64,
            trouble: None,
            excused: false,
            was_excused: false,
            stepped: false,
            fill_max,
            queue_limit: options.settings.mem_queue_size,
            memory_max: options.settings.max_memory_bytes,
            channels_max: options.settings.max_channels_per_topic,
            in_memory_only: BTreeSet::new(),
            doomed: Vec::new(),
            seq: 0,
            faults: Vec::new(),
            report: Report::default(),
        }
    }

    pub(crate) fn fault(&mut self, text: String) {
        self.faults.push(text);
    }

    fn now(&mut self, at: Instant, wall: i64) -> Now {
        self.seq += 1;
        Now { at, wall, seq: self.seq }
    }

    /// Records an event on a session.
    pub(crate) fn fact(&mut self, session: SessionId, fact: Fact, at: Instant, wall: i64) {
        let now = self.now(at, wall);
        match fact {
            Fact::Took(command) => self.took(session, command, now),
            Fact::Saw(Command::Publish { topic, uids, delay_ms }) => {
                self.publish(&topic, &uids, delay_ms, now);
            }
            Fact::Saw(Command::Fin(id) | Command::Req(id, _)) => {
                if let Some(channel) = self.channel_of(session) {
                    channel.loosen(&id);
                }
            }
            Fact::Saw(_) => {}
            Fact::Gone => self.gone(session, now),
            Fact::Answered(command, refusal) => self.answered(session, command, refusal, now),
            Fact::Delivered(id, attempts, uid) => self.delivered(session, id, attempts, uid, now),
            Fact::Wrong(why) => self.fault(format!("session {session} was sent {why}")),
        }
    }

    pub(super) fn topic(&mut self, name: &str) -> &mut Topic {
        let (letters, limit, ephemeral) = (&self.letters, self.queue_limit, is_ephemeral(name));
        let durability = if ephemeral { Durability::Memory } else { self.durability };
        let ghosts = || letters.get(name).cloned().unwrap_or_default();
        let topic = || Topic::new(durability, ghosts(), ephemeral, limit);
        self.topics.entry(name.to_owned()).or_insert_with(topic)
    }

    fn channel_of(&mut self, session: SessionId) -> Option<&mut Channel> {
        let (topic, channel) = self.subscribed.get(&session)?;
        self.topics.get_mut(topic)?.channels.get_mut(channel)
    }

    /// Records a publication that the daemon has read: its messages may exist.
    pub(crate) fn publish(&mut self, topic: &str, uids: &[Uid], delay_ms: u64, now: Now) {
        self.report.deferred += u64::from(delay_ms > 0);
        if is_ephemeral(topic) {
            self.in_memory_only.extend(uids);
            self.report.ephemeral += uids.len() as u64;
        }
        let fill_max = self.fill_max;
        let topic = self.topic(topic);
        for uid in uids {
            topic.publish(*uid, body(*uid, fill_max).len() as u64, delay_ms, now);
        }
    }

    fn took(&mut self, session: SessionId, command: Command, now: Now) {
        let closed = matches!(command, Command::Cls);
        match command {
            Command::Identify(timeout) => drop(self.timeouts.insert(session, timeout)),
            Command::Publish { topic, uids, delay_ms } => self.publish(&topic, &uids, delay_ms, now),
            Command::Rdy(count) => {
                if let Some(consumer) = self.channel_of(session).and_then(|c| c.consumers.get_mut(&session))
                    && !consumer.closing
                {
                    consumer.ready = count;
                }
            }
            Command::Fin(id) => {
                if let Some(Err(why)) = self.channel_of(session).map(|c| c.finish(session, &id, now)) {
                    self.fault(format!("session {session}: {why}"));
                }
                self.report.finished += 1;
            }
            Command::Req(id, delay_ms) => {
                if let Some(Err(why)) =
                    self.channel_of(session).map(|c| c.requeue(session, &id, delay_ms, now))
                {
                    self.fault(format!("session {session}: {why}"));
                }
                self.report.requeued += 1;
            }
            Command::Touch(id) => {
                if let Some(channel) = self.channel_of(session) {
                    channel.touch(session, &id, now);
                }
            }
            Command::Magic | Command::Sub(_) | Command::Cls | Command::Nop => {}
        }
        if closed && let Some(consumer) = self.channel_of(session).and_then(|c| c.consumers.get_mut(&session))
        {
            (consumer.closing, consumer.ready) = (true, 0);
        }
    }

    fn answered(&mut self, session: SessionId, command: Command, refusal: Option<String>, now: Now) {
        match command {
            Command::Publish { topic, uids, delay_ms } => match refusal {
                None => self.accepted(&topic, &uids),
                Some(why) => self.refused(&topic, &why, delay_ms > 0, &uids),
            },
            Command::Sub((topic, channel)) => match refusal {
                None => self.subscribe(session, topic, channel, now),
                Some(why) => self.not_subscribed(&topic, &why),
            },
            _ => {}
        }
    }

    /// Records the OK of a publication.
    pub(crate) fn accepted(&mut self, topic: &str, uids: &[Uid]) {
        self.report.published += uids.len() as u64;
        if let Some(topic) = self.topics.get_mut(topic) {
            for uid in uids {
                topic.accept(*uid);
            }
        }
    }

    /// Records the refusal of a publication.
    pub(crate) fn refused(&mut self, topic: &str, why: &str, deferred: bool, uids: &[Uid]) {
        self.report.refused += 1;
        if let Some(held) = Oracle::memory_full(why) {
            return self.check_full(topic, held, deferred, uids);
        }
        let full = self.topics.get(topic).is_some_and(|topic| topic.limits.rejects());
        self.report.full += u64::from(full);
        if !self.excused && !full {
            self.fault(format!("a publication to {topic} was refused for no reason"));
        }
    }

    fn subscribe(&mut self, session: SessionId, topic: String, channel: String, now: Now) {
        let timeout_ms = self.timeouts.get(&session).copied().unwrap_or(self.msg_timeout_ms);
        let consumer = Consumer {
            ready: 0,
            closing: false,
            timeout_us: timeout_ms * 1000,
            timeout_us_max: self.max_msg_timeout_ms * 1000,
        };
        if !topic.ends_with(DEAD) {
            let target = self.topic(&topic).create_channel(&channel, now);
            target.consumers.insert(session, consumer);
        }
        self.subscribed.insert(session, (topic, channel));
    }

    fn delivered(&mut self, session: SessionId, id: Id, attempts: u16, uid: Uid, now: Now) {
        self.report.delivered += 1;
        self.report.redelivered += u64::from(attempts > 1);
        let Some((topic_name, name)) = self.subscribed.get(&session).cloned() else {
            return self.fault(format!("session {session} was sent message {uid} and has not subscribed"));
        };
        if topic_name.ends_with(DEAD) {
            self.report.letters += 1;
            return self.letter(&topic_name, uid);
        }
        let Some(topic) = self.topics.get_mut(&topic_name) else { return };
        let delivered = topic.deliver(&name, session, id, attempts, uid, now);
        if let Err(why) = delivered {
            self.fault(format!("message {uid} to session {session} from {topic_name}/{name}: {why}"));
        }
    }

    /// Ends a session: its messages return to the channel.
    fn gone(&mut self, session: SessionId, now: Now) {
        if let Some(channel) = self.channel_of(session) {
            channel.unsubscribe(session, now);
        }
        if let Some(name) = self.subscribed.remove(&session).filter(|(_, channel)| is_ephemeral(channel)) {
            self.doomed.push(name);
        }
    }

    /// Ends a life.
    pub(crate) fn crash(&mut self, how: End, at: Instant) {
        match how {
            End::Kill => self.report.kills += 1,
            End::Power => self.report.power_cuts += 1,
            End::Stop => self.report.stops += 1,
        }
        let settled = match how {
            _ if self.trouble.is_some() => None,
            End::Stop => Some(Instant(u64::MAX)),
            End::Kill => Some(Instant(at.0.saturating_sub(self.event_delay_us + SLACK_US))),
            End::Power => None,
        };
        let life = row::LifeEnd { how, at, settled };
        // Topics in memory are lost for good.
        let in_memory = self.topics.extract_if(.., |_, topic| topic.durability == Durability::Memory);
        in_memory.collect::<Vec<_>>().into_iter().for_each(|(name, topic)| self.forget(name, topic));
        self.topics.values_mut().for_each(|topic| topic.crash(&life));
        self.subscribed.clear();
        self.was_excused = self.excused;
        (self.trouble, self.excused) = (None, false);
    }

    /// Messages that are still owed to a channel.
    pub(crate) fn missing(&mut self, now: Instant) -> Option<String> {
        let mut missing = Vec::new();
        self.topics.values_mut().for_each(|topic| topic.age(now));
        for (name, topic) in &self.topics {
            missing.extend(topic.missing().into_iter().map(|what| format!("{name}{what}")));
        }
        let shown = missing.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        (!missing.is_empty()).then(|| format!("{} messages are missing: {shown}", missing.len()))
    }
}
