//! nsqadmin 1.3.0's paths and answers.
//!
//! | path | what |
//! |---|---|
//! | `/ping`, `/config/:opt` | as every daemon of NSQ |
//! | `/api/…` | the fleet as JSON, and changes to it |
//! | `/render` | graphite, if it is proxied |
//! | everything else | pages; their forms go to `/action` |
//!
//! A warning stands in `message` beside whatever could be gathered; if nobody answered it is 502 `UPSTREAM_ERROR`. Changes need a
//! user of `admin-user`, if there are any, and are told to the notification endpoint.

pub(crate) mod changes;
mod views;

pub(crate) use self::views::NoNode;

use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::body::Body;
use axum::http::{Response, StatusCode};
use config::checked::LogLevel;
use config::nsqadmin::Nsqadmin;
use http::answer::{TEXT, with_type};
use http::client::Client;
use http::{Asked, Budget, Names, Refusal, Row, answer, delete, get, post, put, quiet, under};
use telemetry::{error, warn};

use crate::fleet::{Addresses, Fleet, Outcome, Unavailable, Upstreams};
use crate::notify::Notifier;
use crate::{compress, graphite, option, page};

/// Environment variable with names that browsers may use, for the refusal of pages of other sites.
pub const NAMES_OPTION: &str = "NUTHATCH_HTTP_NAMES";

/// The daemon's log, as far as `/config` can change it.
pub trait LogKnob: Send + Sync {
    /// Least severe level that is logged.
    fn level(&self) -> LogLevel;

    /// Changes it.
    fn set_level(&self, level: LogLevel);
}

/// Parts of the daemon.
pub struct Parts {
    /// Its settings.
    pub settings: Nsqadmin,
    /// The version that is shown.
    pub version: &'static str,
    /// The machine's name.
    pub hostname: String,
    /// Asks the fleet.
    pub client: Client,
    /// Tells the notification endpoint.
    pub notifications: Client,
    /// Its log.
    pub log: Box<dyn LogKnob>,
}

/// The API; all connections share it.
pub struct Api {
    pub(crate) settings: Nsqadmin,
    pub(crate) version: &'static str,
    pub(crate) hostname: String,
    pub(crate) upstreams: Upstreams,
    pub(crate) log: Box<dyn LogKnob>,
    pub(crate) notifier: Option<Notifier>,
    pub(crate) budget: Budget,
    addresses: RwLock<Arc<Addresses>>,
    rows: &'static [Row<Api>],
}

/// Rows that are there with and without graphite.
const ROWS: &[Row<Api>] = &[
    quiet(get("/ping", |_, _| Box::pin(async { Ok(with_type(StatusCode::OK, TEXT, "OK")) }))),
    get("/", |api, asked| Box::pin(page::topics(api, asked))),
    get("/topics", |api, asked| Box::pin(page::topics(api, asked))),
    get("/topics/:topic", |api, asked| Box::pin(page::topic(api, asked))),
    get("/topics/:topic/:channel", |api, asked| Box::pin(page::channel(api, asked))),
    get("/nodes", |api, asked| Box::pin(page::nodes(api, asked))),
    get("/nodes/:node", |api, asked| Box::pin(page::node(api, asked))),
    get("/counter", |api, asked| Box::pin(page::counter(api, asked))),
    get("/lookup", |api, asked| Box::pin(page::lookup(api, asked))),
    post("/action", |api, asked| Box::pin(page::action(api, asked))),
    get("/static/:asset", |_, _| Box::pin(async { Ok(no_asset()) })),
    get("/fonts/:asset", |_, _| Box::pin(async { Ok(no_asset()) })),
    get("/api/topics", |api, asked| Box::pin(api.topics(asked))),
    get("/api/topics/:topic", |api, asked| Box::pin(api.topic(asked))),
    get("/api/topics/:topic/:channel", |api, asked| Box::pin(api.channel(asked))),
    get("/api/nodes", |api, _| Box::pin(api.nodes())),
    get("/api/nodes/:node", |api, asked| Box::pin(api.node(asked))),
    post("/api/topics", |api, asked| Box::pin(api.create(asked))),
    post("/api/topics/:topic", |api, asked| Box::pin(api.act(asked))),
    post("/api/topics/:topic/:channel", |api, asked| Box::pin(api.act(asked))),
    delete("/api/topics/:topic", |api, asked| Box::pin(api.delete(asked))),
    delete("/api/topics/:topic/:channel", |api, asked| Box::pin(api.delete(asked))),
    delete("/api/nodes/:node", |api, asked| Box::pin(api.tombstone(asked))),
    get("/api/counter", |api, _| Box::pin(api.counter())),
    get("/api/graphite", |api, asked| Box::pin(graphite::rate(api, asked))),
    get("/config/:opt", |api, asked| Box::pin(option::read(api, asked))),
    put("/config/:opt", |api, asked| Box::pin(option::write(api, asked))),
];

/// The row of graphite behind us.
const PROXY_ROWS: &[Row<Api>] = &[get("/render", |api, asked| Box::pin(graphite::render(api, asked)))];

/// nsqadmin's text for an asset that it does not have; pages of ours have none.
fn no_asset() -> Response<Body> {
    with_type(StatusCode::NOT_FOUND, TEXT, "NOT_FOUND")
}

impl http::Api for Api {
    fn rows(&self) -> &'static [Row<Api>] {
        self.rows
    }

    fn names(&self) -> Names<'_> {
        Names {
            known: [&self.hostname, "localhost"],
            listed: &self.settings.http_names,
            option: NAMES_OPTION,
        }
    }
}

impl Api {
    /// The service. Needs a tokio runtime, in which notifications are sent.
    pub fn router(parts: Parts) -> Router {
        let Parts { settings, version, hostname, client, notifications, log } = parts;
        let addresses = Addresses { lookups: settings.lookups.clone(), nsqds: settings.nsqds.clone() };
        let tables: &[&[Row<Api>]] = if settings.graphite.proxied { &[ROWS, PROXY_ROWS] } else { &[ROWS] };
        let api = Api {
            rows: under(&settings.base_path, tables),
            notifier: Notifier::start(&settings.notification_endpoint, notifications),
            upstreams: Upstreams::new(client),
            budget: Budget::new(option::VALUE_BYTES_MAX),
            addresses: RwLock::new(Arc::new(addresses)),
            settings,
            version,
            hostname,
            log,
        };
        compress::layer(http::router(Arc::new(api)))
    }

    /// Present addresses of the fleet.
    pub(crate) fn addresses(&self) -> Arc<Addresses> {
        Arc::clone(&self.addresses.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks other lookups from now on.
    pub(crate) fn set_lookups(&self, lookups: Vec<String>) {
        let mut addresses = self.addresses.write().unwrap_or_else(PoisonError::into_inner);
        *addresses = Arc::new(Addresses { lookups, nsqds: addresses.nsqds.clone() });
    }

    pub(crate) fn fleet(&self) -> Fleet {
        Fleet::new(self.upstreams.clone(), self.addresses())
    }
}

/// Warnings of all steps of one answer.
#[derive(Debug, Default)]
pub(crate) struct Warnings(Vec<String>);

impl Warnings {
    /// Takes the answer of a step and keeps its warnings.
    pub(crate) fn take<T>(&mut self, outcome: Outcome<T>) -> Result<T, Unavailable> {
        let gathered =
            outcome.inspect_err(|Unavailable(reason)| error!(reason, "the fleet did not answer"))?;
        if !gathered.warnings.is_empty() {
            let text = gathered.warnings.join("\n");
            warn!("{text}");
            self.0.push(text);
        }
        Ok(gathered.value)
    }

    /// As `message` has them.
    pub(crate) fn message(&self) -> String {
        if self.0.is_empty() { String::new() } else { format!("WARNING: {}", self.0.join("; ")) }
    }
}

impl From<Unavailable> for Refusal {
    fn from(Unavailable(reason): Unavailable) -> Refusal {
        Refusal::said(StatusCode::BAD_GATEWAY, format!("UPSTREAM_ERROR: {reason}"))
    }
}

/// An answer that is nothing but its warnings.
fn done(warnings: &Warnings) -> Response<Body> {
    #[derive(serde::Serialize)]
    struct Done {
        message: String,
    }
    answer::json(&Done { message: warnings.message() })
}

/// A word of the path.
pub(crate) fn word(asked: &Asked, at: usize) -> &str {
    asked.words.get(at).map_or("", String::as_str)
}
