//! Settings of a topic or channel, as a form. Nuthatches only.

use axum::body::Body;
use axum::http::Response;
use http::query::escape_query;
use http::{Asked, HttpRefusal, Query};
use maud::{Markup, html};
use serde_json::{Map, Value};
use ui::Level;
use ui::parts::{empty, note, scroll};
use ui::text::clean;

use super::{Page, at};
use crate::api::{Api, Warnings, word};
use crate::fleet::{ChannelStats, TopicStats};

/// Kind of a setting's value.
enum Kind {
    Number,
    Text,
    /// One of these; the first is the default.
    Choice(&'static [&'static str]),
}

/// A setting: name, words, help, kind; the form and the table of settings are made of these rows.
type Setting = (&'static str, &'static str, &'static str, Kind);

/// Meaning of a setting without a value.
const UNSET: [(&str, &str); 7] = [
    ("bytes_max", "no limit of its own"),
    ("at_limit", "reject"),
    ("ttl_seconds", "never"),
    ("retention_seconds", "not at all"),
    ("retention_bytes", "no limit"),
    ("max_attempts", "no limit"),
    ("dead_letter_topic", "TOPIC.CHANNEL.dead"),
];

/// Options of `[queue]` that a topic has, and a channel.
const TOPIC_INHERITS: [&str; 4] = ["mem_queue_size", "max_msg_size", "sync_every", "sync_timeout"];
const CHANNEL_INHERITS: [&str; 4] =
    ["msg_timeout", "max_msg_timeout", "max_req_timeout", "max_channel_consumers"];

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
    let known: Result<Map<String, Value>, String> =
        api.fleet().upstreams().get(&first.http_address(), &request(topic, channel)).await;
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

/// The settings of a topic, with their origins; nothing if its queue has none to show.
pub(super) async fn of_topic(api: &Api, topic: &TopicStats) -> Markup {
    let node = topic.nodes.iter().flatten().next().map(|node| node.node.as_str());
    shown(api, node, &topic.topic_name, None).await
}

/// The settings of a channel, likewise.
pub(super) async fn of_channel(api: &Api, topic: &str, channel: &ChannelStats) -> Markup {
    let node = channel.nodes.iter().flatten().next().map(|node| node.node.as_str());
    shown(api, node, topic, Some(&channel.channel_name)).await
}

async fn shown(api: &Api, node: Option<&str>, topic: &str, channel: Option<&str>) -> Markup {
    let Some(node) = node else { return html! {} };
    let known: Result<Map<String, Value>, String> =
        api.fleet().upstreams().get(node, &request(topic, channel)).await;
    let Ok(known) = known else { return html! {} };
    let inherits = if channel.is_some() { &CHANNEL_INHERITS } else { &TOPIC_INHERITS };
    let host = api.site.host.as_ref();
    let inherited = inherits.iter().filter_map(|name| Some((*name, host?.queue_setting(name)?)));
    let row = |name: &str, help: &str, value: &str, origin: &str| {
        html! { tr { th scope="row" title=(help) { (name) } td { (clean(value)) } td { (clean(origin)) } } }
    };
    html! {
        section #settings data-live {
            h2 { "Settings" small { "in force, and where each comes from" } }
            (scroll("Settings", html! {
                table {
                    thead { tr { th scope="col" { "Setting" } th scope="col" { "Value" } th scope="col" { "From" } } }
                    tbody {
                        @for (name, words, help, _) in settings_of(channel) {
                            @let (value, origin) = in_force(api, &known, name, channel.is_some());
                            (row(words, help, &value, &origin))
                        }
                        @for (name, (value, origin)) in inherited { (row(name, "of [queue]", &value, &of_queue(&origin))) }
                    }
                }
            }))
        }
    }
}

/// Value and origin of a setting of a topic or channel.
fn in_force(api: &Api, known: &Map<String, Value>, name: &str, of_channel: bool) -> (String, String) {
    let unset = UNSET.iter().find(|(setting, _)| *setting == name).map(|(_, words)| *words);
    let value = text(known, name);
    if !value.is_empty() && value != "0" && Some(value.as_str()) != unset {
        let whose = if of_channel { "channel" } else { "topic" };
        return (value, format!("set for this {whose} while it ran"));
    }
    if let Some(words) = unset {
        return (words.to_owned(), "default".to_owned());
    }
    match api.site.host.as_ref().and_then(|host| host.queue_setting(name)) {
        Some((value, origin)) => (value, of_queue(&origin)),
        None => ("as its queue is configured".to_owned(), "[queue]".to_owned()),
    }
}

fn of_queue(origin: &str) -> String {
    if origin.is_empty() { "[queue]".to_owned() } else { format!("[queue], {origin}") }
}

/// Path of the request for the settings.
fn request(topic: &str, channel: Option<&str>) -> String {
    match channel {
        Some(channel) => {
            format!("/channel/settings?topic={}&channel={}", escape_query(topic), escape_query(channel))
        }
        None => format!("/topic/settings?topic={}", escape_query(topic)),
    }
}

/// The text of a value.
fn text(known: &Map<String, Value>, name: &str) -> String {
    match known.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    }
}

fn form(api: &Api, topic: &str, channel: Option<&str>, known: &Map<String, Value>) -> Markup {
    let shown = |name: &str| text(known, name);
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
            p.facts {
                @if channel.is_none() {
                    "They apply at once. Beyond \"Most bytes\" with drop-oldest the oldest messages are lost, read or not, and so is what is older "
                    "than \"Expire after\" when its turn comes; what is not kept for replay cannot be read again."
                } @else { "They apply at once: a message that had this many deliveries becomes a dead letter instead of the next one." }
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
