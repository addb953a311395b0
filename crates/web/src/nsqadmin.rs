//! nsqadmin 1.3.0's paths and answers.
//!
//! | path | what |
//! |---|---|
//! | `/ping`, `/config/:opt` | as in every NSQ daemon |
//! | `/api/…` | the fleet as JSON, and changes to it |
//! | `/render` | graphite, if proxied |
//! | everything else | pages; their forms go to `/action` |
//!
//! Warnings go to `message`, next to the data that could be gathered; if no daemon answered, the answer is
//! 502 `UPSTREAM_ERROR`. Changes need a user of `admin-user`, if any is configured, and are sent to the
//! notification endpoint. With users of our own, pages are for those who may view, changes for operators.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Response, StatusCode};
use http::answer::{TEXT, with_type};
use http::{Asked, Budget, LoginDesk, Names, Row, delete, get, messages, open, post, put, quiet, under};
use ui::{Section, assets};

use crate::api::{Api, Site};
pub use crate::api::{LogKnob, Parts};
use crate::{compress, graphite, option, page};

/// Environment variable with the host names that browsers may use, to refuse pages of other sites.
pub const NAMES_OPTION: &str = "NUTHATCH_HTTP_NAMES";

/// Sections of the pages.
const SECTIONS: [Section; 5] = [
    Section { words: "Topics", path: "topics" },
    Section { words: "Nodes", path: "nodes" },
    Section { words: "Pools", path: "pools" },
    Section { words: "Counter", path: "counter" },
    Section { words: "Lookup", path: "lookup" },
];

/// Seconds between two refreshes of a page: each asks the whole fleet.
const REFRESH_SECONDS: u32 = 5;

/// Rows served with and without graphite.
const ROWS: &[Row<Api>] = &[
    open(quiet(get("/ping", |_, _| Box::pin(async { Ok(with_type(StatusCode::OK, TEXT, "OK")) })))),
    get("/", |api, asked| Box::pin(page::topics(api, asked))),
    get("/topics", |api, asked| Box::pin(page::topics(api, asked))),
    get("/topics/:topic", |api, asked| Box::pin(page::topic(api, asked))),
    get("/topics/:topic/:channel", |api, asked| Box::pin(page::channel(api, asked))),
    get("/nodes", |api, asked| Box::pin(page::nodes(api, asked))),
    get("/nodes/:node", |api, asked| Box::pin(page::node(api, asked))),
    get("/pools", |api, asked| Box::pin(page::pools(api, asked))),
    get("/pools/:node/:pool", |api, asked| Box::pin(page::pool(api, asked))),
    get("/pools/:node/:pool/:server", |api, asked| Box::pin(page::server(api, asked))),
    messages(get("/slowlog/:node/:pool", |api, asked| Box::pin(page::slow_log(api, asked)))),
    messages(get("/keys/:node/:pool", |api, asked| Box::pin(page::keys(api, asked)))),
    get("/counter", |api, asked| Box::pin(page::counter(api, asked))),
    get("/lookup", |api, asked| Box::pin(page::lookup(api, asked))),
    post("/action", |api, asked| Box::pin(page::action(api, asked))),
    messages(get("/messages/:topic", |api, asked| Box::pin(page::messages(api, asked)))),
    messages(get("/messages/:topic/:channel", |api, asked| Box::pin(page::messages(api, asked)))),
    get("/settings/:topic", |api, asked| Box::pin(page::settings(api, asked))),
    get("/settings/:topic/:channel", |api, asked| Box::pin(page::settings(api, asked))),
    quiet(get("/static/:asset", |_, asked| Box::pin(async move { Ok(asset(&asked)) }))),
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

/// Row of the graphite proxy.
const PROXY_ROWS: &[Row<Api>] = &[get("/render", |api, asked| Box::pin(graphite::render(api, asked)))];

/// A file of the pages, or nsqadmin's text for a missing one.
pub(crate) fn asset(asked: &Asked) -> Response<Body> {
    assets::answer(asked.word()).unwrap_or_else(no_asset)
}

fn no_asset() -> Response<Body> {
    with_type(StatusCode::NOT_FOUND, TEXT, "NOT_FOUND")
}

impl http::Api for Api {
    fn rows(&self) -> &'static [Row<Api>] {
        self.rows
    }

    fn names<T>(&self, with: impl FnOnce(&Names<'_>) -> T) -> T {
        let known = [self.hostname.as_str(), "localhost"];
        match &self.site.host {
            Some(host) => with(&Names { known, listed: &host.http_names(), option: "http_names in [admin]" }),
            None => with(&Names { known, listed: &self.settings.http_names, option: NAMES_OPTION }),
        }
    }

    fn desk(&self) -> Option<&LoginDesk> {
        Some(&self.desk)
    }
}

/// Builds the service. Needs a tokio runtime, in which notifications are sent.
pub fn router(parts: Parts) -> Router {
    let tables: &[&[Row<Api>]] = if parts.settings.graphite.proxied { &[ROWS, PROXY_ROWS] } else { &[ROWS] };
    let rows = under(&parts.settings.base_path, tables);
    let site =
        Site { product: "nsqadmin", sections: &SECTIONS, refresh_seconds: REFRESH_SECONDS, host: None };
    let api = Api::new(parts, rows, Budget::new(option::VALUE_BYTES_MAX), site);
    compress::layer(http::router(Arc::new(api)))
}
