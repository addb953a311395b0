//! Messages of a topic or channel, looked at without consuming them. Nuthatches only.

use axum::body::Body;
use axum::http::Response;
use http::query::escape_query;
use http::{Asked, HttpRefusal};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use ui::Level;
use ui::format::bytes;
use ui::parts::{empty, moment, note};
use ui::text::clean;

use super::{Page, at};
use crate::acl;
use crate::api::{Api, Warnings, word};

/// Messages shown of each queue.
const COUNT: usize = 20;
/// Characters shown of a message.
const SHOWN_CHARS_MAX: usize = 10_000;

/// Kinds of messages: name in addresses, and in words.
const KINDS: [(&str, &str); 4] =
    [("queued", "Waiting"), ("deferred", "Deferred"), ("in_flight", "In flight"), ("dead", "Dead letters")];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Told {
    messages: Vec<Message>,
}

/// A message as a queue shows it; times in nanoseconds since 1970.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message {
    id: String,
    timestamp: i64,
    attempts: u16,
    due: i64,
    consumer: String,
    origin: Option<Value>,
    body: Option<String>,
    body_base64: Option<String>,
}

pub(crate) async fn messages(api: &Api, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
    acl::admit(&api.settings, &asked.headers)?;
    let (topic, channel) = (word(&asked, 0), asked.words.get(1).map(String::as_str));
    let query = asked.query()?;
    let what =
        query.text("what").and_then(|what| KINDS.iter().find(|kind| kind.0 == what)).unwrap_or(&KINDS[0]);
    let title = format!("Messages of {}", channel.unwrap_or(topic));
    let page = Page::new(api, "topics", &title).standing().about(topic, channel);
    let mut warnings = Warnings::default();
    let producers = match warnings.take(api.fleet().topic_producers(topic).await) {
        Ok(producers) => producers,
        Err(reason) => return Ok(page.unavailable(&asked.headers, &warnings, &reason)),
    };
    let path = match channel {
        Some(channel) => format!(
            "/channel/peek?topic={}&channel={}&what={}&count={COUNT}",
            escape_query(topic),
            escape_query(channel),
            what.0
        ),
        None => format!("/topic/peek?topic={}&count={COUNT}", escape_query(topic)),
    };
    let fleet = api.fleet();
    let addresses: Vec<String> = producers.iter().map(crate::fleet::Producer::http_address).collect();
    let answers = fleet.upstreams().each(addresses.clone(), |upstreams, address| {
        let path = path.clone();
        async move { upstreams.get::<Told>(&address, &path).await }
    });
    let answers = answers.await;
    let several = addresses.len() > 1;
    let content = html! {
        @if let Some(channel) = channel { (tabs(api, topic, channel, what.0)) }
        p.facts { "At most " (COUNT) " of each queue, as of now. Nothing is consumed." }
        @if addresses.is_empty() { (empty("No queue has this topic.", html! { a href=(at(api, &["topics"])) { "All topics" } })) }
        @for (address, answer) in addresses.iter().zip(&answers) {
            @if several { h2 { (clean(address)) } }
            @match answer {
                Err(reason) => (note(Level::Warning, &format!("This queue does not show messages (nsqd cannot): {reason}"))),
                Ok(told) if told.messages.is_empty() => (empty("None.", html! { "Nothing of this kind is here now." })),
                Ok(told) => @for message in &told.messages { (of_message(message)) },
            }
        }
    };
    Ok(page.answer(&asked.headers, &warnings, content))
}

fn tabs(api: &Api, topic: &str, channel: &str, current: &str) -> Markup {
    html! {
        nav.tabs aria-label="Kinds of messages" {
            @for (kind, words) in KINDS {
                a href=(format!("{}?what={kind}", at(api, &["messages", topic, channel]))) aria-current=[(kind == current).then_some("page")] { (words) }
            }
        }
    }
}

fn of_message(message: &Message) -> Markup {
    let (text, binary) = match (&message.body, &message.body_base64) {
        (Some(text), _) => (text.as_str(), false),
        (None, Some(text)) => (text.as_str(), true),
        (None, None) => ("", false),
    };
    let shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    let cut = shown.len() < text.len();
    let ms = |nanos: i64| u64::try_from(nanos / 1_000_000).unwrap_or(0);
    html! {
        div.card {
            p.facts {
                code { (clean(&message.id)) } " · published " (moment(ms(message.timestamp))) " · "
                (message.attempts) (if message.attempts == 1 { " attempt" } else { " attempts" }) " · " (bytes(text.len() as u64))
                @if binary { " in base64" }
                @if message.due > 0 { " · due " (moment(ms(message.due))) }
                @if !message.consumer.is_empty() { " · with " (clean(&message.consumer)) }
            }
            pre tabindex="0" { (clean(&shown)) @if cut { "…" } }
            @if let Some(origin) = &message.origin { p.facts { "Origin: " code { (clean(&origin.to_string())) } } }
        }
    }
}
