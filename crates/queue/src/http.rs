//! nsqd's HTTP API, on the control thread, and what is offered beyond it.
//!
//! ```text
//! socket ▸ serve ▸ route (method, path) ▸ query ▸ body ▸ publish, topics, stats … ─Ask▶ the queue's shard
//! socket ◀ serve ◀ answer (status, headers, JSON or text) ◀──────────────── Answer
//! ```
//! Statuses, headers, bodies and redirects are nsqd's, as is the order of its checks. A body is limited in size and in time.
//! An ask is one piece of mail and so is its answer: nothing here can hold up the queue.
//!
//! What nsqd has no limits for is refused with 503 and `TOPIC_FULL`, `TOO_MANY_DEFERRED`, `TOO_MANY_TOPICS` or
//! `TOO_MANY_CHANNELS`; more bodies at once than there is memory for with `BUSY`; a body that does not arrive in a minute
//! with 408 and `TIMEOUT`.
//!
//! What a browser sends for a page of another site changes nothing and reads no message: 403 `FOREIGN_SITE` ([`browser`]).
//!
//! Beyond nsqd, for operators in docs/queue.md (names as everywhere: `topic`, `channel` in the query string; answers are JSON):
//!
//! | request | does |
//! |---|---|
//! | `POST /mpub?defer=MS` | defers all messages of the batch |
//! | `POST /topic/create?durability=` | makes a topic that is `memory`, `os` or `fsync` whatever the others are; 400 `DURABILITY_IS_FIXED` if it is there and would have to move between memory and files |
//! | `GET /stats?format=json&include_limits=true` | adds what was refused, dropped, set aside and expired, and the bytes of journals |
//! | `GET /topic/settings`, `PUT` with JSON | shows, replaces [`crate::settings::TopicSettings`]; what is left out gets its default |
//! | `GET /channel/settings`, `PUT` with JSON | the same for [`crate::settings::ChannelSettings`] |
//! | `POST /channel/seek?to=` | moves a channel: `beginning`, `end`, seconds since 1970, or a time as RFC 3339; `{"count", "complete"}` is what it will read, and whether what is kept reaches back as far as asked; if not, `oldest` (ns since 1970) is how far it does |
//! | `GET /channel/peek?what=&count=` | shows messages `queued`, `deferred`, `in_flight` or `dead` without consuming them |
//! | `GET /topic/peek?count=` | the same for what waits in a topic that has no channel |
//! | `POST /channel/redrive?count=` | brings dead letters back to their channel; `{"count"}` is how many came |
//!
//! `/debug/pprof/` serves the command line and a heap profile; a CPU profile and Go's own profiles answer 501 and say what to
//! use instead.

mod account;
mod answer;
mod body;
mod browser;
mod debug;
mod go_json;
mod info;
mod malformed;
mod memory;
mod option;
mod peek;
mod places;
mod publish;
mod query;
mod route;
mod serve;
mod settings;
mod stats;
mod text;
mod topics;

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Response, StatusCode, Uri};
use axum::{Extension, Router};
use config::checked::LogLevel;
use config::nsqd::{Nsqd, TlsRequired};
use telemetry::{info, warn};
use tokio::sync::oneshot;

use crate::ask::{Answer, Ask, Reply};
use crate::queue::{DURABILITY_IS_FIXED, TOO_MANY_CHANNELS, TOO_MANY_DEFERRED, TOO_MANY_TOPICS};
use crate::topic::StageError;
use answer::Refusal;
use query::Query;
use route::Route;
use text::escape_path;

pub use memory::memory;
pub use places::{Place, Places, Seat, Seated, Settling};
pub use serve::{Listener, Stop, serve};

/// What the API says of the daemon.
#[derive(Debug, Clone)]
pub struct About {
    /// All settings, as they were at the start.
    pub settings: Arc<Nsqd>,
    /// The machine's name.
    pub hostname: String,
    /// Port that is listened on for the V2 protocol; -1 for a unix socket.
    pub tcp_port: i64,
    /// Port that is listened on for HTTP; -1 for a unix socket or none.
    pub http_port: i64,
    /// Port that is listened on for HTTPS; -1 for a unix socket or none.
    pub https_port: i64,
    /// When the daemon started, seconds since 1970.
    pub started: i64,
}

/// What can be changed while the daemon runs. Called on the control thread: nothing may block.
pub trait Adjustable: Send + Sync {
    /// The nsqlookupds that are registered with.
    fn lookup_addresses(&self) -> Vec<String>;
    /// Registers with these, and no longer with others.
    fn set_lookup_addresses(&self, addresses: Vec<String>);
    /// Least severe level that is logged.
    fn log_level(&self) -> LogLevel;
    /// Changes it.
    fn set_log_level(&self, level: LogLevel);
}

/// Hands an ask to the queue. False if the queue has stopped.
pub type SendAsk = Box<dyn Fn(Ask, Reply) -> bool + Send + Sync>;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Default)]
pub struct Link {
    /// Address and port.
    pub remote: String,
    /// True if TLS is spoken.
    pub tls: bool,
}

impl Link {
    /// The address without its port; all of a unix socket's clients have the same.
    fn host(&self) -> &str {
        self.remote.rsplit_once(':').map_or(&self.remote, |(host, _)| host)
    }
}

/// The API; all listeners share it.
pub struct Api {
    about: About,
    send: SendAsk,
    adjustable: Arc<dyn Adjustable>,
    budget: body::Budget,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Api {{ {:?} }}", self.about)
    }
}

/// The service. [`serve`] adds a [`Link`] to each request; without one the client counts as one without TLS.
pub fn router(api: Arc<Api>) -> Router {
    Router::new().fallback(move |link: Option<Extension<Link>>, request: Request| {
        let api = Arc::clone(&api);
        async move { api.serve(link.map(|Extension(link)| link).unwrap_or_default(), request).await }
    })
}

/// What is done for a request that is well-formed so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    Ping,
    Info,
    Publish,
    PublishMany,
    Stats,
    CreateTopic,
    DeleteTopic,
    EmptyTopic,
    PauseTopic(bool),
    CreateChannel,
    DeleteChannel,
    EmptyChannel,
    PauseChannel(bool),
    ReadOption,
    WriteOption,
    ProfileIndex,
    CommandLine,
    Symbol,
    HeapProfile,
    NoProfile,
    SetBlockRate,
    FreeMemory,
    ReadTopicSettings,
    WriteTopicSettings,
    PeekTopic,
    ReadChannelSettings,
    WriteChannelSettings,
    Seek,
    PeekChannel,
    Redrive,
}

/// A request that has found its endpoint.
struct Asked {
    /// The word that stood for `:opt` in the path.
    word: String,
    /// Address of the client, without its port.
    from: String,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
}

impl Asked {
    fn query(&self) -> Result<Query, Refusal> {
        Query::parse(self.uri.query().unwrap_or_default()).map_err(|_| Refusal::bad("INVALID_REQUEST"))
    }
}

impl Api {
    /// An API that asks the queue through `send`.
    pub fn new(about: About, send: SendAsk, adjustable: Arc<dyn Adjustable>) -> Api {
        let budget = body::Budget::new(about.settings.max_body_size.max(about.settings.max_msg_size));
        Api { about, send, adjustable, budget }
    }

    async fn serve(&self, link: Link, request: Request) -> Response<Body> {
        let begun = Instant::now();
        let (parts, body) = request.into_parts();
        if let Some(words) = malformed::fault(&parts) {
            return malformed::refusal(words);
        }
        let (method, uri) = (parts.method, parts.uri.clone());
        let (answer, quiet) = match self.route(&link, method.as_str(), &uri) {
            Ok((endpoint, word)) => {
                let from = link.host().to_owned();
                let asked = Asked { word, from, uri: parts.uri, headers: parts.headers, body };
                let answer = match self.guard(&method, endpoint, &asked.headers) {
                    Ok(()) => self.answer(endpoint, asked).await,
                    Err(refusal) => Err(refusal),
                };
                let answer = answer.unwrap_or_else(|refusal| refusal.answer());
                (answer, matches!(endpoint, Endpoint::Publish | Endpoint::PublishMany))
            }
            Err(answer) => (*answer, false),
        };
        if !quiet {
            let (status, took) = (answer.status().as_u16(), begun.elapsed());
            info!("{status} {method} {uri} ({}) {took:?}", link.remote);
        }
        answer
    }

    /// The endpoint, or the answer to a request that reaches none.
    fn route(&self, link: &Link, method: &str, uri: &Uri) -> Result<(Endpoint, String), Box<Response<Body>>> {
        if method == "OPTIONS" && uri.path() == "*" {
            return Err(Response::new(Body::empty()).into());
        }
        let tls = self.about.settings.tls.as_ref();
        if tls.is_some_and(|tls| tls.required == TlsRequired::Yes) && !link.tls {
            return Err(answer::tls_required(self.about.https_port).into());
        }
        let Ok(path) = query::unescape(uri.path(), false) else {
            return Err(malformed::refusal("400 Bad Request").into());
        };
        match route::resolve(method, &String::from_utf8_lossy(&path)) {
            Route::Found(endpoint, word) => Ok((endpoint, word)),
            Route::Redirect(path) => {
                let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
                Err(answer::redirect(method == "GET", &format!("{}{query}", escape_path(&path))).into())
            }
            Route::Methods(list) => Err(answer::methods(&list).into()),
            Route::WrongMethod(list) => Err(answer::wrong_method(&list).into()),
            Route::NotFound => Err(Refusal::missing("NOT_FOUND").answer().into()),
        }
    }

    async fn answer(&self, endpoint: Endpoint, asked: Asked) -> Result<Response<Body>, Refusal> {
        match endpoint {
            Endpoint::Ping => Ok(self.ping().await),
            Endpoint::Info => Ok(self.info()),
            Endpoint::Publish => self.publish(asked).await,
            Endpoint::PublishMany => self.publish_many(asked).await,
            Endpoint::Stats => self.stats(&asked.query()?).await,
            Endpoint::CreateTopic
            | Endpoint::DeleteTopic
            | Endpoint::EmptyTopic
            | Endpoint::PauseTopic(_) => self.change_topic(endpoint, &asked.query()?).await,
            Endpoint::CreateChannel
            | Endpoint::DeleteChannel
            | Endpoint::EmptyChannel
            | Endpoint::PauseChannel(_) => self.change_channel(endpoint, &asked.query()?).await,
            Endpoint::ReadOption => self.read_option(&asked.word),
            Endpoint::WriteOption => self.write_option(asked).await,
            Endpoint::ProfileIndex => Ok(debug::index()),
            Endpoint::CommandLine => Ok(debug::command_line()),
            Endpoint::Symbol => Ok(debug::symbol()),
            Endpoint::HeapProfile => Ok(debug::heap()),
            Endpoint::NoProfile => Ok(debug::no_profile()),
            Endpoint::SetBlockRate => debug::set_block_rate(&asked),
            Endpoint::FreeMemory => Err(debug::DONE_NOTHING),
            Endpoint::ReadTopicSettings => self.read_topic_settings(&asked.query()?).await,
            Endpoint::WriteTopicSettings => self.write_topic_settings(asked).await,
            Endpoint::PeekTopic => self.peek_topic(&asked.query()?).await,
            Endpoint::ReadChannelSettings => self.read_channel_settings(&asked.query()?).await,
            Endpoint::WriteChannelSettings => self.write_channel_settings(asked).await,
            Endpoint::Seek => self.seek(&asked.query()?).await,
            Endpoint::PeekChannel => self.peek_channel(&asked.query()?).await,
            Endpoint::Redrive => self.redrive(&asked.query()?).await,
        }
    }

    /// Asks the queue and waits for its answer; what it refuses is an error already.
    async fn ask(&self, ask: Ask) -> Result<Answer, Refusal> {
        let (sender, answer) = oneshot::channel();
        let reply = Reply(Box::new(move |answer| drop(sender.send(answer))));
        if !(self.send)(ask, reply) {
            return Err(Refusal::EXITING);
        }
        match answer.await {
            Ok(Answer::NoTopic) => Err(Refusal::missing("TOPIC_NOT_FOUND")),
            Ok(Answer::NoChannel) => Err(Refusal::missing("CHANNEL_NOT_FOUND")),
            Ok(Answer::Refused(why)) => Err(refused(&why)),
            Ok(answer) => Ok(answer),
            Err(_) => Err(Refusal::EXITING),
        }
    }

    /// Gives an order.
    async fn order(&self, ask: Ask) -> Result<Response<Body>, Refusal> {
        self.ask(ask).await.map(|_| answer::empty())
    }
}

/// What the queue did not do, and whose fault it is: a limit that somebody has set has a code of its own, a disk that refuses is
/// to nsqd's clients the same as a daemon that stops.
fn refused(why: &str) -> Refusal {
    let full = StageError::Full.to_string();
    let codes = [
        (&*full, StatusCode::SERVICE_UNAVAILABLE, "TOPIC_FULL"),
        (TOO_MANY_DEFERRED, StatusCode::SERVICE_UNAVAILABLE, "TOO_MANY_DEFERRED"),
        (TOO_MANY_TOPICS, StatusCode::SERVICE_UNAVAILABLE, "TOO_MANY_TOPICS"),
        (TOO_MANY_CHANNELS, StatusCode::SERVICE_UNAVAILABLE, "TOO_MANY_CHANNELS"),
        (DURABILITY_IS_FIXED, StatusCode::BAD_REQUEST, "DURABILITY_IS_FIXED"),
    ];
    match codes.iter().find(|(begins, ..)| why.starts_with(begins)) {
        // What stands behind the words that are looked for says whose fault it is.
        Some(&(begins, status, code)) => {
            match why.strip_prefix(begins).and_then(|rest| rest.strip_prefix(": ")) {
                Some(rest) => Refusal::new(status, code).help(rest.to_owned()),
                None => Refusal::new(status, code),
            }
        }
        None => {
            warn!(error = why, "a request over HTTP was refused");
            Refusal::EXITING
        }
    }
}

#[cfg(test)]
mod tests;
