//! The pages of topics and channels over the queue of this process, served behind the admin port's own.
//!
//! They are nsqadmin's pages over a fleet of one, which is asked without a socket ([`OwnQueue`]).

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use config::nsqadmin::{Nsqadmin, PROGRAM, check};
use http::client::{Client, Limits};
use http::{Budget, LoginDesk, Row, get, messages, post, quiet, under};
use ui::{Host, Section};

use crate::api::{Api, LogKnob, Parts, Site};
use crate::fleet::Upstreams;
pub use crate::fleet::{OwnAnswer, OwnQueue};
use crate::page;

/// Most bytes of forms that are being read.
const FORMS_BYTES_MAX: u64 = 4 << 20;
/// The only address of the fleet; never resolved.
const ADDRESS: &str = "process:1";

const ROWS: &[Row<Api>] = &[
    quiet(get("/topics", |api, asked| Box::pin(page::topics(api, asked)))),
    quiet(get("/topics/:topic", |api, asked| Box::pin(page::topic(api, asked)))),
    quiet(get("/topics/:topic/:channel", |api, asked| Box::pin(page::channel(api, asked)))),
    quiet(get("/settings/:topic", |api, asked| Box::pin(page::settings(api, asked)))),
    quiet(get("/settings/:topic/:channel", |api, asked| Box::pin(page::settings(api, asked)))),
    messages(get("/messages/:topic", |api, asked| Box::pin(page::messages(api, asked)))),
    messages(get("/messages/:topic/:channel", |api, asked| Box::pin(page::messages(api, asked)))),
    quiet(get("/counter", |api, asked| Box::pin(page::counter(api, asked)))),
    post("/action", |api, asked| Box::pin(page::action(api, asked))),
];

/// The queue's HTTP API while it is served.
#[derive(Clone, Default)]
pub struct ApiSlot(Arc<Mutex<Option<Router>>>);

impl ApiSlot {
    /// The API; None before the first.
    pub fn get(&self) -> Option<Router> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts an API in place of the one before.
    pub fn set(&self, api: Router) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(api);
    }
}

/// Parts of the process that the pages need.
pub struct Process {
    /// Version of the program.
    pub version: &'static str,
    /// Host name of the machine.
    pub hostname: String,
    /// The queue.
    pub queue: Arc<dyn OwnQueue>,
    /// The process itself: its verdict, its history, its events.
    pub host: Arc<dyn Host>,
    /// Sections of the site.
    pub sections: &'static [Section],
    /// Seconds between two refreshes of a page.
    pub refresh_seconds: u32,
    /// The desk of the process; the admin port has asked it before.
    pub desk: Arc<LoginDesk>,
    /// Log of the daemon.
    pub log: Box<dyn LogKnob>,
}

/// Builds the service. Logins and the site of a request are checked before it.
pub fn router(process: Process) -> Router {
    let Process { version, hostname, queue, host, sections, refresh_seconds, desk, log } = process;
    let settings = alone();
    let client = Client::new(Limits::default(), None);
    let parts = Parts {
        settings,
        version,
        hostname,
        upstreams: Upstreams::own(queue),
        desk,
        notifications: client,
        log,
    };
    let site = Site { product: "nuthatch", sections, refresh_seconds, host: Some(host) };
    http::router(Arc::new(Api::new(parts, under("/", &[ROWS]), Budget::new(FORMS_BYTES_MAX), site)))
}

/// Settings of a fleet of one.
fn alone() -> Nsqadmin {
    let flag = format!("-nsqd-http-address={ADDRESS}");
    let values = PROGRAM.from_arguments(&[flag]).ok();
    values.and_then(|values| check(&values).ok()).expect("an address is all that nsqadmin needs")
}
