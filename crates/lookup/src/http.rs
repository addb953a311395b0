//! nsqlookupd's HTTP API, on the control thread.
//!
//! Statuses, codes and bodies are those of nsqlookupd 1.3.0. Limits that it does not have are answered with
//! 503: `TOO_MANY_NAMES`, and `BUSY` while too many requests wait.
//!
//! With configured users, what changes something is for operators. Reading stays open: consumers look up
//! their topics without a login, as NSQ's libraries do.

mod audit;
mod shown;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ::http::answer::{TEXT, with_type};
use ::http::{
    Asked, Changed, HttpRefusal, LoginDesk, ManualChange, Names, Query, Row, answer, get, open, post,
};
use axum::body::Body;
use axum::http::{Response, StatusCode};
use net::NotTaken;
use serde::Serialize;
use tokio::sync::oneshot;
use wire::nsq::valid_name;

use crate::request::{Answer, Reply, Request};

/// Passes a request to the shard, unless it has stopped or too many requests wait.
pub type SendRequest = Box<dyn Fn(Request, Reply) -> Result<(), NotTaken> + Send + Sync>;

/// Records a change that a person has made.
pub type Record = Box<dyn Fn(ManualChange) + Send + Sync>;

/// Identity of the daemon in the API.
#[derive(Debug, Clone)]
pub struct About {
    /// The version reported to clients.
    pub version: &'static str,
    /// The machine's name.
    pub hostname: String,
    /// The broadcast address sent to nodes.
    pub broadcast_address: String,
    /// Further host names that browsers may use.
    pub names: Vec<String>,
}

/// The API; all listeners share it.
pub struct Api {
    about: Mutex<Arc<About>>,
    send: SendRequest,
    /// The desk at which operators log in; `None` if no login is required.
    desk: Option<Arc<LoginDesk>>,
    record: OnceLock<Record>,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Api {{ {:?} }}", self.about())
    }
}

const ROWS: &[Row<Api>] = &[
    open(get("/ping", |_, _| Box::pin(async { Ok(with_type(StatusCode::OK, TEXT, "OK")) }))),
    open(get("/info", |api, _| Box::pin(async { Ok(api.info()) }))),
    open(get("/debug", |api, _| Box::pin(api.registrations()))),
    open(get("/lookup", |api, asked| Box::pin(api.lookup(asked)))),
    open(get("/topics", |api, _| Box::pin(api.topics()))),
    open(get("/channels", |api, asked| Box::pin(api.channels(asked)))),
    open(get("/nodes", |api, _| Box::pin(api.nodes()))),
    post("/topic/create", |api, asked| Box::pin(api.create_topic(asked))),
    post("/topic/delete", |api, asked| Box::pin(api.delete_topic(asked))),
    post("/topic/tombstone", |api, asked| Box::pin(api.tombstone(asked))),
    post("/channel/create", |api, asked| Box::pin(api.channel(asked, Request::CreateChannel))),
    post("/channel/delete", |api, asked| Box::pin(api.channel(asked, Request::DeleteChannel))),
];

impl ::http::Api for Api {
    fn rows(&self) -> &'static [Row<Api>] {
        ROWS
    }

    fn names<T>(&self, with: impl FnOnce(&Names<'_>) -> T) -> T {
        let about = self.about();
        with(&Names {
            known: [&about.hostname, &about.broadcast_address],
            listed: &about.names,
            option: "http_names in [lookup]",
        })
    }

    fn desk(&self) -> Option<&LoginDesk> {
        self.desk.as_deref()
    }

    fn changed(&self, change: &Changed) {
        if let Some((record, change)) = self.record.get().zip(audit::described(change)) {
            record(change);
        }
    }
}

impl Api {
    /// An API that sends requests to the shard through `send`.
    pub fn new(about: About, send: SendRequest) -> Api {
        Api { about: Mutex::new(Arc::new(about)), send, desk: None, record: OnceLock::new() }
    }

    /// Adds a desk at which operators log in.
    #[must_use]
    pub fn with_logins(self, desk: Arc<LoginDesk>) -> Api {
        Api { desk: Some(desk), ..self }
    }

    /// Has changes recorded from now on; the first call counts.
    pub fn recorded_by(&self, record: Record) {
        let _ = self.record.set(record);
    }

    /// Sets another identity.
    pub fn configure(&self, about: About) {
        *self.about.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(about);
    }

    fn about(&self) -> Arc<About> {
        Arc::clone(&self.about.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn info(&self) -> Response<Body> {
        #[derive(Serialize)]
        struct Info {
            version: &'static str,
        }
        answer::json(&Info { version: self.about().version })
    }

    async fn lookup(&self, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
        let topic = topic(&asked.query()?)?;
        match self.ask(Request::Lookup(topic)).await? {
            Answer::Found(found) => Ok(answer::json(&shown::lookup(&found))),
            _ => Err(HttpRefusal::missing("TOPIC_NOT_FOUND")),
        }
    }

    async fn topics(&self) -> Result<Response<Body>, HttpRefusal> {
        let Answer::Names(names) = self.ask(Request::Topics).await? else { return Err(HttpRefusal::EXITING) };
        Ok(answer::json(&shown::topics(&names)))
    }

    async fn channels(&self, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
        let topic = topic(&asked.query()?)?;
        let Answer::Names(names) = self.ask(Request::Channels(topic)).await? else {
            return Err(HttpRefusal::EXITING);
        };
        Ok(answer::json(&shown::channels(&names)))
    }

    async fn nodes(&self) -> Result<Response<Body>, HttpRefusal> {
        let Answer::Nodes(nodes) = self.ask(Request::Nodes).await? else { return Err(HttpRefusal::EXITING) };
        Ok(answer::json(&shown::nodes(&nodes)))
    }

    async fn registrations(&self) -> Result<Response<Body>, HttpRefusal> {
        let Answer::Registrations(all) = self.ask(Request::Registrations).await? else {
            return Err(HttpRefusal::EXITING);
        };
        Ok(answer::json(&shown::registrations(&all)))
    }

    async fn create_topic(&self, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
        let topic = topic(&asked.query()?)?;
        valid_name(topic.as_bytes()).ok_or(HttpRefusal::bad("INVALID_ARG_TOPIC"))?;
        self.order(Request::CreateTopic(topic)).await
    }

    async fn delete_topic(&self, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
        self.order(Request::DeleteTopic(topic(&asked.query()?)?)).await
    }

    async fn tombstone(&self, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
        let query = asked.query()?;
        let topic = topic(&query)?;
        let node = query.text("node").ok_or(HttpRefusal::bad("MISSING_ARG_NODE"))?;
        self.order(Request::Tombstone(topic, node.to_owned())).await
    }

    async fn channel(
        &self,
        asked: Asked,
        order: fn(String, String) -> Request,
    ) -> Result<Response<Body>, HttpRefusal> {
        let query = asked.query()?;
        let topic = topic(&query)?;
        valid_name(topic.as_bytes()).ok_or(HttpRefusal::bad("INVALID_ARG_TOPIC"))?;
        let channel = query.text("channel").ok_or(HttpRefusal::bad("MISSING_ARG_CHANNEL"))?;
        valid_name(channel.as_bytes()).ok_or(HttpRefusal::bad("INVALID_ARG_CHANNEL"))?;
        match self.ask(order(topic, channel.to_owned())).await? {
            Answer::Unknown => Err(HttpRefusal::missing("CHANNEL_NOT_FOUND")),
            _ => Ok(answer::empty()),
        }
    }

    async fn ask(&self, request: Request) -> Result<Answer, HttpRefusal> {
        let (sender, answer) = oneshot::channel();
        let reply = Reply(Box::new(move |answer| drop(sender.send(answer))));
        (self.send)(request, reply).map_err(|why| match why {
            NotTaken::Full => HttpRefusal::new(StatusCode::SERVICE_UNAVAILABLE, "BUSY"),
            NotTaken::Stopped => HttpRefusal::EXITING,
        })?;
        match answer.await {
            Ok(Answer::Full(why)) => {
                Err(HttpRefusal::new(StatusCode::SERVICE_UNAVAILABLE, "TOO_MANY_NAMES").help(why))
            }
            Ok(answer) => Ok(answer),
            Err(_) => Err(HttpRefusal::EXITING),
        }
    }

    async fn order(&self, request: Request) -> Result<Response<Body>, HttpRefusal> {
        self.ask(request).await.map(|_| answer::empty())
    }
}

/// The topic as given, not validated: most requests only look it up.
fn topic(query: &Query) -> Result<String, HttpRefusal> {
    query.text("topic").map(str::to_owned).ok_or(HttpRefusal::bad("MISSING_ARG_TOPIC"))
}
