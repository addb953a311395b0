//! Start and stop of the queue: its directory, its listener, its shard, and the
//! shard's requests to the outside.
//!
//! ```text
//! clients ─▶ shard "queue" (queue::Queue) ─jobs─▶ disk threads
//!               │ ▲
//!     jobs │ │ mail                      control thread: queue_service::outside (AUTH, nsqlookupds), queue_service::http
//!               └─┴────────────────────────▶
//! ```

mod data_path;
mod engine;
mod ask;
mod http;
mod live;
mod lookups;
mod outside;
mod quota;
mod control_job;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use config::checked;
use journal::{Files, OsFiles};
use net::{Binder, EventLoop, Handle, Listener, Resolver, Shard, WallTime};
use queue::disk::DiskThreads;
use queue::{Clock, Mail, Queue, QueueOptions};
use telemetry::{info, warn};

use crate::descriptors::Descriptors;
use crate::proxy_service::address;
use crate::service::Service;
use crate::start_error::{Place, StartError};
use crate::users::ProcessUsers;
pub use data_path::DataPath;
pub use http::{Http, Serving as ServingHttp};
pub use live::{Live, Prepared};
pub use outside::ControlJobs;
pub use tls::{certificates, verify as verify_tls};

/// Backlog of the listener; nsqd uses Go's default, which is the system's.
const BACKLOG: u32 = 4096;

/// The running queue; with a shard as `Thread`, one that is not running yet.
pub struct QueueService<Thread = JoinHandle<io::Result<()>>> {
    handle: Handle<Mail>,
    thread: Thread,
    /// Address for clients; None for a unix socket.
    pub bound: Option<SocketAddr>,
    /// Jobs of the shard, for the control thread.
    pub jobs: Option<ControlJobs>,
    /// The HTTP API, to be served on the control thread.
    pub http: Option<Http>,
    /// Listeners of the HTTP API, by name.
    pub http_listening: Vec<(&'static str, String)>,
    directory: DataPath,
    /// The engine's thread, if there is an engine. It ends after the shard.
    engine: Option<JoinHandle<()>>,
}

/// TLS towards the engine, if it is wanted.
pub type EngineTls = Option<Arc<rustls::ClientConfig>>;

/// The queue with its listeners bound and its TLS files read; its directory is untouched.
pub struct BoundQueue {
    options: QueueOptions,
    authorities: Option<Arc<rustls::ClientConfig>>,
    listeners: Vec<Listener>,
    http: http::Bound,
    users: ProcessUsers,
}

/// The queue with its journals recovered; not serving yet.
pub struct OpenQueue {
    service: QueueService<Shard<Mail>>,
    queue: Queue,
}

/// Binds the listeners.
///
/// # Errors
/// The fault; each face words it in its own way.
pub fn bind(
    settings: &checked::Queue,
    descriptors: &Descriptors,
    binder: &mut Binder,
    users: &ProcessUsers,
) -> Result<BoundQueue, StartError> {
    let options = QueueOptions {
        tls: tls::server(settings)?,
        users: users.book().clone(),
        open_files_max: descriptors.shares.journals,
        ..QueueOptions::from(settings.clone())
    };
    let authorities = tls::client(settings)?;
    let listeners = binder
        .bind(&address(&settings.tcp), BACKLOG, 1, 0)
        .map_err(|error| StartError::Listen(Place::QueueTcp, settings.tcp.clone(), error))?;
    let http = http::Bound::new(settings, options.tls.as_ref(), binder)?;
    Ok(BoundQueue { options, authorities, listeners, http, users: users.clone() })
}

impl BoundQueue {
    /// Recovers the journals, which may take a while. The queue also registers
    /// with the lookup of its own process.
    ///
    /// # Errors
    /// The fault; each face words it in its own way.
    pub fn open(
        self,
        settings: &checked::Queue,
        directory: DataPath,
        descriptors: &Descriptors,
        own_lookup: Option<SocketAddr>,
    ) -> Result<OpenQueue, StartError> {
        let BoundQueue { options, authorities, listeners, http, users } = self;
        let files: Arc<dyn Files> = Arc::new(OsFiles);
        take_over(&files, &options)?;
        let bound = listeners.first().and_then(Listener::local_address);
        let http_listening = http.listening(settings);
        let shard: Shard<Mail> = Shard::new(listeners, Resolver::start().map_err(failed)?)
            .map_err(failed)?
            .limiting(descriptors.places.clone());
        let handle = shard.handle();
        let report = handle.clone();
        let disk = DiskThreads::start(move |done| {
            report.send(Mail::Done(done));
        })
        .map_err(failed)?;
        let beside = (authorities, Arc::clone(users.desk()));
        let (jobs, outside, lookups) =
            outside::connect(settings, beside, handle.clone(), bound, http.http_port(), own_lookup);
        let http =
            Http::new(http, settings, bound, handle.clone(), lookups, own_lookup, descriptors.shares.http)
                .with_users(users);
        let queue = Queue::open(options, files, Box::new(disk), Box::new(outside), now())
            .map_err(|error| StartError::Store(format!("cannot open the queue: {error}")))?;
        let (jobs, http) = (Some(jobs), Some(http));
        let service = QueueService {
            thread: shard,
            handle,
            bound,
            jobs,
            http,
            http_listening,
            directory,
            engine: None,
        };
        Ok(OpenQueue { service, queue })
    }
}

impl OpenQueue {
    /// Starts the shard.
    ///
    /// # Errors
    /// The system's error.
    pub fn run(self, engine: Option<(&checked::Engine, EngineTls)>) -> Result<QueueService, StartError> {
        let OpenQueue { service, mut queue } = self;
        let QueueService { thread: shard, handle, bound, jobs, http, http_listening, directory, .. } =
            service;
        let engine = engine.map(|(settings, tls)| engine::start(settings, tls, &mut queue, &handle));
        let engine = engine.transpose().map_err(failed)?;
        let start = move |io: &mut EventLoop| {
            queue.start(io);
            queue
        };
        let thread = std::thread::Builder::new().name("queue".into());
        let thread = thread.spawn(move || shard.run(start).map(|_| ())).map_err(failed)?;
        Ok(QueueService { handle, thread, bound, jobs, http, http_listening, directory, engine })
    }
}

fn failed(error: io::Error) -> StartError {
    StartError::Other(format!("cannot start the queue: {error}"))
}

impl QueueService {
    /// Handle of the shard, for requests by mail.
    pub fn shard(&self) -> Handle<Mail> {
        self.handle.clone()
    }

    /// The directory of the messages.
    pub fn directory(&self) -> &DataPath {
        &self.directory
    }
}

impl Service for QueueService {
    fn close_listeners(&self) {
        self.handle.close_listeners();
    }

    /// Accepted publications then are as durable as promised.
    fn stop(self: Box<Self>, deadline: Duration) {
        self.handle.stop(deadline);
        let _ = self.thread.join();
        if let Some(engine) = self.engine {
            let _ = engine.join();
        }
    }
}

/// Imports the data that an nsqd left in the directory, and logs the result.
fn take_over(files: &Arc<dyn Files>, options: &QueueOptions) -> Result<(), StartError> {
    let imported = queue::import::run(files, options, now());
    let Some(imported) = imported.map_err(|error| StartError::Store(error.to_string()))? else {
        return Ok(());
    };
    for warning in &imported.warnings {
        warn!(%warning, "import of nsqd data");
    }
    let read = &imported.read;
    for skipped in &read.skipped {
        let (file, offset, bytes) = (skipped.file.display(), skipped.offset, skipped.bytes);
        warn!(%file, offset, bytes, why = skipped.why, "import of nsqd data: not readable");
    }
    info!(
        topics = imported.topics,
        channels = imported.channels,
        topic_messages = read.topic_messages,
        channel_messages = read.channel_messages,
        duplicates = read.duplicates,
        skipped = read.skipped_count,
        skipped_bytes = read.skipped_bytes,
        originals = %imported.originals.display(),
        "nsqd data imported"
    );
    Ok(())
}

fn now() -> Clock {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Clock { now: net::monotonic_now(), wall: WallTime(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)) }
}
