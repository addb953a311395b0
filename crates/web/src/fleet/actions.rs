//! Changes to the fleet: sent to the lookups, then to the queues, each time to all at once.
//!
//! The producers of a topic are queried before it is deleted from the lookups, which forget them. A change
//! runs to its end even if its client has left, so that no fleet stays half paused.

use http::query::escape_query;

use super::ask::Told;
use super::failures::{failures, with_failures};
use super::producers::Producer;
use super::request::DaemonRequest;
use super::{Fleet, Gathered, LogLevelChange, Outcome, ServerChange};

/// A change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Registers a topic, and a channel if one is named, with the lookups; creates the channel on the topic's
    /// queues as well.
    Create(String, Option<String>),
    /// Deletes a topic or a channel everywhere.
    Delete(String, Option<String>),
    /// Stops a topic's messages to its channels, or a channel's to its consumers.
    Pause(String, Option<String>),
    /// The opposite of a pause.
    Unpause(String, Option<String>),
    /// Discards waiting messages.
    Empty(String, Option<String>),
    /// Hides a topic on a queue, so that consumers do not recreate it, and deletes it there.
    Tombstone(String, String),
    /// Publishes a message to one queue of a topic, to be delivered after so many milliseconds.
    Publish(String, Vec<u8>, u64),
    /// Returns dead letters of a channel. Nuthatches only, as what follows.
    Redrive(String, String, Letters),
    /// Moves a channel to a place or time.
    Seek(String, String, String),
    /// Replaces the settings of a topic or a channel with this JSON.
    Configure(String, Option<String>, String),
    /// Changes a server of a pool.
    Server(ServerChange),
    /// Sets the log level.
    LogLevel(LogLevelChange),
}

/// Dead letters to be returned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Letters {
    /// At most so many on each queue; None: all.
    pub count: Option<u64>,
    /// Only those that died at this time or later, as RFC 3339 or seconds since 1970; None: all.
    pub since: Option<String>,
    /// Only those that died before this time; None: all.
    pub until: Option<String>,
}

impl Letters {
    fn query(&self) -> String {
        let count = self.count.map(|count| format!("&count={count}")).unwrap_or_default();
        let time = |name: &str, time: &Option<String>| {
            time.as_deref().map(|time| format!("&{name}={}", escape_query(time))).unwrap_or_default()
        };
        count + &time("since", &self.since) + &time("until", &self.until)
    }
}

impl Change {
    /// Action names in notifications.
    pub fn actions(&self) -> Vec<&'static str> {
        match self {
            Change::Create(_, None) => vec!["create_topic"],
            Change::Create(_, Some(_)) => vec!["create_topic", "create_channel"],
            Change::Delete(_, None) => vec!["delete_topic"],
            Change::Delete(_, Some(_)) => vec!["delete_channel"],
            Change::Pause(_, None) => vec!["pause_topic"],
            Change::Pause(_, Some(_)) => vec!["pause_channel"],
            Change::Unpause(_, None) => vec!["unpause_topic"],
            Change::Unpause(_, Some(_)) => vec!["unpause_channel"],
            Change::Empty(_, None) => vec!["empty_topic"],
            Change::Empty(_, Some(_)) => vec!["empty_channel"],
            Change::Tombstone(..) => vec!["tombstone_topic_producer"],
            Change::Publish(..) => vec!["publish_message"],
            Change::Redrive(..) => vec!["redrive_channel"],
            Change::Seek(..) => vec!["seek_channel"],
            Change::Configure(_, None, _) => vec!["configure_topic"],
            Change::Configure(_, Some(_), _) => vec!["configure_channel"],
            Change::Server(change) => vec![match change.word {
                "eject" => "eject_server",
                "drain" => "drain_server",
                "return" => "return_server",
                _ => "weigh_server",
            }],
            Change::LogLevel(_) => vec!["set_log_level"],
        }
    }

    /// Topic that is changed; empty for others.
    pub fn topic(&self) -> &str {
        match self {
            Change::Create(topic, _)
            | Change::Delete(topic, _)
            | Change::Pause(topic, _)
            | Change::Unpause(topic, _)
            | Change::Empty(topic, _)
            | Change::Tombstone(topic, _)
            | Change::Publish(topic, ..)
            | Change::Redrive(topic, ..)
            | Change::Seek(topic, ..)
            | Change::Configure(topic, ..) => topic,
            Change::Server(_) | Change::LogLevel(_) => "",
        }
    }

    /// Channel that is changed.
    pub fn channel(&self) -> Option<&str> {
        match self {
            Change::Create(_, channel)
            | Change::Delete(_, channel)
            | Change::Pause(_, channel)
            | Change::Unpause(_, channel)
            | Change::Empty(_, channel)
            | Change::Configure(_, channel, _) => channel.as_deref(),
            Change::Redrive(_, channel, _) | Change::Seek(_, channel, _) => Some(channel),
            Change::Tombstone(..) | Change::Publish(..) | Change::Server(_) | Change::LogLevel(_) => None,
        }
    }

    /// Node that is changed, if it is one.
    pub fn node(&self) -> Option<&str> {
        match self {
            Change::Tombstone(_, node) => Some(node),
            Change::Server(change) => Some(&change.node).filter(|_| !change.everywhere).map(String::as_str),
            Change::LogLevel(change) => change.node.as_deref(),
            _ => None,
        }
    }
}

impl Change {
    /// Subject of a change that is about no topic or channel, with its new value.
    pub fn details(&self) -> Option<String> {
        match self {
            Change::Server(ServerChange { word, pool, server, weight, everywhere, .. }) => {
                let weight = if *word == "weight" { format!(", weight {weight}") } else { String::new() };
                let all = if *everywhere { ", on all nodes" } else { "" };
                Some(format!("pool {pool}, server {server}{weight}{all}"))
            }
            Change::LogLevel(change) => Some(format!("log level {}", change.level)),
            _ => None,
        }
    }
}

/// Query string of a request about a topic or a channel.
fn query(topic: &str, channel: Option<&str>) -> String {
    let channel = channel.map(|channel| format!("&channel={}", escape_query(channel)));
    format!("topic={}{}", escape_query(topic), channel.unwrap_or_default())
}

impl Fleet {
    /// Makes a change. The result has what each queue and lookup answered; its warnings name those that
    /// failed.
    ///
    /// # Errors
    /// If no daemon could say which queues the change concerns.
    pub async fn change(self, change: Change) -> Outcome<Vec<Told>> {
        let done = tokio::spawn(async move {
            match &change {
                Change::Create(topic, channel) => self.create(topic, channel.as_deref()).await,
                Change::Delete(topic, channel) => self.delete(topic, channel.as_deref()).await,
                Change::Pause(topic, channel) => self.tell("pause", topic, channel.as_deref()).await,
                Change::Unpause(topic, channel) => self.tell("unpause", topic, channel.as_deref()).await,
                Change::Empty(topic, channel) => self.tell("empty", topic, channel.as_deref()).await,
                Change::Tombstone(topic, node) => self.tombstone(topic, node).await,
                Change::Publish(topic, body, defer_ms) => self.publish(topic, body, *defer_ms).await,
                Change::Redrive(topic, channel, letters) => {
                    let path = format!("/channel/redrive?{}{}", query(topic, Some(channel)), letters.query());
                    self.tell_producers(topic, &path, DaemonRequest::Post).await
                }
                Change::Server(change) => self.change_server(change).await,
                Change::LogLevel(change) => self.set_log_level(change).await,
                Change::Seek(topic, channel, to) => {
                    let to = escape_query(to);
                    let path = format!("/channel/seek?{}&to={to}", query(topic, Some(channel)));
                    self.tell_producers(topic, &path, DaemonRequest::Post).await
                }
                Change::Configure(topic, channel, settings) => {
                    let what = if channel.is_some() { "channel" } else { "topic" };
                    let path = format!("/{what}/settings?{}", query(topic, channel.as_deref()));
                    self.tell_producers(topic, &path, DaemonRequest::Put(settings.clone().into())).await
                }
            }
        });
        done.await.unwrap_or_else(|error| Err(super::Unavailable(error.to_string())))
    }

    async fn create(&self, topic: &str, channel: Option<&str>) -> Outcome<Vec<Told>> {
        let path = format!("/topic/create?{}", query(topic, None));
        let mut told = self.tell_lookups(&path).await;
        let mut warnings = Vec::new();
        if self.upstreams.is_own() {
            told.extend(self.upstreams.tell_each(self.at.nsqds.clone(), &path, DaemonRequest::Post).await);
        }
        if let Some(channel) = channel {
            let path = format!("/channel/create?{}", query(topic, Some(channel)));
            told.extend(self.tell_lookups(&path).await);
            let producers = if self.upstreams.is_own() {
                self.topic_producers(topic).await?
            } else {
                self.looked_up(topic).await?
            };
            warnings.extend(failures(&told));
            warnings.extend(producers.warnings);
            let queues = self.tell_queues(&producers.value, &path, DaemonRequest::Post).await;
            warnings.extend(failures(&queues));
            told.extend(queues);
        } else {
            warnings.extend(failures(&told));
        }
        Ok(Gathered { value: told, warnings })
    }

    async fn delete(&self, topic: &str, channel: Option<&str>) -> Outcome<Vec<Told>> {
        let producers = self.topic_producers(topic).await?;
        let what = if channel.is_some() { "channel" } else { "topic" };
        let path = format!("/{what}/delete?{}", query(topic, channel));
        let mut told = self.tell_lookups(&path).await;
        told.extend(self.tell_queues(&producers.value, &path, DaemonRequest::Post).await);
        Ok(with_failures(producers.warnings, told))
    }

    async fn tell(&self, verb: &str, topic: &str, channel: Option<&str>) -> Outcome<Vec<Told>> {
        let what = if channel.is_some() { "channel" } else { "topic" };
        self.tell_producers(topic, &format!("/{what}/{verb}?{}", query(topic, channel)), DaemonRequest::Post)
            .await
    }

    async fn publish(&self, topic: &str, body: &[u8], defer_ms: u64) -> Outcome<Vec<Told>> {
        let producers = self.topic_producers(topic).await?;
        let defer = if defer_ms > 0 { format!("&defer={defer_ms}") } else { String::new() };
        let path = format!("/pub?{}{defer}", query(topic, None));
        let Some(first) = producers.value.first() else {
            return Err(super::Unavailable(format!("no queue has the topic {topic}")));
        };
        let told = self
            .tell_queues(std::slice::from_ref(first), &path, DaemonRequest::Publish(body.to_vec().into()))
            .await;
        Ok(with_failures(producers.warnings, told))
    }

    async fn tombstone(&self, topic: &str, node: &str) -> Outcome<Vec<Told>> {
        let path = format!("/topic/tombstone?{}&node={}", query(topic, None), escape_query(node));
        let mut told = self.tell_lookups(&path).await;
        let producers = self.themselves(vec![node.to_owned()], None).await?;
        let mut warnings = failures(&told);
        warnings.extend(producers.warnings);
        let path = format!("/topic/delete?{}", query(topic, None));
        let queues = self.tell_queues(&producers.value, &path, DaemonRequest::Post).await;
        warnings.extend(failures(&queues));
        told.extend(queues);
        Ok(Gathered { value: told, warnings })
    }

    /// Sends a request to every queue that has the topic.
    async fn tell_producers(&self, topic: &str, path: &str, ask: DaemonRequest) -> Outcome<Vec<Told>> {
        let producers = self.topic_producers(topic).await?;
        let told = self.tell_queues(&producers.value, path, ask).await;
        Ok(with_failures(producers.warnings, told))
    }

    async fn tell_lookups(&self, path: &str) -> Vec<Told> {
        self.upstreams.tell_each(self.at.lookups.clone(), path, DaemonRequest::Post).await
    }

    async fn tell_queues(&self, producers: &[Producer], path: &str, ask: DaemonRequest) -> Vec<Told> {
        let addresses = producers.iter().map(Producer::http_address).collect();
        self.upstreams.tell_each(addresses, path, ask).await
    }
}
