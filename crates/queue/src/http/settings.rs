//! Settings of topics and channels, and moving a channel; beyond nsqd.

use axum::body::Body;
use axum::http::Response;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::topics::{topic, topic_and_channel};
use super::{Api, text};
use crate::inventory::Finding;
use crate::request::{Answer, Request};
use crate::settings::{ChannelSettings, TopicSettings};
use crate::topic::{SeekTo, Sought};
use ::http::Asked;
use ::http::Query;
use ::http::{HttpRefusal, answer};

/// Largest body with settings.
const SETTINGS_BYTES_MAX: u64 = 64 << 10;

/// Help on the target of moving a channel.
const SEEK_HELP: &str =
    "to: beginning, end, seconds since 1970, or a time as 2026-01-31T12:00:00Z (a + in it written as %2B)";

/// Help on times.
const TIME_HELP: &str = "seconds since 1970, or a time as 2026-01-31T12:00:00Z (a + in it written as %2B)";

/// Number of messages affected.
#[derive(Serialize)]
struct Count {
    count: u64,
}

/// Damage that was found.
#[derive(Serialize)]
struct Damage {
    damage: Vec<Finding>,
}

/// Result of moving a channel; with the time of the oldest message kept, if that is later than requested.
#[derive(Serialize)]
struct Moved {
    count: u64,
    complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest: Option<i64>,
}

impl Api {
    pub(super) async fn read_topic_settings(&self, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
        let query = &asked.query()?;
        self.show(Request::TopicSettings(topic(query)?)).await
    }

    pub(super) async fn write_topic_settings(&self, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
        let topic = topic(&asked.query()?)?;
        let settings: TopicSettings = self.settings_of(asked).await?;
        self.order(Request::ConfigureTopic(topic, settings)).await
    }

    pub(super) async fn read_channel_settings(&self, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
        let query = &asked.query()?;
        let (topic, channel) = topic_and_channel(query)?;
        self.show(Request::ChannelSettings(topic, channel)).await
    }

    pub(super) async fn write_channel_settings(&self, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
        let (topic, channel) = topic_and_channel(&asked.query()?)?;
        let settings: ChannelSettings = self.settings_of(asked).await?;
        let dead = &settings.dead_letter_topic;
        if !dead.is_empty() && wire::nsq::valid_name(dead.as_bytes()).is_none() {
            let help = "dead_letter_topic: a name of 1 to 64 of the characters . a-z A-Z 0-9 _ -";
            return Err(HttpRefusal::bad("INVALID_DEAD_LETTER_TOPIC").help(help));
        }
        self.order(Request::ConfigureChannel(topic, channel, settings)).await
    }

    pub(super) async fn seek(&self, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
        let query = &asked.query()?;
        let (topic, channel) = topic_and_channel(query)?;
        let to = query.text("to").ok_or_else(|| HttpRefusal::bad("MISSING_ARG_TO").help(SEEK_HELP))?;
        let to = place(to).ok_or_else(|| HttpRefusal::bad("INVALID_ARG_TO").help(SEEK_HELP))?;
        self.show(Request::Seek(topic, channel, to)).await
    }

    pub(super) async fn redrive(&self, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
        let query = &asked.query()?;
        let (topic, channel) = topic_and_channel(query)?;
        let count = count(query, usize::MAX)?;
        let time = |name: &'static str| match query.text(name) {
            None => Ok(None),
            Some(text) => match time(text) {
                Some(time) => Ok(Some(time)),
                None => Err(HttpRefusal::bad("INVALID_ARG_TIME").help(format!("{name}: {TIME_HELP}"))),
            },
        };
        let (since, until) = (time("since")?, time("until")?);
        let died = (since.is_some() || until.is_some())
            .then(|| since.unwrap_or(i64::MIN)..until.unwrap_or(i64::MAX));
        self.show(Request::Redrive { topic, channel, count, died }).await
    }

    /// Sends a request to the queue and shows the answer as JSON.
    pub(super) async fn show(&self, request: Request) -> Result<Response<Body>, HttpRefusal> {
        Ok(match self.ask(request).await? {
            Answer::TopicSettings(settings) => answer::json(&settings),
            Answer::ChannelSettings(settings) => answer::json(&settings),
            Answer::Sought(Sought { count, complete, oldest }) => {
                answer::json(&Moved { count, complete, oldest: oldest.filter(|_| !complete) })
            }
            Answer::Damage(damage) => answer::json(&Damage { damage }),
            Answer::Count(count) => answer::json(&Count { count }),
            _ => answer::empty(),
        })
    }

    async fn settings_of<T: DeserializeOwned>(&self, asked: Asked) -> Result<T, HttpRefusal> {
        let body =
            self.budget().read(asked.link.host(), &asked.headers, asked.body, SETTINGS_BYTES_MAX).await;
        let body = body.map_err(|fault| fault.refusal("BODY_TOO_BIG"))?;
        // Parsed as an object first, because serde would also accept an array of the values.
        let object = serde_json::from_slice::<serde_json::Map<String, Value>>(&body.bytes);
        object
            .and_then(|object| serde_json::from_value(Value::Object(object)))
            .map_err(|error| HttpRefusal::bad("INVALID_SETTINGS").help(error.to_string()))
    }
}

/// The parameter `count`.
pub(super) fn count(query: &Query, default: usize) -> Result<usize, HttpRefusal> {
    match query.text("count") {
        None => Ok(default),
        Some(text) => {
            text.parse().map_err(|_| HttpRefusal::bad("INVALID_ARG_COUNT").help("count: a whole number"))
        }
    }
}

fn place(to: &str) -> Option<SeekTo> {
    match to {
        "beginning" => Some(SeekTo::Beginning),
        "end" => Some(SeekTo::End),
        text => time(text).map(SeekTo::Time),
    }
}

/// A time (wall, ns), in seconds since 1970 or RFC 3339.
fn time(text: &str) -> Option<i64> {
    match text.parse::<u32>() {
        Ok(seconds) => Some(i64::from(seconds) * 1_000_000_000),
        Err(_) => text::parse_rfc3339(text),
    }
}
