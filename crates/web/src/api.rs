//! State of the API, shared by its requests, and the work behind them: views of the fleet and changes to it.

pub(crate) mod changes;
pub(crate) mod overview;
pub(crate) mod views;
mod warnings;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use config::checked::LogLevel;
use config::nsqadmin::Nsqadmin;
use http::client::Client;
use http::{Asked, Budget, HttpRefusal, LoginDesk, Row, answer};
use tokio::sync::Mutex;
use ui::{Host, Section};

use self::overview::Overview;
pub(crate) use self::warnings::Warnings;
use crate::fleet::{Addresses, Fleet, NodePools, Unavailable, Upstreams};
use crate::notify::Notifier;
use crate::source::Source;

/// The part of the daemon's log that `/config` can change.
pub trait LogKnob: Send + Sync {
    /// Least severe level that is logged.
    fn level(&self) -> LogLevel;

    /// Changes the level.
    fn set_level(&self, level: LogLevel);
}

/// Parts of the daemon.
pub struct Parts {
    /// Settings.
    pub settings: Nsqadmin,
    /// Version shown on the pages.
    pub version: &'static str,
    /// Host name of the machine.
    pub hostname: String,
    /// Access to the fleet.
    pub upstreams: Upstreams,
    /// The desk at which its own clients log in.
    pub desk: Arc<LoginDesk>,
    /// Client for the notification endpoint.
    pub notifications: Client,
    /// Log of the daemon.
    pub log: Box<dyn LogKnob>,
}

/// The API, shared by all connections.
pub struct Api {
    pub(crate) settings: Nsqadmin,
    pub(crate) version: &'static str,
    pub(crate) hostname: String,
    pub(crate) upstreams: Upstreams,
    pub(crate) log: Box<dyn LogKnob>,
    pub(crate) notifier: Option<Notifier>,
    pub(crate) budget: Budget,
    addresses: RwLock<Arc<Addresses>>,
    /// The desk at which clients log in.
    pub(crate) desk: Arc<LoginDesk>,
    /// Routes of the daemon.
    pub(crate) rows: &'static [Row<Api>],
    /// The site that the pages belong to.
    pub(crate) site: Site,
    /// Topics of all queues, as last gathered.
    pub(crate) overview: Mutex<Option<(Instant, Arc<Overview>)>>,
    /// Pools of all nodes, as last gathered, and what went wrong then.
    pub(crate) pools: Mutex<Option<(Instant, FoundPools)>>,
}

/// Pools of all nodes, and what went wrong while they were gathered.
pub(crate) type FoundPools = (Arc<Vec<NodePools>>, Warnings);

/// The site that the pages belong to.
pub(crate) struct Site {
    /// Its name.
    pub product: &'static str,
    /// Its sections.
    pub sections: &'static [Section],
    /// Seconds between two refreshes of a page.
    pub refresh_seconds: u32,
    /// The process, if the pages are those of its own queue.
    pub host: Option<Arc<dyn Host>>,
}

impl Api {
    /// State of a daemon made of `parts`; request bodies that change settings are charged to `budget`. Needs
    /// a tokio runtime, in which notifications are sent.
    pub(crate) fn new(parts: Parts, rows: &'static [Row<Api>], budget: Budget, site: Site) -> Api {
        let Parts { settings, version, hostname, upstreams, desk, notifications, log } = parts;
        let addresses = Addresses {
            lookups: settings.lookups.clone(),
            nsqds: settings.nsqds.clone(),
            admins: settings.admins.clone(),
        };
        Api {
            rows,
            site,
            overview: Mutex::default(),
            pools: Mutex::default(),
            notifier: Notifier::start(settings.notification_endpoint.reveal(), notifications),
            upstreams,
            desk,
            budget,
            addresses: RwLock::new(Arc::new(addresses)),
            settings,
            version,
            hostname,
            log,
        }
    }

    /// Current addresses of the fleet.
    pub(crate) fn addresses(&self) -> Arc<Addresses> {
        Arc::clone(&self.addresses.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the lookups to query.
    pub(crate) fn set_lookups(&self, lookups: Vec<String>) {
        let mut addresses = self.addresses.write().unwrap_or_else(PoisonError::into_inner);
        *addresses = Arc::new(Addresses { lookups, ..(**addresses).clone() });
    }

    /// Source of figures over all topics.
    pub(crate) fn source(&self) -> Box<dyn Source> {
        match self.upstreams.own_queue() {
            Some(queue) => Box::new(Arc::clone(queue)),
            None => Box::new(self.fleet()),
        }
    }

    pub(crate) fn fleet(&self) -> Fleet {
        Fleet::new(self.upstreams.clone(), self.addresses())
    }
}

impl From<Unavailable> for HttpRefusal {
    fn from(Unavailable(reason): Unavailable) -> HttpRefusal {
        HttpRefusal::said(StatusCode::BAD_GATEWAY, format!("UPSTREAM_ERROR: {reason}"))
    }
}

/// Answer that contains only warnings.
fn done(warnings: &Warnings) -> Response<Body> {
    #[derive(serde::Serialize)]
    struct Done {
        message: String,
    }
    answer::json(&Done { message: warnings.message() })
}

/// Word of the path.
pub(crate) fn word(asked: &Asked, at: usize) -> &str {
    asked.words.get(at).map_or("", String::as_str)
}
