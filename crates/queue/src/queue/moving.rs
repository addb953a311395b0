//! Moves of local topics to the engine.
//!
//! ```text
//!  T local ▸ T, its channels and settings at the engine ▸ switch: T is the topic there, the local one is T.moving
//!            publishers, consumers ▸ T at once             T.moving ▸ a mover for each channel ▸ T, that channel alone
//!            FIN, REQ of what they held ▸ T.moving         empty ▸ deleted
//! ```
//! The switch is one record in the local journal, and happens within a turn: neither publishers nor consumers
//! notice it. A crash before it leaves a local topic, and the move is asked for again; after it, the next
//! start goes on. A mover is a forwarder ([`super::forward`]): a message is finished here once the engine has
//! it, and has the same id however often it is sent.

use std::sync::Arc;

use engine::Change;
use net::Io;
use wire::nsq::RawId;

use super::Queue;
use super::departure::{ALL, Departure, Steps};
use super::engine_link::Asker;
use super::forward::TERMS;
use super::forwarders::Forwarder;
use super::on_engine::json;
use crate::connection::{Connection, Subscription};
use crate::consumers::Terms;
use crate::error::QueueError;
use crate::registry::TopicKey;
use crate::request::{Answer, Reply};
use crate::settings::{ChannelSettings, Storage, TopicSettings};
use crate::topic::{ChannelKey, ControlError};

/// Suffix of a local topic that is being moved.
pub(super) const SUFFIX: &str = ".moving";

/// A channel as it is to be at the other place.
pub(super) struct Moved {
    name: String,
    settings: ChannelSettings,
    paused: bool,
    old: ChannelKey,
}

impl Queue {
    /// Begins to move a topic.
    pub(super) fn begin_move(&mut self, topic: &str, to: Storage, reply: Reply) {
        if to == Storage::Local {
            return self.begin_leaving(topic, reply);
        }
        match self.plan_move(topic) {
            Ok(None) => reply.send(Answer::Done),
            Ok(Some(steps)) => self.go_on_moving(Departure { topic: topic.to_owned(), steps, reply }),
            Err(why) => reply.send(Answer::Refused(why)),
        }
    }

    /// Changes to be made at the engine before the switch; `None` if the topic is there.
    fn plan_move(&self, name: &str) -> Result<Option<Steps>, QueueError> {
        let key = self.named(name)?;
        let topic = self.topics.get(key).ok_or(QueueError::NoTopic)?;
        if topic.is_on_engine() {
            return Ok(None);
        }
        if self.engine.is_none() {
            return Err(QueueError::NoEngine);
        }
        if topic.ephemeral || topic.in_memory() {
            return Err(QueueError::NotOnEngine("moving a topic in memory is"));
        }
        if topic.settings.moving || self.is_forwarded(key) {
            return Err(QueueError::NotOnEngine("moving a topic of a move, or of store and forward, is"));
        }
        if name.len() + SUFFIX.len() > wire::nsq::NAME_BYTES_MAX {
            return Err(QueueError::NotOnEngine("moving a topic with a name longer than 57 characters is"));
        }
        let leaving =
            self.leaving_of(name).is_some() || self.is_local_everywhere(name) && self.is_elsewhere(name);
        if leaving || self.topics.find(&format!("{name}{SUFFIX}")).is_some() {
            return Err(QueueError::NotOnEngine("moving a topic while another of its name is moved is"));
        }
        let mut steps = Steps::new();
        if self.is_local_everywhere(name) {
            steps.push_back((None, Change::Enter));
        }
        steps.push_back((None, Change::Create));
        let settings = settings_at_engine(topic.settings);
        if settings != TopicSettings::default() {
            steps.push_back((None, Change::Configure(json(&settings))));
        }
        if topic.is_paused() {
            steps.push_back((None, Change::Pause(true)));
        }
        for (_, channel) in topic.iter() {
            let its = || Some(channel.name.clone());
            steps.push_back((its(), Change::Create));
            if channel.settings != ChannelSettings::default() && !channel.ephemeral {
                steps.push_back((its(), Change::Configure(json(&channel.settings))));
            }
            if channel.is_paused() {
                steps.push_back((its(), Change::Pause(true)));
            }
        }
        Ok(Some(steps))
    }

    /// Makes the next change at the engine; after the last one, switches.
    fn go_on_moving(&mut self, mut departure: Departure) {
        match departure.steps.pop_front() {
            Some((channel, change)) => {
                let topic = departure.topic.clone();
                self.change(&topic, channel.as_deref(), change, Asker::Move(departure));
            }
            None => {
                let done = self.switch(&departure.topic);
                departure.reply.send(done.map_or_else(Answer::Refused, |()| Answer::Done));
            }
        }
    }

    /// A change for a move was made, or refused.
    pub(super) fn prepared(&mut self, departure: Departure, outcome: Result<(), QueueError>) {
        match outcome {
            Ok(()) => self.go_on_moving(departure),
            Err(why) => departure.reply.send(Answer::Refused(why)),
        }
    }

    /// Makes the topic on the engine the topic of this name.
    fn switch(&mut self, name: &str) -> Result<(), QueueError> {
        let clock = self.clock;
        let key = self.named(name)?;
        let topic = self.topics.get(key).ok_or(QueueError::NoTopic)?;
        if topic.is_on_engine() || topic.settings.moving {
            return Ok(());
        }
        let (settings, paused) = (topic.settings, topic.is_paused());
        let channels = self.moved_channels(key);
        let moving = TopicSettings { moving: true, home: None, ..settings };
        self.with_topic(key, |topic| topic.configure(moving, clock))?;
        self.topics.rename(key, &format!("{name}{SUFFIX}"));
        let new = match self.create_engine_topic(name) {
            Ok(new) => new,
            Err(why) => {
                self.topics.rename(key, name);
                let _ = self.with_topic(key, |topic| topic.configure(settings, clock));
                return Err(why);
            }
        };
        telemetry::info!(topic = name, "is on the engine from now on; what waits here is moved there");
        self.with_topic(new, |topic| {
            topic.configure_on_engine(settings_at_engine(settings));
            topic.pause(paused, clock)
        })?;
        for channel in channels {
            self.switch_channel(name, key, &channel);
        }
        for client in self.clients.iter_mut().flatten() {
            client.last_topic.key = None;
        }
        self.start_movers(key, name);
        Ok(())
    }

    /// The channels of a topic that is about to be switched.
    pub(super) fn moved_channels(&self, key: TopicKey) -> Vec<Moved> {
        let moved = |(old, channel): (ChannelKey, &crate::channel::Channel)| Moved {
            name: channel.name.clone(),
            settings: channel.settings.clone(),
            paused: channel.is_paused(),
            old,
        };
        self.topics.get(key).map(|topic| topic.iter().map(moved).collect()).unwrap_or_default()
    }

    /// Makes the consumers of a channel those of the channel of its name in the topic `name`.
    pub(super) fn switch_channel(&mut self, name: &str, old: TopicKey, moved: &Moved) {
        let clock = self.clock;
        let (new, channel) = match self.open_channel(name, &moved.name) {
            Ok(opened) => opened,
            Err(why) => {
                telemetry::warn!(topic = name, channel = moved.name, error = %why, "has to be created again");
                return;
            }
        };
        let _ = self.with_topic(new, |topic| {
            topic.configure_channel(channel, moved.settings.clone(), clock)?;
            topic.pause_channel(channel, moved.paused, clock)
        });
        let mut consumers: Vec<(crate::consumers::ConsumerKey, Terms, u32, bool)> = Vec::new();
        if let Some(from) = self.channel_at((old, moved.old)) {
            let each = |(key, consumer): (_, &crate::consumers::Consumer)| {
                (key, consumer.terms, consumer.ready, consumer.closing)
            };
            consumers.extend(from.consumers.iter().map(each));
        }
        for (consumer, terms, ready, closing) in consumers {
            let conn = terms.conn;
            let Some(target) = self.channel_at((new, channel)) else { return };
            let again = target.subscribe(terms);
            target.set_ready(again, ready);
            if closing {
                target.close(again);
            }
            if let Some(from) = self.channel_at((old, moved.old)) {
                from.close(consumer);
            }
            if let Some(client) = self.client_mut(conn) {
                client.former = client.subscription;
                client.subscription = Some(Subscription { topic: new, channel, consumer: again });
            }
        }
        self.schedule_all(new);
    }

    /// Begins to move what waits in a topic.
    fn start_movers(&mut self, key: TopicKey, target: &str) {
        let clock = self.clock;
        let local = format!("{target}{SUFFIX}");
        // What waited for a first channel is for all channels.
        if self.topics.get(key).is_some_and(|topic| topic.channel_count() == 0)
            && let Err(why) = self.open_channel(&local, ALL)
        {
            telemetry::warn!(topic = local, error = %why, "nothing is moved");
        }
        let Some(topic) = self.topics.get(key) else { return };
        let channels: Vec<(ChannelKey, String)> =
            topic.iter().map(|(channel, its)| (channel, its.name.clone())).collect();
        let opened = self.with_topic(key, |topic| {
            topic.hold(false);
            topic.pause(false, clock)?;
            for (channel, _) in &channels {
                topic.pause_channel(*channel, false, clock)?;
                // A batch that fails is not an attempt of a consumer.
                topic.configure_channel(*channel, ChannelSettings::default(), clock)?;
            }
            topic.pump();
            Ok(())
        });
        if let Err(why) = opened {
            telemetry::warn!(topic = local, error = %why, "moving waits");
            return;
        }
        for (channel, name) in channels {
            let Some(source) = self.channel_at((key, channel)) else { continue };
            let consumer = source.subscribe(TERMS);
            let only = (name != ALL).then(|| Arc::from(name.as_str()));
            let (target, departing, not_before) = (Arc::from(target), Vec::new(), clock.now);
            let mover = Forwarder { target, only, channel, consumer, departing, oldest: 0, not_before };
            if let Some(forwarders) = &mut self.forwarders {
                forwarders.movers.insert((key, channel), mover);
            }
            self.schedule(key, channel);
        }
    }

    /// True if the topic is being moved from here.
    #[inline]
    pub(super) fn is_moving(&self, key: TopicKey) -> bool {
        self.topics.get(key).is_some_and(|topic| topic.settings.moving)
    }

    /// Goes on with the moves that were under way when the process ended. Called once, at the start.
    pub(super) fn resume_moves(&mut self) {
        for key in self.topics.keys() {
            let Some(topic) = self.topics.get(key).filter(|topic| topic.settings.moving) else { continue };
            let name = topic.name.clone();
            self.topics.rename(key, &format!("{name}{SUFFIX}"));
            match self.create_engine_topic(&name) {
                Ok(_) => self.start_movers(key, &name),
                Err(why) => telemetry::error!(topic = name, error = %why, "move cannot go on"),
            }
        }
    }

    /// Ends moves that are complete, and starts movers that wait. Called once a second.
    pub(super) fn tend_moves<I: Io>(&mut self, io: &mut I) {
        let Some(forwarders) = &mut self.forwarders else { return };
        let topics = &self.topics;
        forwarders.movers.retain(|(key, channel), _| {
            topics.get(*key).is_some_and(|topic| topic.channel(*channel).is_some())
        });
        for key in self.topics.keys() {
            let Some(topic) = self.topics.get(key).filter(|topic| topic.settings.moving) else { continue };
            let Some(target) = topic.name.strip_suffix(SUFFIX).map(str::to_owned) else { continue };
            let begun = |forwarders: &super::Forwarders| {
                topic.iter().all(|(channel, _)| forwarders.movers.contains_key(&(key, channel)))
            };
            if !self.forwarders.as_ref().is_some_and(begun) {
                self.start_movers(key, &target);
            } else if topic.is_finished() {
                self.end_move(io, key, &target);
            } else {
                self.schedule_all(key);
            }
        }
    }

    fn end_move<I: Io>(&mut self, io: &mut I, key: TopicKey, target: &str) {
        match self.delete_emptied(io, key) {
            Ok(()) => telemetry::info!(topic = target, "moved to the engine"),
            Err(why) => {
                telemetry::warn!(topic = target, error = %why, "moved, but its files are not deleted");
            }
        }
    }

    /// Deletes a topic of which nothing is left. The connections of those who had its messages stay.
    pub(super) fn delete_emptied<I: Io>(&mut self, io: &mut I, key: TopicKey) -> Result<(), ControlError> {
        for client in self.clients.iter_mut().flatten() {
            client.former = client.former.filter(|former| former.topic != key);
        }
        let channels: Vec<ChannelKey> =
            self.topics.get(key).map(|topic| topic.iter().map(|(key, _)| key).collect()).unwrap_or_default();
        channels.into_iter().for_each(|channel| self.detach_consumers((key, channel)));
        self.delete_topic(io, key)
    }

    /// Removes the consumers of a channel that is about to be deleted. Their connections stay.
    pub(super) fn detach_consumers(&mut self, at: (TopicKey, ChannelKey)) {
        let Some(channel) = self.channel_at(at) else { return };
        let consumers: Vec<_> = channel.consumers.iter().map(|(key, _)| key).collect();
        for consumer in consumers {
            channel.consumers.remove(consumer);
        }
    }

    /// The subscription through which a client holds a message: its own, or the one before a move.
    #[inline]
    pub(crate) fn holding(&mut self, client: &Connection, raw: &RawId) -> Option<Subscription> {
        match client.former {
            None => client.subscription,
            Some(former) => {
                let id = wire::nsq::MessageId::from_hex(raw)?;
                let held =
                    self.channel_of(former).is_some_and(|channel| channel.in_flight().get(id.0).is_some());
                if held { Some(former) } else { client.subscription }
            }
        }
    }

    /// The local topic that is being moved to this one, if there is one.
    pub(super) fn moving_to(&self, target: &str) -> Option<TopicKey> {
        self.topics.find(&format!("{target}{SUFFIX}")).filter(|key| self.is_moving(*key))
    }
}

/// Settings that a topic has at the engine.
fn settings_at_engine(settings: TopicSettings) -> TopicSettings {
    TopicSettings { durability: None, retention_bytes: 0, moving: false, home: None, ..settings }
}
