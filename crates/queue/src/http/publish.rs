//! `/pub` and `/mpub`. Checks are in nsqd's order; as there, a request with a valid topic and a later fault
//! creates the topic.

use access::User;
use axum::body::Body;
use axum::http::Response;
use wire::nsq::Limits;

use super::publishers::Sender;
use super::{Api, topics};
use crate::options::millis;
use crate::request::{Batch, Layout, Request};
use ::http::Asked;
use ::http::Held;
use ::http::Query;
use ::http::{HttpRefusal, answer, login};

impl Api {
    pub(super) async fn publish(&self, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
        let (query, sender) = (asked.query(), Sender::of(&asked));
        let bytes_max = self.settings().max_msg_size;
        let body = self.budget().read(asked.link.host(), &asked.headers, asked.body, bytes_max).await;
        let body = body.map_err(|fault| fault.refusal("MSG_TOO_BIG"))?;
        if body.bytes.is_empty() {
            return Err(HttpRefusal::bad("MSG_EMPTY"));
        }
        let query = query?;
        let topic = topics::topic(&query)?;
        may_publish(asked.user.as_deref(), &topic)?;
        let defer_ms = self.defer_of(&query, &topic).await?;
        self.send_batch(topic, sender, body, (Layout::One, defer_ms)).await
    }

    pub(super) async fn publish_many(&self, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
        let (query, sender) = (asked.query(), Sender::of(&asked));
        let bytes_max = self.settings().max_body_size;
        let body = self.budget().read(asked.link.host(), &asked.headers, asked.body, bytes_max).await;
        let body = body.map_err(|fault| fault.refusal("BODY_TOO_BIG"))?;
        let query = query?;
        let topic = topics::topic(&query)?;
        may_publish(asked.user.as_deref(), &topic)?;
        let defer_ms = self.defer_of(&query, &topic).await?;
        let binary = query.get("binary").is_some() && query.switch("binary").unwrap_or(true);
        let layout = if binary { Layout::Binary } else { Layout::Lines };
        self.send_batch(topic, sender, body, (layout, defer_ms)).await
    }

    /// Delay of the messages, milliseconds.
    async fn defer_of(&self, query: &Query, topic: &str) -> Result<u64, HttpRefusal> {
        let Some(text) = query.text("defer") else { return Ok(0) };
        let defer_max = millis(self.settings().max_defer_timeout);
        let ms = text.parse::<i64>().ok().and_then(|ms| u64::try_from(ms).ok());
        match ms.filter(|ms| *ms <= defer_max) {
            Some(ms) => Ok(ms),
            None => {
                self.ask(Request::CreateTopic(topic.to_owned(), None)).await?;
                Err(HttpRefusal::bad("INVALID_DEFER"))
            }
        }
    }

    async fn send_batch(
        &self,
        topic: String,
        sender: Option<Sender>,
        body: Held,
        (layout, defer_ms): (Layout, u64),
    ) -> Result<Response<Body>, HttpRefusal> {
        let settings = self.settings();
        let limits = Limits {
            message_bytes_max: settings.max_msg_size,
            body_bytes_max: settings.max_body_size,
            ..Limits::default()
        };
        let name = topic.clone();
        let (request, messages, outcome) = match Batch::new(body.bytes.clone(), layout, limits) {
            Ok(batch) if batch.iter().next().is_some() => {
                let messages = batch.iter().count() as u64;
                (Request::Publish { topic, batch, defer_ms }, messages, Ok(()))
            }
            other => (Request::CreateTopic(topic, None), 0, other.map(drop)),
        };
        self.ask_holding(request, body).await?;
        if let Some(sender) = sender.filter(|_| messages > 0) {
            self.publishers.count(&name, sender, messages);
        }
        outcome.map(|()| answer::text("OK")).map_err(|fault| HttpRefusal::too_big(fault.name()))
    }
}

/// Checks that a logged-in user may publish to this topic.
fn may_publish(user: Option<&User>, topic: &str) -> Result<(), HttpRefusal> {
    if user.is_none_or(|user| user.may_publish(topic.as_bytes())) { Ok(()) } else { Err(login::forbidden()) }
}
