//! `/stats`: as JSON for programs, as a page of text for people.

mod json;
mod page;
mod process;

use axum::body::Body;
use axum::http::Response;

use super::Api;
use super::memory::memory;
use crate::request::{Answer, Request};
use ::http::Asked;
use ::http::{HttpRefusal, answer};

impl Api {
    pub(super) async fn stats(&self, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
        let query = asked.query()?;
        // An empty name is no filter.
        let filter = |name| query.text(name).filter(|value| !value.is_empty()).map(str::to_owned);
        let clients = query.switch("include_clients").unwrap_or(true);
        let limits = query.switch("include_limits").unwrap_or(false);
        let memory = query.switch("include_mem").unwrap_or(true).then(memory);
        let (topic, channel) = (filter("topic"), filter("channel"));
        let (wanted, channel_wanted) = (topic.clone(), channel.is_some());
        let Answer::Stats(mut snapshot) = self.ask(Request::Stats { topic, channel, clients }).await? else {
            return Err(HttpRefusal::EXITING);
        };
        if channel_wanted && let Some(topics) = &mut snapshot.topics {
            topics.retain(|topic| !topic.channels.is_empty());
        }
        Ok(match query.get("format") {
            Some(b"json") => {
                let over_http =
                    if limits && clients { self.publishers.of_topic(wanted.as_deref()) } else { Vec::new() };
                let document = json::document(&snapshot, self.about.started, memory.as_ref(), limits);
                answer::json(&document.with_publishers(&over_http))
            }
            _ => answer::text(page::render(&snapshot, self.about.started, memory.as_ref())),
        })
    }
}
