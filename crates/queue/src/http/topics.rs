//! What is done to topics and channels, and their names in the query string.
//!
//! nsqd checks names in three ways, which scripts can tell apart by the answers: what may create a topic wants a valid name
//! (`INVALID_TOPIC`), most of what needs one only looks it up, and what concerns channels has codes of its own.

use axum::body::Body;
use axum::http::Response;
use wire::nsq::valid_name;

use super::answer::Refusal;
use super::query::Query;
use super::{Api, Endpoint};
use crate::ask::Ask;
use crate::settings::Durability;

impl Api {
    pub(super) async fn change_topic(
        &self,
        endpoint: Endpoint,
        query: &Query,
    ) -> Result<Response<Body>, Refusal> {
        let ask = match endpoint {
            Endpoint::CreateTopic => Ask::CreateTopic(topic(query)?, durability(query)?),
            Endpoint::EmptyTopic => Ask::EmptyTopic(topic(query)?),
            Endpoint::PauseTopic(paused) => Ask::PauseTopic(any_topic(query)?, paused),
            _ => Ask::DeleteTopic(any_topic(query)?),
        };
        self.order(ask).await
    }

    pub(super) async fn change_channel(
        &self,
        endpoint: Endpoint,
        query: &Query,
    ) -> Result<Response<Body>, Refusal> {
        let (topic, channel) = topic_and_channel(query)?;
        self.order(match endpoint {
            Endpoint::CreateChannel => Ask::CreateChannel(topic, channel),
            Endpoint::EmptyChannel => Ask::EmptyChannel(topic, channel),
            Endpoint::PauseChannel(paused) => Ask::PauseChannel(topic, channel, paused),
            _ => Ask::DeleteChannel(topic, channel),
        })
        .await
    }
}

/// How durable a new topic is to be, if it is not to be as the daemon's others.
fn durability(query: &Query) -> Result<Option<Durability>, Refusal> {
    match query.get("durability") {
        None => Ok(None),
        Some(b"memory") => Ok(Some(Durability::Memory)),
        Some(b"os") => Ok(Some(Durability::Os)),
        Some(b"fsync") => Ok(Some(Durability::Fsync)),
        Some(_) => Err(Refusal::bad("INVALID_DURABILITY").help("durability: memory, os or fsync")),
    }
}

/// The topic, a valid name.
pub(super) fn topic(query: &Query) -> Result<String, Refusal> {
    let name = query.get("topic").ok_or(Refusal::bad("MISSING_ARG_TOPIC"))?;
    valid_name(name).map(str::to_owned).ok_or(Refusal::bad("INVALID_TOPIC"))
}

/// The topic of something that only looks it up: a name that is not valid is one that is not there.
fn any_topic(query: &Query) -> Result<String, Refusal> {
    let name = query.get("topic").ok_or(Refusal::bad("MISSING_ARG_TOPIC"))?;
    valid_name(name).map(str::to_owned).ok_or(Refusal::missing("TOPIC_NOT_FOUND"))
}

/// Topic and channel, valid names.
pub(super) fn topic_and_channel(query: &Query) -> Result<(String, String), Refusal> {
    let topic = query.get("topic").ok_or(Refusal::bad("MISSING_ARG_TOPIC"))?;
    let topic = valid_name(topic).ok_or(Refusal::bad("INVALID_ARG_TOPIC"))?;
    let channel = query.get("channel").ok_or(Refusal::bad("MISSING_ARG_CHANNEL"))?;
    let channel = valid_name(channel).ok_or(Refusal::bad("INVALID_ARG_CHANNEL"))?;
    Ok((topic.to_owned(), channel.to_owned()))
}
