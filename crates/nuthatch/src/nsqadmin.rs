//! nsqadmin: its listener, bound with all others, and its API on the control thread.

use std::net::ToSocketAddrs;
use std::path::Path;
use std::sync::Arc;

use config::checked::LogLevel;
use config::endpoint::show_listen;
use config::nsqadmin::{HttpClient, Nsqadmin};
use config::nsqd::{VERSION, machine};
use http::client::{Client, Limits};
use http::{Listener, LoginDesk, Stop, serve_at_most};
use net::{Binder, tls};
use rustls::ClientConfig;
use telemetry::error;
use telemetry::log::Log;
use tokio::task::JoinHandle;
use web::fleet::Upstreams;
use web::nsqadmin::{LogKnob, Parts, router};

use crate::start_error::{Place, StartError};
use crate::{bind, log_level};

/// Size limit of another daemon's answer, in bytes: statistics of a hundred
/// thousand topics have tens of megabytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Environment variable with the login at lookups and queues that have users.
const LOGIN: &str = "NUTHATCH_FLEET_LOGIN";

/// nsqadmin, bound but not yet served.
pub struct Admin {
    listener: Listener,
    settings: Nsqadmin,
    /// Connection limit.
    http_max: usize,
    /// The address as bound.
    pub listening: String,
}

/// Binds the listener.
///
/// # Errors
/// The reason it cannot be bound.
pub fn start(settings: &Nsqadmin, http_max: usize, binder: &mut Binder) -> Result<Admin, StartError> {
    let refused = |error| StartError::Listen(Place::Nsqadmin, settings.http.clone(), error);
    let socket = bind::bind(&settings.http, binder).map_err(refused)?;
    let listener = Listener::new(socket, None).map_err(|error| format!("cannot serve HTTP: {error}"))?;
    let bound = listener.local_address();
    let listening = bound.map_or_else(|| show_listen(&settings.http), |address| address.to_string());
    Ok(Admin { listener, settings: settings.clone(), http_max, listening })
}

impl Admin {
    /// Serves until `stop`; the task ends after the last request. Needs a tokio runtime.
    pub fn spawn(self, log: &Log, stop: &Stop, desk: Arc<LoginDesk>) -> JoinHandle<()> {
        let login = std::env::var(LOGIN).ok().filter(|login| !login.is_empty());
        let parts = Parts {
            upstreams: Upstreams::new(
                client(&self.settings.client, tls_config(&self.settings.client).ok().flatten()),
                login.as_deref(),
            ),
            desk,
            notifications: client(&self.settings.client, trusting_the_system(None).ok().flatten()),
            version: VERSION,
            hostname: machine::hostname(),
            log: Box::new(Knob(log.clone())),
            settings: self.settings,
        };
        let (stop, http_max, listener) = (stop.clone(), self.http_max, self.listener);
        tokio::spawn(async move {
            if let Err(error) = serve_at_most(http_max, listener, router(parts), stop).await {
                error!(%error, "HTTP API of nsqadmin failed");
            }
        })
    }
}

fn client(settings: &HttpClient, tls: Option<Arc<ClientConfig>>) -> Client {
    let limits = Limits {
        connect_timeout: settings.connect_timeout,
        request_timeout: settings.request_timeout,
        body_bytes_max: ANSWER_BYTES_MAX,
    };
    Client::new(limits, tls)
}

/// Checks that the TLS files are usable and that the name of every address resolves.
///
/// # Errors
/// nsqadmin's reason.
pub fn verify(settings: &Nsqadmin) -> Result<(), String> {
    tls_config(&settings.client)?;
    for (flag, addresses) in
        [("lookupd-http-address", &settings.lookups), ("nsqd-http-address", &settings.nsqds)]
    {
        for address in addresses.iter().filter(|address| !address.is_empty()) {
            resolve(address)
                .map_err(|reason| format!("failed to resolve --{flag} ({address}) - {reason}"))?;
        }
    }
    Ok(())
}

fn resolve(address: &str) -> Result<(), String> {
    let (host, _) = address.rsplit_once(':').unwrap_or((address, ""));
    let host = host.trim_matches(['[', ']']);
    if host.is_empty() {
        return Ok(());
    }
    let found = (host, 0).to_socket_addrs().map_err(|error| error.to_string());
    found.map(|_| ()).map_err(|_| format!("lookup {host}: no such host"))
}

/// TLS towards other daemons; `None` if no authority is known, so that only `https` fails.
fn tls_config(settings: &HttpClient) -> Result<Option<Arc<ClientConfig>>, String> {
    let identity = match &settings.identity {
        None => None,
        Some((certificate, key)) => {
            let failed = |why: String| {
                format!("failed to LoadX509KeyPair {}, {} - {why}", certificate.display(), key.display())
            };
            let both = (read(certificate).map_err(failed)?, read(key).map_err(failed)?);
            let own = Some((&both.0[..], &both.1[..]));
            tls::unverified_client_config(own, tls::MinVersion::Tls12)
                .map_err(|error| failed(error.to_string()))?;
            Some(both)
        }
    };
    let own = identity.as_ref().map(|(certificate, key)| (&certificate[..], &key[..]));
    let roots = match &settings.root_ca {
        None => None,
        Some(path) => {
            let failed = |why| format!("failed to read TLS root CA file {} - {why}", path.display());
            Some((read(path).map_err(failed)?, path))
        }
    };
    match roots {
        Some((roots, path)) => {
            let made = tls::client_config(&roots, own, tls::MinVersion::Tls12);
            let made = made.map_err(|_| format!("failed to AppendCertsFromPEM {}", path.display()))?;
            if settings.insecure { unverified(own) } else { Ok(Some(made)) }
        }
        None if settings.insecure => unverified(own),
        None => trusting_the_system(own),
    }
}

type Identity<'a> = Option<(&'a [u8], &'a [u8])>;

fn unverified(own: Identity<'_>) -> Result<Option<Arc<ClientConfig>>, String> {
    tls::unverified_client_config(own, tls::MinVersion::Tls12).map(Some).map_err(|error| error.to_string())
}

fn trusting_the_system(own: Identity<'_>) -> Result<Option<Arc<ClientConfig>>, String> {
    let Some(roots) = tls::system_roots() else { return Ok(None) };
    tls::client_config(&roots, own, tls::MinVersion::Tls12).map(Some).map_err(|error| error.to_string())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("open {}: {}", path.display(), machine::error_text(&error)))
}

/// The log settings that `/config` can change.
pub struct Knob(pub Log);

impl LogKnob for Knob {
    fn level(&self) -> LogLevel {
        log_level::level(self.0.verbosity())
    }

    fn set_level(&self, level: LogLevel) {
        self.0.set_verbosity(log_level::verbosity(level));
    }
}
