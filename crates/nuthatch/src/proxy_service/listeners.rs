//! Listeners of pools: those of a generation, compared with the existing ones.
//!
//! ```text
//! plan ─▶ bound already: stays, for another pool or with other options perhaps ┐
//!      ├▶ new: bound, for each shard that serves its pool                      ├─▶ shards, by mail
//!      └▶ not there any more: goes                                             ┘
//! ```
//! Listeners are matched by address, so that clients do not notice when a pool is renamed. Existing listeners
//! do not change before the shards get mail.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use config::checked::{Listen, PoolListen, Protocol};
use config::endpoint::show_listen;
use net::{BindError, ListenAddress, ListenOptions, Listener, ListenerId, ServerTls, SocketFile};
use proxy::{Generation, ListenerChange, PoolId, PoolPlan, has_local};

use crate::start_error::{Place, StartError};

/// A listener of a pool, on all shards that serve it.
#[derive(Debug, Clone)]
pub struct PoolListener {
    /// The service, for the operator.
    pub what: String,
    /// The address as it is configured.
    listen: Listen,
    /// The address as bound; None for a unix socket.
    bound: Option<SocketAddr>,
    pub id: ListenerId,
    pool: PoolId,
    shards: usize,
    backlog: u32,
    keepalive: Option<Duration>,
    /// True if clients speak TLS there.
    tls: bool,
    file: Option<SocketFile>,
}

impl PoolListener {
    /// The address for people.
    pub fn shown(&self) -> String {
        self.bound.map_or_else(|| show_listen(&self.listen), |address| address.to_string())
    }

    /// True if binding `listen` could conflict with this listener.
    fn overlaps(&self, listen: &Listen) -> bool {
        match (&self.listen, listen) {
            (Listen::Tcp { port: own, .. }, Listen::Tcp { port, .. }) => own == port && *port != 0,
            (Listen::Unix { path: own, .. }, Listen::Unix { path, .. }) => own == path,
            _ => false,
        }
    }

    /// True if this listener fits a pool with `listen` on this number of shards.
    fn serves(&self, listen: &Listen, shards: usize) -> bool {
        let same = match (&self.listen, listen) {
            (Listen::Unix { path: own, .. }, Listen::Unix { path, .. }) => own == path,
            (own, listen) => own == listen,
        };
        same && self.shards == shards
    }
}

/// Function that binds a listener of a pool.
pub type Bind<'a> = &'a mut dyn FnMut(&Wanted<'_>) -> Result<Vec<Listener>, BindError>;

/// A listener to bind.
pub struct Wanted<'a> {
    /// The address.
    pub address: &'a ListenAddress,
    /// Backlog of connections not yet accepted.
    pub backlog: u32,
    /// Number of shards, each with a socket.
    pub shards: usize,
    /// Key of its clients' pool.
    pub tag: u32,
    /// True if this process already listens at the address, or at one that includes it.
    pub is_ours: bool,
}

/// Transition to the listeners of a generation.
pub struct Listeners {
    /// Listeners of the generation, in its order.
    pub all: Vec<PoolListener>,
    /// New sockets of each shard.
    new: Vec<Vec<Listener>>,
    set: Vec<(ListenerId, ListenOptions)>,
    modes: Vec<(PathBuf, u32)>,
    gone: Vec<PoolListener>,
    /// Files of new unix sockets, removed with them unless the step is taken.
    files: NewFiles,
}

#[derive(Default)]
struct NewFiles(Vec<SocketFile>);

impl Drop for NewFiles {
    fn drop(&mut self) {
        for file in &self.0 {
            let _ = file.remove();
        }
    }
}

/// Compares the existing listeners with those of a generation on `threads` shards, and binds new ones. The
/// addresses of `leaving` listeners may still be bound for a moment.
///
/// # Errors
/// The address that cannot be bound, and the reason; nothing has changed.
pub fn plan(
    (before, leaving): (&[PoolListener], &[PoolListener]),
    generation: &Generation,
    threads: usize,
    bind: Bind<'_>,
) -> Result<Listeners, StartError> {
    let mut planned = Listeners {
        all: Vec::new(),
        new: (0..threads).map(|_| Vec::new()).collect(),
        set: Vec::new(),
        modes: Vec::new(),
        gone: before.to_vec(),
        files: NewFiles::default(),
    };
    let wanted =
        || generation.pools.iter().flat_map(|pool| pool.config.listen.iter().map(move |at| (pool, at)));
    // A pool with port 0 keeps its own port rather than take another pool's.
    let kept: Vec<Option<PoolListener>> =
        wanted().map(|(pool, listen)| planned.keep(pool, listen, shards_of(pool, threads))).collect();
    let ours: Vec<&PoolListener> = before.iter().chain(leaving).collect();
    for ((pool, listen), kept) in wanted().zip(kept) {
        let listener = match kept {
            Some(listener) => listener,
            None => planned.bind(&ours, pool, listen, shards_of(pool, threads), bind)?,
        };
        planned.all.push(listener);
    }
    Ok(planned)
}

/// Number of shards that serve a pool: the embedded cache lives on one, without locks,
/// and so do the clients of its pool.
fn shards_of(pool: &PoolPlan, threads: usize) -> usize {
    if has_local(&pool.config) { 1 } else { threads }
}

impl Listeners {
    /// The existing listener, if it fits this pool.
    fn keep(&mut self, pool: &PoolPlan, wanted: &PoolListen, shards: usize) -> Option<PoolListener> {
        let PoolListen { address: listen, tls } = wanted;
        let is_any_port = matches!(listen, Listen::Tcp { port: 0, .. });
        let serves =
            |known: &PoolListener| known.serves(listen, shards) && (known.pool == pool.id || !is_any_port);
        let at = self.gone.iter().position(serves)?;
        let known = self.gone.remove(at);
        let (backlog, keepalive) = (pool.config.backlog, pool.config.keepalive);
        let same = known.pool == pool.id && known.backlog == backlog && known.keepalive == keepalive;
        // With TLS, the certificate may have changed.
        if !same || known.tls || *tls {
            let backlog = (known.backlog != backlog).then_some(backlog);
            self.set.push((known.id, ListenOptions { backlog, ..options(pool, wanted) }));
        }
        if let Listen::Unix { path, mode: Some(mode) } = listen
            && known.listen != *listen
        {
            self.modes.push((path.clone(), *mode));
        }
        Some(PoolListener {
            what: what(pool, wanted),
            listen: listen.clone(),
            pool: pool.id,
            backlog,
            keepalive,
            tls: *tls,
            ..known
        })
    }

    fn bind(
        &mut self,
        ours: &[&PoolListener],
        pool: &PoolPlan,
        wanted: &PoolListen,
        shards: usize,
        bind: &mut dyn FnMut(&Wanted<'_>) -> Result<Vec<Listener>, BindError>,
    ) -> Result<PoolListener, StartError> {
        let name = &pool.config.name;
        let PoolListen { address: listen, tls } = wanted;
        let to_bind = Wanted {
            address: &address(listen),
            backlog: pool.config.backlog,
            shards,
            tag: pool.id.0,
            is_ours: ours.iter().any(|known| known.overlaps(listen)),
        };
        let bound = bind(&to_bind)
            .map_err(|error| StartError::Listen(Place::Pool(name.clone()), listen.clone(), error))?;
        let first = bound.first().ok_or_else(|| format!("[pool.{name}] listen: there is no shard"))?;
        let file = first.unix_path().and_then(|path| SocketFile::at(path).ok());
        let listener = PoolListener {
            what: what(pool, wanted),
            listen: listen.clone(),
            bound: first.local_address(),
            id: first.id(),
            pool: pool.id,
            shards,
            backlog: pool.config.backlog,
            keepalive: pool.config.keepalive,
            tls: *tls,
            file: file.clone(),
        };
        self.files.0.extend(file);
        for (n, mut socket) in bound.into_iter().enumerate() {
            socket.options = options(pool, wanted);
            self.new[n % shards].push(socket);
        }
        Ok(listener)
    }

    /// The sockets of each shard, for new shards.
    pub fn begin(mut self) -> (Vec<Vec<Listener>>, Vec<PoolListener>) {
        self.files.0.clear();
        (std::mem::take(&mut self.new), std::mem::take(&mut self.all))
    }

    /// Changes for each shard, sent with the generation. Hands out the new sockets.
    pub fn come(&mut self) -> Vec<Vec<ListenerChange>> {
        let set = || self.set.iter().map(|(id, options)| ListenerChange::Set(*id, options.clone()));
        let changes = std::mem::take(&mut self.new).into_iter().map(|new| {
            let new = new.into_iter().map(ListenerChange::Listen);
            new.chain(set()).collect()
        });
        changes.collect()
    }

    /// Listeners to close once the new ones are in place.
    pub fn go(&self) -> &[PoolListener] {
        &self.gone
    }

    /// Listeners bound for this step, to be closed if it fails.
    pub fn came(&self, before: &[PoolListener]) -> Vec<PoolListener> {
        let is_new = |new: &&PoolListener| !before.iter().any(|known| known.id == new.id);
        self.all.iter().filter(is_new).cloned().collect()
    }

    /// Completes a step: removes files of closed sockets, and sets modes of the remaining ones. Returns the
    /// listeners, and faults that do not affect connected clients.
    pub fn finish(mut self) -> (Vec<PoolListener>, Vec<String>) {
        self.files.0.clear();
        let mut doubts = Vec::new();
        for (path, mode) in &self.modes {
            if let Err(error) = std::fs::set_permissions(path, std::fs::Permissions::from_mode(*mode)) {
                doubts.push(format!("{}: its mode cannot be set: {error}", path.display()));
            }
        }
        for file in self.gone.iter().filter_map(|listener| listener.file.as_ref()) {
            let _ = file.remove();
        }
        (std::mem::take(&mut self.all), doubts)
    }
}

fn options(pool: &PoolPlan, listen: &PoolListen) -> ListenOptions {
    ListenOptions {
        tag: pool.id.0,
        keepalive: pool.config.keepalive,
        tls: listen.tls.then(|| server_tls(pool)).flatten(),
        backlog: None,
    }
}

/// TLS for the listeners of a pool that use it.
fn server_tls(pool: &PoolPlan) -> Option<ServerTls> {
    let config = pool.tls.clients.clone()?;
    let plain_answer: &[u8] = match pool.config.protocol {
        Protocol::Redis => b"-ERR this port speaks TLS only\r\n",
        Protocol::Memcache => b"SERVER_ERROR this port speaks TLS only\r\n",
    };
    Some(ServerTls { config, plain_answer })
}

fn what(pool: &PoolPlan, listen: &PoolListen) -> String {
    let protocol = match pool.config.protocol {
        Protocol::Redis => "redis",
        Protocol::Memcache => "memcache",
    };
    let tls = if listen.tls { ", TLS" } else { "" };
    format!("{protocol} pool {}{tls}", pool.config.name)
}

/// Address for the event loop.
pub fn address(listen: &Listen) -> ListenAddress {
    match listen {
        Listen::Tcp { host, port } => ListenAddress::Tcp(host.clone(), *port),
        Listen::Unix { path, mode } => ListenAddress::Unix(path.clone(), *mode),
    }
}
