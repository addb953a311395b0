//! Settings of a topic or channel, as a form. Nuthatches only.

use axum::body::Body;
use axum::http::Response;
use http::query::escape_query;
use http::{Asked, HttpRefusal, Query};
use maud::{Markup, html};
use serde_json::{Map, Value};
use ui::Level;
use ui::parts::{empty, note};
use ui::text::clean;

use super::{Page, at};
use crate::api::{Api, Warnings, word};

/// Kind of a setting's value.
enum Kind {
    Number,
    Text,
    /// One of these; the first is the default.
    Choice(&'static [&'static str]),
}

/// A setting: name, words, help, kind.
type Setting = (&'static str, &'static str, &'static str, Kind);

const OF_TOPIC: [Setting; 6] = [
    (
        "durability",
        "Durability",
        "when a publisher gets its OK; empty: as configured for the queue",
        Kind::Choice(&["", "memory", "os", "fsync"]),
    ),
    ("bytes_max", "Most bytes", "of the journal; 0: no limit", Kind::Number),
    (
        "at_limit",
        "At the limit",
        "refuse publications, or drop the oldest messages",
        Kind::Choice(&["reject", "drop-oldest"]),
    ),
    ("ttl_seconds", "Expire after (s)", "messages older than this are not delivered; 0: never", Kind::Number),
    ("retention_seconds", "Keep for replay (s)", "finished messages; 0: not at all", Kind::Number),
    ("retention_bytes", "Keep at most (bytes)", "of finished messages; 0: no limit", Kind::Number),
];

const OF_CHANNEL: [Setting; 2] = [
    ("max_attempts", "Most attempts", "deliveries before a message is set aside; 0: no limit", Kind::Number),
    ("dead_letter_topic", "Topic of dead letters", "empty: TOPIC.CHANNEL.dead", Kind::Text),
];

fn settings_of(channel: Option<&str>) -> &'static [Setting] {
    if channel.is_some() { &OF_CHANNEL } else { &OF_TOPIC }
}

pub(crate) async fn settings(api: &Api, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
    let (topic, channel) = (word(&asked, 0), asked.words.get(1).map(String::as_str));
    let title = format!("Settings of {}", channel.unwrap_or(topic));
    let page = Page::new(api, "topics", &title).standing().about(topic, channel);
    let mut warnings = Warnings::default();
    let producers = match warnings.take(api.fleet().topic_producers(topic).await) {
        Ok(producers) => producers,
        Err(reason) => return Ok(page.unavailable(&asked.headers, &warnings, &reason)),
    };
    let Some(first) = producers.first() else {
        let next = html! { a href=(at(api, &["topics"])) { "All topics" } };
        return Ok(page.answer(&asked.headers, &warnings, empty("No queue has this topic.", next)));
    };
    let path = match channel {
        Some(channel) => {
            format!("/channel/settings?topic={}&channel={}", escape_query(topic), escape_query(channel))
        }
        None => format!("/topic/settings?topic={}", escape_query(topic)),
    };
    let known: Result<Map<String, Value>, String> =
        api.fleet().upstreams().get(&first.http_address(), &path).await;
    let content = match known {
        Ok(known) => html! {
            @if producers.len() > 1 { p.facts { "As " (first.http_address()) " has them; saving sets them on every queue of the topic." } }
            section { (form(api, topic, channel, &known)) }
        },
        Err(reason) => {
            note(Level::Warning, &format!("This queue shows no settings (nsqd has none): {reason}"))
        }
    };
    Ok(page.answer(&asked.headers, &warnings, content))
}

fn form(api: &Api, topic: &str, channel: Option<&str>, known: &Map<String, Value>) -> Markup {
    let shown = |name: &str| match known.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    html! {
        form method="post" action=(at(api, &["action"])) {
            input type="hidden" name="change" value="configure";
            input type="hidden" name="topic" value=(clean(topic));
            @if let Some(channel) = channel { input type="hidden" name="channel" value=(clean(channel)); }
            div.fields {
                @for (name, words, help, kind) in settings_of(channel) {
                    label {
                        (words)
                        @match kind {
                            Kind::Number => input type="number" name=(name) min="0" value=(shown(name));,
                            Kind::Text => input name=(name) maxlength="64" value=(shown(name));,
                            Kind::Choice(choices) => select name=(name) {
                                @for choice in *choices {
                                    option value=(choice) selected[shown(name) == *choice] { (if choice.is_empty() { "as configured" } else { choice }) }
                                }
                            },
                        }
                        span.help { (help) }
                    }
                }
            }
            button { "Save" }
        }
    }
}

/// The settings in a form, as JSON.
///
/// # Errors
/// The setting that is no number.
pub(super) fn of_form(form: &Query, channel: Option<&str>) -> Result<String, String> {
    let mut settings = Map::new();
    for (name, words, _, kind) in settings_of(channel) {
        let text = form.text(name).unwrap_or_default();
        if text.is_empty() {
            continue;
        }
        let value = match kind {
            Kind::Number => {
                Value::from(text.parse::<u64>().map_err(|_| format!("{words} is not a number: {text}"))?)
            }
            Kind::Text | Kind::Choice(_) => Value::from(text),
        };
        settings.insert((*name).to_owned(), value);
    }
    Ok(Value::Object(settings).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_become_settings() {
        let read = |text: &str, channel| of_form(&Query::parse(text).unwrap(), channel);
        assert_eq!(
            read("durability=&bytes_max=5&at_limit=drop-oldest&ttl_seconds=", None).unwrap(),
            r#"{"at_limit":"drop-oldest","bytes_max":5}"#
        );
        assert_eq!(
            read("max_attempts=3&dead_letter_topic=d", Some("c")).unwrap(),
            r#"{"dead_letter_topic":"d","max_attempts":3}"#
        );
        assert!(read("bytes_max=-1", None).unwrap_err().contains("Most bytes"));
    }
}
