//! A submitted form: makes the change, then redirects the browser to the page that shows it, or shows what
//! each daemon answered if some failed.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::http::{Response, StatusCode};
use http::{Asked, HttpRefusal, Query};
use maud::html;
use ui::Level;
use ui::parts::{badge, note, scroll};
use ui::pools;
use ui::respond;
use ui::text::clean;

use super::settings::of_form;
use super::{Page, at};
use crate::api::{Api, Warnings, changes};
use crate::fleet::{Change, Letters, LogLevelChange, ServerChange, Told};
use crate::request::{Sender, form};

/// Longest delay of a test message: nsqd's.
const DEFER_MS_MAX: u64 = 3_600_000;
/// Changes of servers of pools.
const SERVER_CHANGES: [&str; 4] = ["eject", "drain", "return", "weight"];
/// Characters shown of a daemon's answer.
const SHOWN_CHARS_MAX: usize = 300;

pub(crate) async fn action(api: &Api, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
    let (sender, body, link) = match api.admit(asked) {
        Ok(admitted) => admitted,
        Err(refusal) => return Ok(refused(api, refusal.status(), refusal.message())),
    };
    let form = form(&api.budget, link.host(), &sender.headers, body).await?;
    let change = match change(&form, &sender) {
        Ok(change) => change,
        Err(refusal) => return Ok(refused(api, refusal.status(), refusal.message())),
    };
    let (result, word) = (result(api, &change), word(&change));
    match api.change(change, &sender).await {
        Ok((_, warnings)) if warnings.message().is_empty() => {
            Ok(respond::see(&format!("{result}?did={word}")))
        }
        Ok((told, warnings)) => Ok(partly(api, &told, &warnings, &result)),
        Err(reason) => {
            let refusal = HttpRefusal::from(reason);
            Ok(refused(api, refusal.status(), refusal.message()))
        }
    }
}

fn change(form: &Query, sender: &Sender) -> Result<Change, HttpRefusal> {
    let text = |name| form.text(name).unwrap_or_default().to_owned();
    let said = |why: String| HttpRefusal::said(StatusCode::BAD_REQUEST, why);
    let (topic, channel) = (text("topic"), Some(text("channel")).filter(|channel| !channel.is_empty()));
    let of_channel = || channel.clone().ok_or(HttpRefusal::bad("INVALID_CHANNEL"));
    match form.text("change").unwrap_or_default() {
        "create" => changes::create(&topic, channel.as_deref()),
        "delete" => Ok(Change::Delete(topic, channel)),
        "tombstone" => changes::tombstone(&topic, text("node")),
        "publish" => {
            let defer_ms = number(form, "defer_ms").map_err(said)?.unwrap_or(0).min(DEFER_MS_MAX);
            let body = form.get("body").unwrap_or_default().to_vec();
            if body.is_empty() {
                return Err(said("the message is empty".into()));
            }
            Ok(Change::Publish(topic, body, defer_ms))
        }
        "redrive" => {
            let time = |name| Some(text(name).trim().to_owned()).filter(|time| !time.is_empty());
            let last_hour = form.text("last_hour") == Some("true");
            let letters = Letters {
                count: number(form, "count").map_err(said)?,
                since: if last_hour { Some(an_hour_ago()) } else { time("since") },
                until: time("until"),
            };
            Ok(Change::Redrive(topic, of_channel()?, letters))
        }
        "seek" => Ok(Change::Seek(topic, of_channel()?, text("to"))),
        "configure" => {
            let settings = of_form(form, channel.as_deref()).map_err(said)?;
            Ok(Change::Configure(topic, channel, settings))
        }
        "level" => Ok(Change::LogLevel(LogLevelChange {
            level: text("level"),
            node: Some(text("node")).filter(|node| !node.is_empty()),
            client: sender.distant_host(),
        })),
        word => match SERVER_CHANGES.iter().find(|known| **known == word) {
            Some(word) => Ok(Change::Server(ServerChange {
                word,
                pool: text("pool"),
                server: text("server"),
                weight: text("weight"),
                node: text("node"),
                everywhere: form.text("everywhere") == Some("true"),
                client: sender.distant_host(),
            })),
            None => changes::action(word, topic, channel),
        },
    }
}

/// An hour ago, in seconds since 1970.
fn an_hour_ago() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_secs().saturating_sub(3600).to_string()
}

/// A number that may be absent.
fn number(form: &Query, name: &str) -> Result<Option<u64>, String> {
    match form.text(name) {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| format!("{name} is not a number: {text}")),
    }
}

/// Word of a change in the address of the page after it.
fn word(change: &Change) -> &'static str {
    match change {
        Change::Create(..) => "create",
        Change::Delete(..) => "delete",
        Change::Pause(..) => "pause",
        Change::Unpause(..) => "unpause",
        Change::Empty(..) => "empty",
        Change::Tombstone(..) => "tombstone",
        Change::Publish(..) => "publish",
        Change::Redrive(..) => "redrive",
        Change::Seek(..) => "seek",
        Change::Configure(..) => "configure",
        Change::Server(change) => change.word,
        Change::LogLevel(..) => "level",
    }
}

/// Sentence about a change on the page after it. Only these words can be in an address.
pub(super) fn done(word: &str) -> Option<&'static str> {
    Some(match word {
        "create" => "Created.",
        "delete" => "Deleted.",
        "pause" => "Paused.",
        "unpause" => "Unpaused.",
        "empty" => "Emptied.",
        "tombstone" => "Tombstoned.",
        "publish" => "Published.",
        "redrive" => "Dead letters are back in the channel.",
        "seek" => "Moved.",
        "configure" => "Saved.",
        word => return pools::done(word),
    })
}

/// Page that shows the result of a change.
fn result(api: &Api, change: &Change) -> String {
    match change {
        Change::Delete(_, None) => at(api, &["topics"]),
        Change::Create(topic, None) if api.site.host.is_some() => at(api, &["topics", topic]),
        Change::Create(..) if api.site.host.is_none() => at(api, &["topics"]),
        Change::Delete(topic, Some(_)) => at(api, &["topics", topic]),
        Change::Tombstone(_, node) | Change::LogLevel(LogLevelChange { node: Some(node), .. }) => {
            at(api, &["nodes", node])
        }
        Change::LogLevel(_) => at(api, &["nodes"]),
        Change::Server(change) => at(api, &["pools", &change.node, &change.pool, &change.server]),
        change => {
            let words = ["topics", change.topic()].into_iter().chain(change.channel());
            at(api, &words.collect::<Vec<_>>())
        }
    }
}

/// Page with the answer of each daemon.
fn partly(api: &Api, told: &[Told], warnings: &Warnings, result: &str) -> Response<Body> {
    let content = html! {
        section {
            h2 { "Result by daemon" }
            (scroll("Result by daemon", html! {
                table {
                    thead { tr { th scope="col" { "Daemon" } th scope="col" { "Result" } th scope="col" { "Answer" } } }
                    tbody {
                        @for Told { node, result } in told {
                            @let (level, words, text) = match result {
                                Ok(text) => (Level::Well, "done", text),
                                Err(text) => (Level::Critical, "failed", text),
                            };
                            tr { th scope="row" { (clean(node)) } td { (badge(level, words)) } td { (clean(&text.chars().take(SHOWN_CHARS_MAX).collect::<String>())) } }
                        }
                    }
                }
            }))
            p.more { a href=(result) { "Go on" } }
        }
    };
    let page = Page::new(api, "topics", "Not everybody took it").standing().markup(warnings, content);
    respond::with_status(StatusCode::OK, page.into_string())
}

fn refused(api: &Api, status: StatusCode, message: &str) -> Response<Body> {
    let content = html! {
        (note(Level::Warning, message))
        p { "Nothing was changed. Go back with your browser, or to the " a href=(at(api, &["topics"])) { "topics" } "." }
    };
    let page = Page::new(api, "topics", "Refused").standing().markup(&Warnings::default(), content);
    respond::with_status(status, page.into_string())
}
