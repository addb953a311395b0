//! The queue's HTTP API, bound with the queue and served on the control thread,
//! together with the push to statsd.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use config::checked::{self, Listen, LogLevel};
use config::endpoint::show_listen;
use config::nsqd::machine;
use http::{Listener, ServerTls, Stop, Tls, router, serve_at_most};
use net::{Binder, Handle};
use queue::Mail;
use queue::http::{About, Adjustable, Api, Surroundings};
use rustls::ServerConfig;
use telemetry::log::Log;
use telemetry::{error, warn};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use web::process::ApiSlot;

use super::ask::ask;
use super::live::{Live, Parts};
use super::lookups::Lookups;
use super::tls::https;
use crate::start_error::{Place, StartError};
use crate::users::ProcessUsers;
use crate::{bind, log_level};

/// The listeners, bound.
pub struct Bound {
    http: Option<Listener>,
    https: Option<Listener>,
    /// TLS for clients of the queue.
    tls: Option<Arc<ServerConfig>>,
    /// Replaces the certificate of the HTTPS listener.
    certificate: Option<watch::Sender<ServerTls>>,
}

impl Bound {
    /// Binds everything configured.
    ///
    /// # Errors
    /// The address that cannot be bound, and the reason.
    pub fn new(
        settings: &checked::Queue,
        tls: Option<&Arc<ServerConfig>>,
        binder: &mut Binder,
    ) -> Result<Bound, StartError> {
        let mut bind = |place: Place, listen: &Listen, tls: Option<Tls>| {
            let socket = bind::bind(listen, binder)
                .map_err(|error| StartError::Listen(place, listen.clone(), error))?;
            Listener::following(socket, tls)
                .map_err(|error| StartError::Other(format!("cannot serve HTTP: {error}")))
        };
        let http = settings.http.as_ref().map(|listen| bind(Place::QueueHttp, listen, None)).transpose()?;
        let (certificate, follower) = tls
            .map(|tls| watch::channel(https(tls, settings)))
            .map_or((None, None), |(s, r)| (Some(s), Some(r)));
        let https = match (settings.https.as_ref(), follower) {
            (Some(listen), Some(tls)) => Some(bind(Place::QueueHttps, listen, Some(tls))?),
            _ => None,
        };
        Ok(Bound { http, https, tls: tls.cloned(), certificate })
    }

    /// The port of plain HTTP; 0 if disabled or a unix socket.
    pub fn http_port(&self) -> u16 {
        port(self.http.as_ref()).unwrap_or(0)
    }

    /// Listeners, by name.
    pub fn listening(&self, settings: &checked::Queue) -> Vec<(&'static str, String)> {
        let sides = [("HTTP", &self.http, &settings.http), ("HTTPS", &self.https, &settings.https)];
        let shown = |listener: &Listener, listen: &Listen| {
            listener.local_address().map_or_else(|| show_listen(listen), |address| address.to_string())
        };
        sides
            .into_iter()
            .filter_map(|(name, listener, listen)| Some((name, shown(listener.as_ref()?, listen.as_ref()?))))
            .collect()
    }
}

fn port(listener: Option<&Listener>) -> Option<u16> {
    Some(listener?.local_address()?.port())
}

/// The HTTP API, ready to be served.
pub struct Http {
    bound: Bound,
    settings: Arc<checked::Queue>,
    tcp: Option<SocketAddr>,
    shard: Handle<Mail>,
    lookups: Lookups,
    own_lookup: Option<SocketAddr>,
    /// Connection limit of each listener.
    connections_max: usize,
    users: Option<ProcessUsers>,
    /// Slot in which the admin port finds the API.
    slot: ApiSlot,
    surroundings: Option<Arc<dyn Surroundings>>,
}

impl Http {
    /// Builds the HTTP API.
    pub fn new(
        bound: Bound,
        settings: &checked::Queue,
        tcp: Option<SocketAddr>,
        shard: Handle<Mail>,
        lookups: Lookups,
        own_lookup: Option<SocketAddr>,
        connections_max: usize,
    ) -> Http {
        Http {
            bound,
            settings: Arc::new(settings.clone()),
            tcp,
            shard,
            lookups,
            own_lookup,
            connections_max,
            users: None,
            slot: ApiSlot::default(),
            surroundings: None,
        }
    }

    /// Sets the users as which clients log in.
    #[must_use]
    pub fn with_users(self, users: ProcessUsers) -> Http {
        Http { users: Some(users), ..self }
    }

    /// Shows the API to the admin port while it is served.
    #[must_use]
    pub fn shown_in(self, slot: ApiSlot) -> Http {
        Http { slot, ..self }
    }

    /// Sets the process whose pools the API shows.
    #[must_use]
    pub fn within(self, surroundings: Arc<dyn Surroundings>) -> Http {
        Http { surroundings: Some(surroundings), ..self }
    }

    /// Serves until `stop`. Needs a tokio runtime.
    pub fn spawn(self, log: &Log, stop: &Stop) -> Serving {
        let number = |port: Option<u16>| port.map_or(-1, i64::from);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let http_port = port(self.bound.http.as_ref());
        let about = About {
            hostname: machine::hostname(),
            tcp_port: number(self.tcp.map(|address| address.port())),
            http_port: number(http_port),
            https_port: number(port(self.bound.https.as_ref())),
            started: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        };
        let knobs = Knobs { lookups: self.lookups.clone(), log: log.clone() };
        let settings = Arc::clone(&self.settings);
        let api = Api::new(about, Arc::clone(&settings), ask(&self.shard), Arc::new(knobs));
        let api = match self.users {
            Some(users) => api.with_logins(Arc::clone(users.desk())),
            None => api,
        };
        let api = Arc::new(match self.surroundings {
            Some(surroundings) => api.within(surroundings),
            None => api,
        });
        let live = Live::new(Parts {
            settings,
            shard: self.shard,
            api: Arc::clone(&api),
            tls: self.bound.tls,
            certificate: self.bound.certificate,
            lookups: self.lookups,
            own_lookup: self.own_lookup,
            tcp: self.tcp,
            http_port: http_port.unwrap_or(0),
        });
        let connections_max = self.connections_max;
        self.slot.set(router(Arc::clone(&api)));
        let mut listeners = JoinSet::new();
        for listener in [self.bound.http, self.bound.https].into_iter().flatten() {
            let (router, stop) = (router(Arc::clone(&api)), stop.clone());
            listeners.spawn(async move {
                if let Err(error) = serve_at_most(connections_max, listener, router, stop).await {
                    error!(%error, "HTTP API failed");
                }
            });
        }
        Serving { listeners, live: Some(live) }
    }
}

/// The HTTP API, being served.
pub struct Serving {
    listeners: JoinSet<()>,
    /// Applies other settings to the running queue.
    pub live: Option<Live>,
}

impl Serving {
    /// Waits until it has stopped and every pending request is answered, at most `patience`.
    pub async fn finish(mut self, patience: Duration) {
        let all = async { while self.listeners.join_next().await.is_some() {} };
        if timeout(patience, all).await.is_err() {
            warn!("HTTP requests aborted at shutdown");
        }
    }
}

/// The settings that `/config` can change.
struct Knobs {
    lookups: Lookups,
    log: Log,
}

impl Adjustable for Knobs {
    fn lookup_addresses(&self) -> Vec<String> {
        self.lookups.get()
    }

    fn set_lookup_addresses(&self, addresses: Vec<String>) {
        self.lookups.set(addresses);
    }

    fn log_level(&self) -> LogLevel {
        log_level::level(self.log.verbosity())
    }

    fn set_log_level(&self, level: LogLevel) {
        self.log.set_verbosity(log_level::verbosity(level));
    }
}
