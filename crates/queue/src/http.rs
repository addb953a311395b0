//! nsqd's HTTP API and its extensions, on the control thread.
//!
//! ```text
//! crate http: socket ▸ serve ▸ service ▸ a row of ROWS ▸ publish, topics, stats … ─Request▶ the queue's shard
//! crate http: socket ◀ serve ◀ answer (status, headers, JSON or text) ◀──────────────── Answer
//! ```
//! Statuses, headers, bodies and redirects are nsqd's, as is the order of its checks. A body is limited in
//! size and in time. A request to the queue is one piece of mail, and so is its answer: nothing here can
//! block the queue.
//!
//! Requests beyond limits that nsqd does not have are refused with 503 and `TOPIC_FULL`, `TOO_MANY_DEFERRED`,
//! `TOO_MANY_TOPICS`, `TOO_MANY_CHANNELS` or `MEMORY_FULL`; concurrent bodies beyond their memory limit with
//! `BUSY`; a body that does not arrive within a minute with 408 and `TIMEOUT`.
//!
//! A browser's requests on behalf of another site can change nothing and read no messages: 403 `FOREIGN_SITE`
//! ([`::http::browser`]).
//!
//! Extensions, described for operators in docs/queue.md (`topic` and `channel` are in the query string as
//! elsewhere; answers are JSON):
//!
//! | request | does |
//! |---|---|
//! | `POST /mpub?defer=MS` | defers all messages of the batch |
//! | `POST /topic/create?durability=` | creates a topic with its own durability (`memory`, `os` or `fsync`); 400 `DURABILITY_IS_FIXED` if it exists and would have to move between memory and files |
//! | `GET /stats?format=json&include_limits=true` | adds counts of refused, dropped, dead and expired messages, the bytes of journals, and `http_producers` as `producers`: who has published over HTTP |
//! | `GET /damage` | shows damage found: `topic`, `text`, `messages` and `bytes` lost, `found` (ns since 1970), `acknowledged` |
//! | `POST /damage/acknowledge` | acknowledges it, so that it is no longer reported; `{"count"}` is the number of findings |
//! | `GET /topic/settings`, `PUT` with JSON | shows, replaces [`crate::settings::TopicSettings`]; omitted keys get their default |
//! | `GET /channel/settings`, `PUT` with JSON | the same for [`crate::settings::ChannelSettings`] |
//! | `POST /channel/seek?to=` | moves a channel: `beginning`, `end`, seconds since 1970, or a time as RFC 3339; `count` messages will be read; `complete` is false if retained data does not reach back that far, and `oldest` (ns since 1970) is then its start |
//! | `GET /channel/peek?what=&count=` | shows messages `queued`, `deferred`, `in_flight` or `dead` without consuming them |
//! | `GET /topic/peek?count=` | the same for messages waiting in a topic without channels |
//! | `GET /pools` | shows the pools of the process, for the pages of a fleet; 404 if it has none to show |
//! | `GET /pools/POOL?server=` | shows one of them, with settings, topology and the last hour; of a server, if one is named |
//! | `POST /channel/redrive?count=&since=&until=` | returns dead letters (that died in this time) to their channel; `{"count"}` is their number |
//!
//! `/debug/pprof/` serves the command line and a heap profile; CPU and Go-specific profiles answer 501 and
//! say what to use instead.

mod admission;
mod audit;
mod debug;
mod info;
mod memory;
mod option;
mod peek;
mod pools;
mod publish;
mod publishers;
mod refused;
mod rows;
mod settings;
mod stats;
mod text;
mod topics;

use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use ::http::{Budget, HttpRefusal, LoginDesk, ManualChange, answer};
use axum::body::Body;
use axum::http::{Response, StatusCode};
use config::checked::{LogLevel, Queue};
use net::NotTaken;
use tokio::sync::oneshot;

use crate::request::{Answer, Reply, Request};
use publishers::Publishers;

pub use memory::memory;

/// Identity of the daemon for the API.
#[derive(Debug, Clone)]
pub struct About {
    /// The machine's name.
    pub hostname: String,
    /// Listening port of the V2 protocol; -1 for a unix socket.
    pub tcp_port: i64,
    /// Listening port of HTTP; -1 for a unix socket or none.
    pub http_port: i64,
    /// Listening port of HTTPS; -1 for a unix socket or none.
    pub https_port: i64,
    /// Start time of the daemon, seconds since 1970.
    pub started: i64,
}

/// Settings that can be changed while the daemon runs. Called on the control thread: nothing may block.
pub trait Adjustable: Send + Sync {
    /// Addresses of the nsqlookupds that the daemon registers with.
    fn lookup_addresses(&self) -> Vec<String>;
    /// Registers with these only.
    fn set_lookup_addresses(&self, addresses: Vec<String>);
    /// Least severe level that is logged.
    fn log_level(&self) -> LogLevel;
    /// Changes it.
    fn set_log_level(&self, level: LogLevel);
}

/// The process around the queue, which knows its other halves. Called on the control thread.
pub trait Surroundings: Send + Sync {
    /// The pools of the process, as JSON; None if there are none.
    fn pools(&self) -> PoolsAnswer<'_>;

    /// All that is shown of one of them, as JSON, with the last hour of a server if one is named; None if
    /// there is no such pool.
    fn pool<'a>(&'a self, pool: &'a str, server: Option<&'a str>) -> PoolsAnswer<'a>;

    /// Records a change that a person has made.
    fn record(&self, change: ManualChange);
}

/// Future returned by [`Surroundings`].
pub type PoolsAnswer<'a> = Pin<Box<dyn Future<Output = Option<String>> + Send + 'a>>;

/// Passes a request to the queue, unless it has stopped or too many are pending.
pub type SendRequest = Box<dyn Fn(Request, Reply) -> Result<(), NotTaken> + Send + Sync>;

/// The API; all listeners share it.
pub struct Api {
    about: About,
    current: RwLock<Current>,
    send: SendRequest,
    adjustable: Arc<dyn Adjustable>,
    /// The desk at which clients log in; `None` if no login is required.
    desk: Option<Arc<LoginDesk>>,
    surroundings: Option<Arc<dyn Surroundings>>,
    publishers: Publishers,
}

/// Settings in force, and the budget that they give bodies.
struct Current {
    settings: Arc<Queue>,
    budget: Arc<Budget>,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Api {{ {:?} }}", self.about)
    }
}

impl Api {
    /// An API that sends its requests to the queue through `send`.
    pub fn new(
        about: About,
        settings: Arc<Queue>,
        send: SendRequest,
        adjustable: Arc<dyn Adjustable>,
    ) -> Api {
        let budget = Arc::new(Budget::new(body_bytes_max(&settings)));
        Api {
            about,
            current: RwLock::new(Current { settings, budget }),
            send,
            adjustable,
            desk: None,
            surroundings: None,
            publishers: Publishers::default(),
        }
    }

    /// Adds the process around the queue.
    #[must_use]
    pub fn within(self, surroundings: Arc<dyn Surroundings>) -> Api {
        Api { surroundings: Some(surroundings), ..self }
    }

    /// Adds a desk at which its clients log in.
    #[must_use]
    pub fn with_logins(self, desk: Arc<LoginDesk>) -> Api {
        Api { desk: Some(desk), ..self }
    }

    /// Applies new settings. Requests in progress keep theirs.
    pub fn configure(&self, settings: Arc<Queue>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if body_bytes_max(&settings) != body_bytes_max(&current.settings) {
            current.budget = Arc::new(Budget::new(body_bytes_max(&settings)));
        }
        current.settings = settings;
    }

    /// Settings in force.
    fn settings(&self) -> Arc<Queue> {
        Arc::clone(&self.current().settings)
    }

    fn budget(&self) -> Arc<Budget> {
        Arc::clone(&self.current().budget)
    }

    fn current(&self) -> RwLockReadGuard<'_, Current> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request to the queue and waits for its answer; a refusal becomes an error.
    async fn ask(&self, request: Request) -> Result<Answer, HttpRefusal> {
        self.ask_holding(request, ()).await
    }

    /// Works like [`Api::ask`] and keeps `held` until the answer: the request's memory stays counted even if
    /// its client has gone.
    async fn ask_holding(&self, request: Request, held: impl Send + 'static) -> Result<Answer, HttpRefusal> {
        let (sender, answer) = oneshot::channel();
        let reply = Reply(Box::new(move |answer| {
            drop(held);
            drop(sender.send(answer));
        }));
        (self.send)(request, reply).map_err(not_taken)?;
        match answer.await {
            Ok(Answer::Refused(error)) => Err(HttpRefusal::from(error)),
            Ok(answer) => Ok(answer),
            Err(_) => Err(HttpRefusal::EXITING),
        }
    }

    /// Sends a request whose answer has no body.
    async fn order(&self, request: Request) -> Result<Response<Body>, HttpRefusal> {
        self.ask(request).await.map(|_| answer::empty())
    }
}

fn not_taken(why: NotTaken) -> HttpRefusal {
    match why {
        NotTaken::Full => HttpRefusal::new(StatusCode::SERVICE_UNAVAILABLE, "BUSY"),
        NotTaken::Stopped => HttpRefusal::EXITING,
    }
}

/// Size of the largest body of a request.
fn body_bytes_max(settings: &Queue) -> u64 {
    settings.max_body_size.max(settings.max_msg_size)
}

#[cfg(test)]
mod tests;
