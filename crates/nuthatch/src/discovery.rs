//! Start and stop of the lookup: its listener and shard, and its HTTP API on the control thread.
//!
//! ```text
//! nodes ─V1──▶ shard "lookup" (lookup::Lookup)
//!                 │ ▲ mail
//! consumers ─HTTP─┴─┴─▶ control thread: lookup::http
//! ```

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use config::checked::{Listen, Lookup};
use config::endpoint::show_listen;
use config::nsqd::{VERSION, machine};
use http::{Listener, LoginDesk, Stop, router, serve_at_most};
use lookup::http::{About, Api, Record};
use lookup::{Lifetimes, Limits, Mail, Options, Snapshot};
use net::{Binder, EventLoop, Handle, Resolver, Shard};
use telemetry::error;
use wire::nsq::lookup::Node;

use tokio::task::JoinHandle;

use crate::bind::bind;
use crate::descriptors::Descriptors;
use crate::lookup_snapshot;
use crate::proxy_service::address;
use crate::service::Service;
use crate::start_error::{Place, StartError};

/// Backlog of the listener; nsqlookupd uses Go's default, which is the system's.
const BACKLOG: u32 = 4096;

/// The running lookup.
pub struct Discovery {
    handle: Handle<Mail>,
    thread: thread::JoinHandle<io::Result<()>>,
    api: Arc<Api>,
    /// Addresses of nodes and of the HTTP API; None for a unix socket.
    bound: [Option<SocketAddr>; 2],
    /// Listeners, by name.
    pub listening: [(&'static str, String); 2],
}

/// The lookup with both listeners bound.
pub struct BoundLookup {
    listeners: Vec<net::Listener>,
    http: Listener,
}

/// Binds both listeners.
///
/// # Errors
/// The fault; each face words it in its own way.
pub fn bind_listeners(settings: &Lookup, binder: &mut Binder) -> Result<BoundLookup, StartError> {
    let refused = |place, listen: &Listen, error| StartError::Listen(place, listen.clone(), error);
    let listeners = binder
        .bind(&address(&settings.tcp), BACKLOG, 1, 0)
        .map_err(|error| refused(Place::LookupTcp, &settings.tcp, error))?;
    let socket =
        bind(&settings.http, binder).map_err(|error| refused(Place::LookupHttp, &settings.http, error))?;
    let http = Listener::new(socket, None).map_err(|error| format!("cannot serve HTTP: {error}"))?;
    Ok(BoundLookup { listeners, http })
}

impl BoundLookup {
    /// Address where a queue of this process registers; None for a unix socket.
    pub fn own_address(&self) -> Option<SocketAddr> {
        let bound = self.tcp()?;
        let loopback = match bound {
            SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
        };
        let is_any = bound.ip().is_unspecified();
        Some(SocketAddr::new(if is_any { loopback } else { bound.ip() }, bound.port()))
    }

    fn tcp(&self) -> Option<SocketAddr> {
        self.listeners.first().and_then(net::Listener::local_address)
    }

    /// Starts the shard, which answers from the snapshot until nodes have registered.
    ///
    /// # Errors
    /// The system's error.
    pub fn run(
        self,
        settings: &Lookup,
        restored: Option<Snapshot>,
        descriptors: &Descriptors,
        desk: Arc<LoginDesk>,
    ) -> Result<(Discovery, LookupHttp), StartError> {
        let tcp = self.tcp();
        let BoundLookup { listeners, http } = self;
        let bound = [tcp, http.local_address()];
        let options = options(settings, bound);
        let failed = |error: io::Error| format!("cannot start the lookup: {error}");
        let shard: Shard<Mail> = Shard::new(listeners, Resolver::start().map_err(failed)?)
            .map_err(failed)?
            .limiting(descriptors.places.clone());
        let handle = shard.handle();
        let sender = handle.clone();
        let send = Box::new(move |request, reply| sender.request(Mail::Request(request, reply)));
        let api = Arc::new(Api::new(about(settings), send).with_logins(desk));
        let shown = |bound: Option<SocketAddr>, listen| {
            bound.map_or_else(|| show_listen(listen), |address| address.to_string())
        };
        let listening =
            [("TCP", shown(tcp, &settings.tcp)), ("HTTP", shown(http.local_address(), &settings.http))];
        let lifetime = settings.snapshot_lifetime;
        let made = move |io: &mut EventLoop| {
            let mut lookup = lookup::Lookup::new(options);
            if let Some(snapshot) = restored {
                lookup.restore(io, &snapshot, lifetime);
            }
            lookup
        };
        let thread = thread::Builder::new().name("lookup".into());
        let thread = thread.spawn(move || shard.run(made).map(|_| ())).map_err(failed)?;
        let http = LookupHttp {
            shard: handle.clone(),
            api: Arc::clone(&api),
            listener: http,
            connections_max: descriptors.shares.http,
            snapshot: settings.snapshot.clone(),
        };
        Ok((Discovery { handle, thread, api, bound, listening }, http))
    }
}

/// Identity of the HTTP API.
fn about(settings: &Lookup) -> About {
    About {
        version: VERSION,
        hostname: machine::hostname(),
        broadcast_address: settings.broadcast_address.clone(),
        names: settings.http_names.clone(),
    }
}

fn options(settings: &Lookup, [tcp, http]: [Option<SocketAddr>; 2]) -> Options {
    // A unix socket has no port to report; nsqd ignores the value.
    let port = |bound: Option<SocketAddr>| bound.map_or(0, |address| i64::from(address.port()));
    Options {
        node: Node {
            broadcast_address: settings.broadcast_address.clone(),
            hostname: machine::hostname(),
            http_port: port(http),
            tcp_port: port(tcp),
            version: VERSION.to_owned(),
            ..Node::default()
        },
        lifetimes: Lifetimes {
            inactive: settings.inactive_producer_timeout,
            tombstone: settings.tombstone_lifetime,
        },
        limits: Limits {
            names_max: usize::try_from(settings.max_names).unwrap_or(usize::MAX),
            ..Limits::default()
        },
        connections_max: settings.max_connections as usize,
        magic_timeout: settings.magic_timeout,
        ..Options::default()
    }
}

/// The lookup's HTTP API, bound but not yet served.
pub struct LookupHttp {
    shard: Handle<Mail>,
    api: Arc<Api>,
    listener: Listener,
    connections_max: usize,
    snapshot: Option<PathBuf>,
}

impl LookupHttp {
    /// Serves the API until `stop`, has its changes recorded, and saves the snapshot. The task, if there is
    /// one, ends after the last snapshot. Needs a tokio runtime.
    pub fn spawn(self, stop: &Stop, record: Record) -> Option<JoinHandle<()>> {
        let LookupHttp { shard, api, listener, connections_max, snapshot } = self;
        api.recorded_by(record);
        let kept =
            snapshot.map(|path| tokio::spawn(lookup_snapshot::keep(shard.clone(), path, stop.clone())));
        let router = router(api);
        let stop = stop.clone();
        tokio::spawn(async move {
            if let Err(error) = serve_at_most(connections_max, listener, router, stop).await {
                error!(%error, "HTTP API of the lookup failed");
            }
        });
        kept
    }
}

impl Discovery {
    /// Applies new settings. Listeners and the snapshot stay as they are.
    pub fn configure(&self, settings: &Lookup) {
        self.api.configure(about(settings));
        self.handle.send(Mail::Configure(Box::new(options(settings, self.bound))));
    }

    /// Handle of the shard, for queries by mail.
    pub fn shard(&self) -> Handle<Mail> {
        self.handle.clone()
    }
}

impl Service for Discovery {
    fn close_listeners(&self) {
        self.handle.close_listeners();
    }

    /// Stops the shard. Nodes notice the closed connections, and register elsewhere or again.
    fn stop(self: Box<Self>, deadline: Duration) {
        self.handle.stop(deadline);
        let _ = self.thread.join();
    }
}
