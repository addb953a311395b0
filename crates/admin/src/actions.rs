//! Actions on the running process: reload, and manual changes. This module parses the requests;
//! the binary carries out the actions.
//!
//! | request | action |
//! |---|---|
//! | `POST /api/reload`, with `?dry_run=true` | reload the configuration; with `dry_run` only report what would change |
//! | `POST /api/server/eject?pool=P&server=S` | take a server out of the ring; its connections stay |
//! | `POST /api/server/drain?pool=P&server=S` | take it out, and close its connections once they owe nothing |
//! | `POST /api/server/return?pool=P&server=S` | put it back, even if it has failed and not answered a probe |
//! | `POST /api/server/weight?pool=P&server=S&weight=N` | set its weight; without `weight` back to the configured one |
//! | `POST /api/log/level?level=L` | set the log level |
//!
//! Only a client on this machine may act (over loopback or a unix socket), or one that has logged in as an
//! operator: no page of another site through its browser, and no proxy for a client of another machine
//! (`may_act`, asked before anything else).

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::{Extension, Path, RawQuery};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use http::{Aim, Names, Query};

use crate::reload::Outcome;

/// Headers that proxies add: the real client may be on another machine.
const OF_PROXIES: [&str; 4] = ["forwarded", "via", "x-forwarded-for", "x-real-ip"];
/// Header with the client of a proxy, and the most that is recorded of it.
const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_CHARS_MAX: usize = 64;
/// Size limit of a pool, server or level name in a request, in bytes.
const NAME_BYTES_MAX: usize = 4096;

/// An action on the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Read the configuration again.
    Reload {
        /// Only report what would change.
        dry_run: bool,
    },
    /// Change a server.
    Server {
        /// Name of its pool.
        pool: String,
        /// Its name in the ring.
        server: String,
        /// The change.
        change: ServerChange,
    },
    /// Set the log level.
    LogLevel(String),
}

/// A manual change of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerChange {
    /// Out of the ring; its connections stay.
    Eject,
    /// Out of the ring; its connections are closed once they owe nothing.
    Drain,
    /// Into the ring again.
    Return,
    /// Another weight; None: the configured one.
    Weight(Option<u32>),
}

/// Executor of actions.
pub trait Actor: Send + Sync {
    /// Carries out an action. None if the process stops. `by` says who asked for it and from where, for the
    /// record: `joe from 10.0.0.1`.
    fn act(&self, action: Action, by: String) -> Acting;
}

/// Author of a change, and the place it comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Author(pub String);

impl Author {
    /// The author of a request: its user, if it has logged in, its address, and whom it asks for, if it is a
    /// proxy.
    pub fn of(user: Option<&str>, ip: Option<IpAddr>, headers: &HeaderMap) -> Author {
        let from = ip.map_or_else(|| "a unix socket".to_owned(), |ip| ip.to_canonical().to_string());
        let other = headers
            .get(FORWARDED_FOR)
            .and_then(|other| other.to_str().ok())
            .filter(|other| !other.is_empty());
        let other = other.map(|other| other.chars().take(FORWARDED_CHARS_MAX).collect::<String>());
        let user = user.map(|user| format!("{user} from ")).unwrap_or_default();
        let other = other.map(|other| format!(" for {other}")).unwrap_or_default();
        Author(format!("{user}{from}{other}"))
    }
}

/// Future returned by [`Actor::act`].
pub type Acting = Pin<Box<dyn Future<Output = Option<Outcome>> + Send>>;

/// Location of a client of the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// On this machine.
    Local,
    /// On another machine.
    Remote,
}

/// Answers `POST /api/reload`.
pub(crate) async fn reload(
    Extension(actor): Extension<Option<Arc<dyn Actor>>>,
    Extension(author): Extension<Author>,
    RawQuery(query): RawQuery,
) -> Response {
    perform(actor, author, query, of_reload).await
}

/// Answers `POST /api/server/…`.
pub(crate) async fn server(
    Extension(actor): Extension<Option<Arc<dyn Actor>>>,
    Extension(author): Extension<Author>,
    Path(change): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    perform(actor, author, query, |query| of_server(&change, query)).await
}

/// Answers `POST /api/log/level`.
pub(crate) async fn log_level(
    Extension(actor): Extension<Option<Arc<dyn Actor>>>,
    Extension(author): Extension<Author>,
    RawQuery(query): RawQuery,
) -> Response {
    perform(actor, author, query, |query| Ok(Action::LogLevel(name(query, "level")?))).await
}

fn of_reload(query: &Query) -> Result<Action, String> {
    Ok(Action::Reload { dry_run: switch(query, "dry_run")? })
}

pub(crate) fn of_server(change: &str, query: &Query) -> Result<Action, String> {
    let change = match change {
        "eject" => ServerChange::Eject,
        "drain" => ServerChange::Drain,
        "return" => ServerChange::Return,
        "weight" => ServerChange::Weight(weight(query)?),
        other => return Err(format!("no change is called {other:?}: eject, drain, return, weight")),
    };
    Ok(Action::Server { pool: name(query, "pool")?, server: name(query, "server")?, change })
}

fn weight(query: &Query) -> Result<Option<u32>, String> {
    let Some(text) = query.text("weight").filter(|text| !text.is_empty()) else { return Ok(None) };
    let weight = text.parse().ok().filter(|weight| (1..=i32::MAX as u32).contains(weight));
    weight.map(Some).ok_or_else(|| format!("weight is {text:?}, not a number from 1 to {}", i32::MAX))
}

/// A switch, off by default. An unreadable value is a fault: guessing could change something.
fn switch(query: &Query, parameter: &str) -> Result<bool, String> {
    match (query.get(parameter), query.switch(parameter)) {
        (None, _) => Ok(false),
        (Some(_), Some(on)) => Ok(on),
        (Some(_), None) => Err(format!("{parameter} is neither true nor false")),
    }
}

pub(crate) fn name(query: &Query, parameter: &str) -> Result<String, String> {
    let text = query.text(parameter).filter(|text| !text.is_empty() && text.len() <= NAME_BYTES_MAX);
    text.map(str::to_owned).ok_or_else(|| format!("the parameter {parameter} is missing"))
}

async fn perform(
    actor: Option<Arc<dyn Actor>>,
    Author(by): Author,
    query: Option<String>,
    read: impl FnOnce(&Query) -> Result<Action, String>,
) -> Response {
    let query = Query::parse(query.as_deref().unwrap_or(""));
    let action = query.map_err(|_| "the query string is malformed".to_owned()).and_then(|query| read(&query));
    let action = match action {
        Ok(action) => action,
        Err(error) => return answer(StatusCode::BAD_REQUEST, Outcome::failed(0, error)),
    };
    let Some(actor) = actor else {
        return answer(
            StatusCode::NOT_IMPLEMENTED,
            Outcome::failed(0, "this process carries out no actions"),
        );
    };
    match actor.act(action, by).await {
        Some(outcome) if outcome.ok => answer(StatusCode::OK, outcome),
        Some(outcome) => answer(StatusCode::UNPROCESSABLE_ENTITY, outcome),
        None => answer(StatusCode::SERVICE_UNAVAILABLE, Outcome::failed(0, "the process is stopping")),
    }
}

/// Refuses clients of other machines, unless they have logged in as operators, and pages of other sites.
pub(crate) fn may_act(
    origin: Origin,
    logged_in: bool,
    headers: &HeaderMap,
    names: &Names<'_>,
) -> Result<(), &'static str> {
    let afar = origin == Origin::Remote || OF_PROXIES.iter().any(|name| headers.contains_key(*name));
    if afar && !logged_in {
        return Err(
            "only a client on this machine may change something: ask over loopback or a unix socket, or log in",
        );
    }
    http::browser::refuse_strangers(Aim::Change, headers, names)
        .map_err(|_| "a browser sent this for a page of another site")
}

pub(crate) fn answer(code: StatusCode, outcome: Outcome) -> Response {
    let headers = [
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    ];
    let json = serde_json::to_string(&outcome).unwrap_or_default();
    (code, headers, json).into_response()
}

#[cfg(test)]
mod tests;
