//! News of the engine: topics and channels that other nodes created, paused or deleted, backlogs, and how its
//! servers are.

use engine::{Replicas, Servers};
use net::Io;

use super::{Queue, TopicKey};
use crate::settings::Durability;
use crate::topic::{ChannelKey, ControlError};

/// The oldest version of NATS over which `tests/crash/engine.py` lost nothing: servers of 2.9 come to number
/// the messages of a stream differently, so that consumers miss some (docs/engine.md).
const SOUND_NATS: [u32; 3] = [2, 12, 8];

impl Queue {
    /// Takes notice that a topic or channel exists at the engine, and whether it is paused.
    pub(super) fn appeared(&mut self, topic: &str, channel: Option<&str>, paused: bool) {
        let clock = self.clock;
        let opened = match self.engine_topic(topic) {
            Some(key) if self.is_leaving(key) => {
                if let Some(channel) = channel
                    && let Err(why) = self.open_left_channel(topic, channel)
                {
                    telemetry::warn!(topic, channel, error = %why, "what the engine has of it stays there");
                }
                return;
            }
            Some(key) => Ok(key),
            None if self.topics.find(topic).is_some() || self.is_local_everywhere(topic) => {
                return self.appeared_elsewhere(topic, channel);
            }
            None => self.create_engine_topic(topic),
        };
        let done = opened.and_then(|key| match channel {
            None => self.with_topic(key, |topic| topic.pause(paused, clock)),
            Some(channel) => {
                let (key, channel) = self.open_channel(topic, channel)?;
                self.with_topic(key, |topic| topic.pause_channel(channel, paused, clock))
            }
        });
        if let Err(why) = done {
            telemetry::warn!(topic, channel, error = %why, "not served here, though it exists at the engine");
        }
    }

    /// Takes notice of a topic at the engine that is local here.
    fn appeared_elsewhere(&mut self, topic: &str, channel: Option<&str>) {
        let Some(link) = &mut self.engine else { return };
        let is_new = !link.elsewhere.contains_key(topic);
        link.elsewhere.entry(topic.to_owned()).or_default().extend(channel.map(str::to_owned));
        if link.local.contains(topic) {
            self.follow(topic);
        } else if is_new {
            // After a start the engine may not have told yet that it is local everywhere.
            telemetry::info!(topic, "topic is local here, and also exists at the engine");
        }
    }

    /// Takes notice of settings that a topic or channel on the engine has, whoever set them.
    pub(super) fn configured_at_engine(&mut self, topic: &str, channel: Option<&str>, settings: &str) {
        let clock = self.clock;
        let Some(key) = self.topics.find(topic) else { return };
        let done = match channel {
            None => self.configure_topic_at_engine(key, settings),
            Some(channel) => serde_json::from_str(settings).map_err(|why| why.to_string()).and_then(|new| {
                let Some((key, channel)) = self.engine_channel(topic, channel) else { return Ok(()) };
                if self.is_leaving(key) {
                    return Ok(());
                }
                self.with_topic(key, |topic| topic.configure_channel(channel, new, clock))
                    .map_err(|why| why.to_string())
            }),
        };
        if let Err(why) = done {
            telemetry::warn!(topic, channel, error = why, "settings at the engine cannot be used");
        }
    }

    fn configure_topic_at_engine(&mut self, key: TopicKey, settings: &str) -> Result<(), String> {
        let settings = serde_json::from_str(settings).map_err(|why| why.to_string())?;
        let configured = self.with_topic(key, |topic| {
            topic.configure_on_engine(settings);
            Ok(())
        });
        configured.map_err(|why| why.to_string())
    }

    /// Takes notice that a channel is being moved, or has been: what is held of it is void.
    pub(super) fn seeking(&mut self, topic: &str, channel: &str, active: bool) {
        let clock = self.clock;
        let Some((key, channel)) = self.engine_channel(topic, channel) else { return };
        if active && self.with_topic(key, |topic| topic.empty_channel(channel, clock)).is_err() {
            return;
        }
        if let Some(engine) = self.channel_at((key, channel)).and_then(|channel| channel.engine.as_mut()) {
            engine.seeking = active;
        }
        self.schedule(key, channel);
    }

    /// True while a channel is being moved.
    pub(super) fn is_seeking(&self, (key, channel): (TopicKey, ChannelKey)) -> bool {
        let channel = self.topics.get(key).and_then(|topic| topic.channel(channel));
        channel.and_then(|channel| channel.engine.as_ref()).is_some_and(|engine| engine.seeking)
    }

    /// Takes notice that a topic or channel was deleted at the engine.
    pub(super) fn disappeared<I: Io>(&mut self, io: &mut I, topic: &str, channel: Option<&str>) {
        self.disappeared_elsewhere(topic, channel);
        let Some(key) = self.engine_topic(topic) else { return };
        let Some(found) = self.topics.get(key) else { return };
        let done = match channel.map(|channel| found.find(channel)) {
            None if self.is_leaving(key) => {
                if let (Some(link), Some(heir)) = (&mut self.engine, self.topics.find(topic)) {
                    link.taking.forget(heir);
                }
                self.delete_emptied(io, key)
            }
            None => {
                // What waits here of a topic that has become local goes on to its home.
                let is_deleted = !self.is_local_everywhere(topic);
                let waiting = [self.forward_topic_of(topic), self.moving_to(topic)];
                let waiting = waiting.into_iter().flatten().filter(|_| is_deleted);
                let forgotten =
                    waiting.collect::<Vec<_>>().into_iter().try_for_each(|key| self.delete_topic(io, key));
                forgotten.and_then(|()| self.delete_topic(io, key))
            }
            Some(Some(channel)) if self.is_leaving(key) => {
                self.detach_consumers((key, channel));
                self.delete_channel(io, key, channel)
            }
            Some(Some(channel)) => self.delete_channel(io, key, channel),
            Some(None) => Ok(()),
        };
        if let Err::<(), ControlError>(why) = done {
            telemetry::warn!(topic, channel, error = %why, "cannot be deleted here");
        }
    }

    fn disappeared_elsewhere(&mut self, topic: &str, channel: Option<&str>) {
        let Some(link) = &mut self.engine else { return };
        match channel {
            None => drop(link.elsewhere.remove(topic)),
            Some(channel) => {
                if let Some(channels) = link.elsewhere.get_mut(topic) {
                    channels.remove(channel);
                }
            }
        }
    }

    pub(super) fn backlog_told(&mut self, topic: &str, channel: Option<&str>, waiting: u64) {
        let Some(key) = self.engine_topic(topic) else { return };
        let Some(topic) = self.topics.get_mut(key) else { return };
        match channel.map(|channel| topic.find(channel)) {
            None => topic.engine.iter_mut().for_each(|engine| engine.backlog = waiting),
            Some(channel) => {
                let channel = channel.and_then(|channel| topic.channel_mut(channel));
                if let Some(engine) = channel.and_then(|channel| channel.engine.as_mut()) {
                    engine.backlog = waiting;
                }
            }
        }
    }

    pub(super) fn servers_told(&mut self, servers: Servers) {
        let promised = self.settings().durability == Durability::Fsync;
        let Some(link) = &mut self.engine else { return };
        let (version, is_new) = (&servers.version, link.servers.version != servers.version);
        if is_new && numbers(version) < SOUND_NATS {
            telemetry::warn!(
                version,
                "this NATS can lose messages when several of its servers die: have 2.12.8 or later"
            );
        }
        if promised && is_new {
            if flushes_by_option(version) {
                telemetry::warn!(
                    version,
                    "durability = \"fsync\" holds on the engine only with sync_interval: always"
                );
            } else {
                telemetry::warn!(
                    version,
                    "this NATS acknowledges before it flushes: durability = \"fsync\" does not hold"
                );
            }
        }
        link.servers = servers;
    }

    pub(super) fn replicas_told(&mut self, topic: &str, replicas: Replicas) {
        let topic = self.engine_topic(topic).and_then(|key| self.topics.get_mut(key));
        if let Some(engine) = topic.and_then(|topic| topic.engine.as_mut()) {
            engine.replicas = replicas;
        }
    }
}

/// True for a version of NATS that can be told to flush before it acknowledges.
fn flushes_by_option(version: &str) -> bool {
    numbers(version) >= [2, 10, 0]
}

/// The numbers of a version, zeros where there are none.
fn numbers(version: &str) -> [u32; 3] {
    let mut parts = version.split(['.', '-']).map(|number| number.parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert_eq!(numbers("2.9.10"), [2, 9, 10]);
        assert_eq!(numbers("2.11.0-RC.1"), [2, 11, 0]);
        assert_eq!(numbers(""), [0; 3]);
        assert!(numbers("2.9.10") < SOUND_NATS && numbers("2.15.1") >= SOUND_NATS);
        assert!(!flushes_by_option("2.9.25") && flushes_by_option("2.10.0"));
    }
}
