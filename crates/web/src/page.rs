//! Pages over a fleet, or over the queue of this process: topics, a topic, a channel, its messages, settings;
//! nodes, a node, pools of nuthatches, messages by channel, topics without producers.
//!
//! They are rendered on the server and need no script. Changes are forms sent to `/action`; a form from
//! another site's page is refused before it gets here. As in nsqadmin, a page about something unknown is 200
//! and says so.

mod action;
mod channel;
mod controls;
mod counter;
mod lookup;
mod messages;
mod node;
mod nodes;
mod numbers;
mod pools;
mod settings;
mod topic;
mod topics;

use axum::body::Body;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::http::{HeaderMap, HeaderValue, Response};
use maud::{Markup, html};
use ui::parts::note;
use ui::text::path;
use ui::{Frame, Level, respond};

pub(crate) use self::action::action;
pub(crate) use self::channel::channel;
pub(crate) use self::counter::counter;
pub(crate) use self::lookup::lookup;
pub(crate) use self::messages::messages;
pub(crate) use self::node::node;
pub(crate) use self::nodes::nodes;
pub(crate) use self::pools::{keys, pool, pools, server, slow_log};
pub(crate) use self::settings::settings;
pub(crate) use self::topic::topic;
pub(crate) use self::topics::topics;
use crate::api::{Api, Warnings};
use crate::fleet::Unavailable;

/// A page to be.
struct Page<'a> {
    api: &'a Api,
    /// Section that it belongs to.
    section: &'static str,
    title: &'a str,
    /// Links that lead to it.
    trail: Vec<(String, String)>,
    /// False for a page with a form that would be lost, or with a result that is shown once.
    live: bool,
}

impl<'a> Page<'a> {
    fn new(api: &'a Api, section: &'static str, title: &'a str) -> Page<'a> {
        Page { api, section, title, trail: Vec::new(), live: true }
    }

    /// Adds a link to the trail.
    fn under(mut self, words: &str, path: String) -> Self {
        self.trail.push((words.to_owned(), path));
        self
    }

    /// Adds the links to a topic and, if it is about one, its channel.
    fn about(self, topic: &str, channel: Option<&str>) -> Self {
        let api = self.api;
        let page = self.under("Topics", at(api, &["topics"])).under(topic, at(api, &["topics", topic]));
        match channel {
            Some(channel) => page.under(channel, at(api, &["topics", topic, channel])),
            None => page,
        }
    }

    fn standing(self) -> Self {
        Page { live: false, ..self }
    }

    fn markup(self, warnings: &Warnings, content: Markup) -> Markup {
        let site = &self.api.site;
        let base = base(self.api);
        let frame = Frame {
            product: site.product,
            version: self.api.version,
            base: &base,
            sections: site.sections,
            section: self.section,
            trail: self.trail,
            title: self.title,
            verdict: site.host.as_ref().and_then(|host| host.verdict()),
            refresh_seconds: if self.live { site.refresh_seconds } else { 0 },
        };
        let warning = warnings.message();
        frame.page(html! {
            div #warnings data-live { @if !warning.is_empty() { (note(Level::Warning, &warning)) } }
            (content)
        })
    }

    /// The answer to a GET with these headers.
    fn answer(self, headers: &HeaderMap, warnings: &Warnings, content: Markup) -> Response<Body> {
        let graphs = !self.api.settings.graphite.url.is_empty() && !self.api.settings.graphite.proxied;
        let mut answer = respond::page(headers, self.markup(warnings, content));
        if graphs {
            // Graphs come from graphite's own address.
            let policy = respond::POLICY.replace("img-src 'self'", "img-src 'self' http: https:");
            if let Ok(policy) = HeaderValue::from_str(&policy) {
                answer.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
            }
        }
        answer
    }

    /// The answer if nobody could say what there is.
    fn unavailable(
        self,
        headers: &HeaderMap,
        warnings: &Warnings,
        Unavailable(reason): &Unavailable,
    ) -> Response<Body> {
        let text = if self.api.site.host.is_some() {
            format!("The queue does not answer: {reason}")
        } else {
            format!("UPSTREAM_ERROR: {reason}")
        };
        self.answer(headers, warnings, note(Level::Critical, &text))
    }
}

/// Prefix of all paths, without a trailing slash.
fn base(api: &Api) -> String {
    api.settings.base_path.trim_end_matches('/').to_owned()
}

/// Path of a page below the base path.
fn at(api: &Api, words: &[&str]) -> String {
    path(&base(api), words)
}

/// Time until a topic of this process is full, if it grows.
fn full_in(api: &Api, topic: &str) -> Option<(Level, String)> {
    api.site.host.as_ref()?.full_in(topic)
}

/// The last hour of a figure, if it is kept.
fn series(api: &Api, subject: &[&str], measure: &str) -> Option<Vec<f32>> {
    api.site.host.as_ref()?.series(&ui::series::key(subject, measure))
}
