//! The lookup and the queue: only one process at a time may own their state, so an upgrade hands it over.

use std::fs::File;
use std::net::SocketAddr;
use std::sync::Arc;

use config::checked::Config;
use net::Binder;

use crate::descriptors::Descriptors;
use crate::discovery::{self, BoundLookup, Discovery, LookupHttp};
use crate::lookup_snapshot;
use crate::queue_service::{self, BoundQueue, DataPath, OpenQueue, QueueService};
use crate::start_error::StartError;
use crate::tls_files;
use crate::users::ProcessUsers;

/// Time at which a process takes the queue's directory.
pub enum Directory {
    /// Already taken: this directory.
    Taken(DataPath),
    /// Now.
    Now,
    /// On opening: the predecessor holds it until then.
    Later,
}

/// Lookup and queue with their listeners bound.
pub struct BoundData {
    lookup: Option<BoundLookup>,
    queue: Option<BoundQueue>,
    directory: Option<DataPath>,
    users: ProcessUsers,
}

/// Lookup and queue with their state read; not serving yet.
pub struct OpenData {
    lookup: Option<BoundLookup>,
    queue: Option<OpenQueue>,
    snapshot: Option<lookup::Snapshot>,
    users: ProcessUsers,
}

/// Running lookup and queue; the control thread is to serve their HTTP APIs.
pub struct RunningData {
    /// The lookup.
    pub lookup: Option<(Discovery, LookupHttp)>,
    /// The queue.
    pub queue: Option<QueueService>,
}

/// State of lookup and queue as the predecessor left it.
#[derive(Debug, Default)]
pub struct State {
    /// The queue's directory, locked.
    pub directory: Option<File>,
    /// A snapshot of the lookup.
    pub lookup: Option<File>,
}

/// Binds everything configured.
///
/// # Errors
/// The fault; each face words it in its own way.
pub fn bind(
    config: &Config,
    descriptors: &Descriptors,
    binder: &mut Binder,
    directory: Directory,
    users: &ProcessUsers,
) -> Result<BoundData, StartError> {
    let lookup = config.lookup.as_ref();
    let lookup = lookup.map(|settings| discovery::bind_listeners(settings, binder)).transpose()?;
    // Locked before any bind: a second process started by mistake then reports the directory, not a port.
    let directory = match (&config.queue, directory) {
        (Some(_), Directory::Taken(directory)) => Some(directory),
        (Some(settings), Directory::Now) => Some(DataPath::lock(&settings.data_path)?),
        (Some(_), Directory::Later) | (None, _) => None,
    };
    let queue = config.queue.as_ref();
    let queue =
        queue.map(|settings| queue_service::bind(settings, descriptors, binder, users)).transpose()?;
    Ok(BoundData { lookup, queue, directory, users: users.clone() })
}

impl BoundData {
    /// Recovers the queue, which may take a while, and reads the lookup's snapshot:
    /// from `state`, else from the disk.
    ///
    /// # Errors
    /// The fault; each face words it in its own way.
    pub fn open(
        self,
        config: &Config,
        descriptors: &Descriptors,
        state: State,
    ) -> Result<OpenData, StartError> {
        let BoundData { lookup, queue, directory, users } = self;
        let own_lookup: Option<SocketAddr> = lookup.as_ref().and_then(BoundLookup::own_address);
        let queue = match (&config.queue, queue) {
            (Some(settings), Some(queue)) => {
                let path = &settings.data_path;
                let directory = directory.map_or_else(|| DataPath::take_over(path, state.directory), Ok)?;
                Some(queue.open(settings, directory, descriptors, own_lookup)?)
            }
            _ => None,
        };
        let on_disk = || config.lookup.as_ref().and_then(|settings| settings.snapshot.as_deref());
        let snapshot = match state.lookup {
            Some(file) => lookup_snapshot::read_file(file),
            None => on_disk().and_then(lookup_snapshot::read),
        };
        Ok(OpenData { lookup, queue, snapshot, users })
    }
}

impl OpenData {
    /// Starts the shards.
    ///
    /// # Errors
    /// The system's error.
    pub fn run(self, config: &Config, descriptors: &Descriptors) -> Result<RunningData, StartError> {
        let OpenData { lookup, queue, snapshot, users } = self;
        let lookup = match (&config.lookup, lookup) {
            (Some(settings), Some(lookup)) => {
                let desk = Arc::clone(users.desk());
                Some(lookup.run(settings, snapshot, descriptors, desk)?)
            }
            _ => None,
        };
        let engine = match &config.engine {
            Some(engine) => Some((engine, tls_files::to_engine(engine).map_err(StartError::Other)?)),
            None => None,
        };
        let queue = queue.map(|queue| queue.run(engine)).transpose()?;
        Ok(RunningData { lookup, queue })
    }
}
