//! Peeking at messages without consuming them; beyond nsqd.
//!
//! A body is shown as `body` if it is UTF-8, otherwise as `body_base64`. Times are nanoseconds since 1970.

use axum::body::Body;
use axum::http::Response;
use serde::Serialize;
use serde_json::Value;

use super::settings::count;
use super::topics::{topic, topic_and_channel};
use super::{Api, text};
use crate::request::{Answer, PeekAt, Peeked, Request};
use ::http::Asked;
use ::http::{HttpRefusal, answer};

/// Messages shown by default.
const COUNT: usize = 10;

#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    timestamp: i64,
    attempts: u16,
    /// Time at which it is due, or at which its delivery times out.
    #[serde(skip_serializing_if = "is_zero")]
    due: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    consumer: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

#[derive(Serialize)]
struct Messages<'a> {
    messages: Vec<Shown<'a>>,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl Api {
    pub(super) async fn peek_topic(&self, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
        let query = &asked.query()?;
        let (topic, count) = (topic(query)?, count(query, COUNT)?);
        self.peek(Request::Peek { topic, channel: None, what: PeekAt::Queued, count }).await
    }

    pub(super) async fn peek_channel(&self, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
        let query = &asked.query()?;
        let (topic, channel) = topic_and_channel(query)?;
        let what = match query.text("what").unwrap_or("queued") {
            "queued" => PeekAt::Queued,
            "deferred" => PeekAt::Deferred,
            "in_flight" => PeekAt::InFlight,
            "dead" => PeekAt::Dead,
            _ => {
                return Err(
                    HttpRefusal::bad("INVALID_ARG_WHAT").help("what: queued, deferred, in_flight or dead")
                );
            }
        };
        let count = count(query, COUNT)?;
        self.peek(Request::Peek { topic, channel: Some(channel), what, count }).await
    }

    async fn peek(&self, request: Request) -> Result<Response<Body>, HttpRefusal> {
        let Answer::Messages(messages) = self.ask(request).await? else { return Err(HttpRefusal::EXITING) };
        Ok(answer::json(&Messages { messages: messages.iter().map(shown).collect() }))
    }
}

fn shown(message: &Peeked) -> Shown<'_> {
    let body = std::str::from_utf8(&message.body).ok();
    Shown {
        id: &message.id,
        timestamp: message.timestamp,
        attempts: message.attempts,
        due: message.due,
        consumer: &message.consumer,
        origin: serde_json::from_str(&message.origin).ok(),
        body,
        body_base64: body.is_none().then(|| text::base64(&message.body)),
    }
}
