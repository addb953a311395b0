//! Changes to the fleet: sent to the lookups, then to the queues, each time to all at once.
//!
//! The producers of a topic are queried before it is deleted from the lookups, which forget them. A change
//! runs to its end even if its client has left, so that no fleet stays half paused.

use http::query::escape_query;

use super::producers::Producer;
use super::{Fleet, Gathered, Outcome};

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
        }
    }

    /// Topic that is changed.
    pub fn topic(&self) -> &str {
        match self {
            Change::Create(topic, _)
            | Change::Delete(topic, _)
            | Change::Pause(topic, _)
            | Change::Unpause(topic, _)
            | Change::Empty(topic, _)
            | Change::Tombstone(topic, _) => topic,
        }
    }

    /// Channel that is changed.
    pub fn channel(&self) -> Option<&str> {
        match self {
            Change::Create(_, channel)
            | Change::Delete(_, channel)
            | Change::Pause(_, channel)
            | Change::Unpause(_, channel)
            | Change::Empty(_, channel) => channel.as_deref(),
            Change::Tombstone(..) => None,
        }
    }

    /// Queue that is changed.
    pub fn node(&self) -> Option<&str> {
        match self {
            Change::Tombstone(_, node) => Some(node),
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
    /// Makes a change. The result has no value; its warnings name the daemons that failed.
    ///
    /// # Errors
    /// If no daemon could say which queues the change concerns.
    pub async fn change(self, change: Change) -> Outcome<()> {
        let done = tokio::spawn(async move {
            match &change {
                Change::Create(topic, channel) => self.create(topic, channel.as_deref()).await,
                Change::Delete(topic, channel) => self.delete(topic, channel.as_deref()).await,
                Change::Pause(topic, channel) => self.tell("pause", topic, channel.as_deref()).await,
                Change::Unpause(topic, channel) => self.tell("unpause", topic, channel.as_deref()).await,
                Change::Empty(topic, channel) => self.tell("empty", topic, channel.as_deref()).await,
                Change::Tombstone(topic, node) => self.tombstone(topic, node).await,
            }
        });
        done.await.unwrap_or_else(|error| Err(super::Unavailable(error.to_string())))
    }

    async fn create(&self, topic: &str, channel: Option<&str>) -> Outcome<()> {
        let mut warnings = self.tell_lookups(&format!("/topic/create?{}", query(topic, None))).await;
        if let Some(channel) = channel {
            let path = format!("/channel/create?{}", query(topic, Some(channel)));
            warnings.extend(self.tell_lookups(&path).await);
            let producers = self.looked_up(topic).await?;
            warnings.extend(producers.warnings);
            warnings.extend(self.tell_queues(&producers.value, &path).await);
        }
        Ok(Gathered { value: (), warnings })
    }

    async fn delete(&self, topic: &str, channel: Option<&str>) -> Outcome<()> {
        let producers = self.topic_producers(topic).await?;
        let what = if channel.is_some() { "channel" } else { "topic" };
        let path = format!("/{what}/delete?{}", query(topic, channel));
        let mut warnings = producers.warnings;
        warnings.extend(self.tell_lookups(&path).await);
        warnings.extend(self.tell_queues(&producers.value, &path).await);
        Ok(Gathered { value: (), warnings })
    }

    async fn tell(&self, verb: &str, topic: &str, channel: Option<&str>) -> Outcome<()> {
        let producers = self.topic_producers(topic).await?;
        let what = if channel.is_some() { "channel" } else { "topic" };
        let path = format!("/{what}/{verb}?{}", query(topic, channel));
        let mut warnings = producers.warnings;
        warnings.extend(self.tell_queues(&producers.value, &path).await);
        Ok(Gathered { value: (), warnings })
    }

    async fn tombstone(&self, topic: &str, node: &str) -> Outcome<()> {
        let path = format!("/topic/tombstone?{}&node={}", query(topic, None), escape_query(node));
        let mut warnings = self.tell_lookups(&path).await;
        let producers = self.themselves(vec![node.to_owned()], None).await?;
        warnings.extend(producers.warnings);
        let path = format!("/topic/delete?{}", query(topic, None));
        warnings.extend(self.tell_queues(&producers.value, &path).await);
        Ok(Gathered { value: (), warnings })
    }

    async fn tell_lookups(&self, path: &str) -> Vec<String> {
        self.upstreams.post_each(self.at.lookups.clone(), path).await
    }

    async fn tell_queues(&self, producers: &[Producer], path: &str) -> Vec<String> {
        self.upstreams.post_each(producers.iter().map(Producer::http_address).collect(), path).await
    }
}
