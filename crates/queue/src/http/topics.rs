//! Changes of topics and channels, and their names in the query string.
//!
//! nsqd checks names in three ways, which scripts can distinguish by the answers: requests that may create a
//! topic need a valid name (`INVALID_TOPIC`), most others only look it up, and those about channels have
//! their own codes.

use axum::body::Body;
use axum::http::Response;
use wire::nsq::valid_name;

use super::Api;
use crate::request::Request;
use crate::settings::{Durability, Storage};
use ::http::Asked;
use ::http::HttpRefusal;
use ::http::Query;

impl Api {
    pub(super) async fn create_topic(&self, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
        let query = asked.query()?;
        let (topic, durability) = (topic(&query)?, durability(&query)?);
        self.order(match storage(&query)? {
            Some(storage) => Request::CreateTopicOn(topic, storage, durability),
            None => Request::CreateTopic(topic, durability),
        })
        .await
    }

    pub(super) async fn move_topic(&self, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
        let query = asked.query()?;
        let topic = topic(&query)?;
        let missing = || HttpRefusal::bad("MISSING_ARG_STORAGE").help("storage: local or engine");
        let to = storage(&query)?.ok_or_else(missing)?;
        self.order(Request::MoveTopic(topic, to)).await
    }

    pub(super) async fn empty_topic(&self, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
        self.order(Request::EmptyTopic(topic(&asked.query()?)?)).await
    }

    /// Sends a request about a topic that is only looked up.
    pub(super) async fn any_topic(
        &self,
        asked: Asked,
        order: fn(String) -> Request,
    ) -> Result<Response<Body>, HttpRefusal> {
        self.order(order(any_topic(&asked.query()?)?)).await
    }

    /// Sends a request about a channel.
    pub(super) async fn channel(
        &self,
        asked: Asked,
        order: fn(String, String) -> Request,
    ) -> Result<Response<Body>, HttpRefusal> {
        let (topic, channel) = topic_and_channel(&asked.query()?)?;
        self.order(order(topic, channel)).await
    }
}

/// Durability requested for a new topic; `None` for the daemon's default.
fn durability(query: &Query) -> Result<Option<Durability>, HttpRefusal> {
    if query.get("durability").is_none() {
        return Ok(None);
    }
    let named = query.text("durability").and_then(Durability::named);
    let bad = || HttpRefusal::bad("INVALID_DURABILITY").help("durability: memory, os or fsync");
    named.map(Some).ok_or_else(bad)
}

/// Storage of a new topic; `None` for what the configuration says.
fn storage(query: &Query) -> Result<Option<Storage>, HttpRefusal> {
    if query.get("storage").is_none() {
        return Ok(None);
    }
    let named = query.text("storage").and_then(Storage::named);
    named.map(Some).ok_or_else(|| HttpRefusal::bad("INVALID_STORAGE").help("storage: local or engine"))
}

/// The topic, a valid name.
pub(super) fn topic(query: &Query) -> Result<String, HttpRefusal> {
    let name = query.get("topic").ok_or(HttpRefusal::bad("MISSING_ARG_TOPIC"))?;
    valid_name(name).map(str::to_owned).ok_or(HttpRefusal::bad("INVALID_TOPIC"))
}

/// The topic of a request that only looks it up: an invalid name is an unknown topic.
fn any_topic(query: &Query) -> Result<String, HttpRefusal> {
    let name = query.get("topic").ok_or(HttpRefusal::bad("MISSING_ARG_TOPIC"))?;
    valid_name(name).map(str::to_owned).ok_or(HttpRefusal::missing("TOPIC_NOT_FOUND"))
}

/// Topic and channel, valid names.
pub(super) fn topic_and_channel(query: &Query) -> Result<(String, String), HttpRefusal> {
    let topic = query.get("topic").ok_or(HttpRefusal::bad("MISSING_ARG_TOPIC"))?;
    let topic = valid_name(topic).ok_or(HttpRefusal::bad("INVALID_ARG_TOPIC"))?;
    let channel = query.get("channel").ok_or(HttpRefusal::bad("MISSING_ARG_CHANNEL"))?;
    let channel = valid_name(channel).ok_or(HttpRefusal::bad("INVALID_ARG_CHANNEL"))?;
    Ok((topic.to_owned(), channel.to_owned()))
}
