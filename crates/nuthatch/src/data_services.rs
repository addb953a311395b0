//! The lookup and the queue: services whose state only one process has at a time, so that an upgrade hands it
//! on.

use std::fs::File;
use std::net::SocketAddr;

use config::checked::Config;
use net::Binder;

use crate::descriptors::Descriptors;
use crate::discovery::{self, BoundLookup, Discovery, LookupHttp};
use crate::lookup_snapshot;
use crate::queue_service::{self, BoundQueue, DataPath, OpenQueue, QueueService};
use crate::start_error::StartError;
use crate::users::ProcessUsers;

/// The moment at which a process takes the queue's directory.
pub enum Directory {
    /// Already: it is this one.
    Taken(DataPath),
    /// Now.
    Now,
    /// The time at which it is opened: another process has it until then.
    Later,
}

/// Both with their listeners bound.
pub struct BoundData {
    lookup: Option<BoundLookup>,
    queue: Option<BoundQueue>,
    directory: Option<DataPath>,
}

/// Both with their state read. Nobody is served yet.
pub struct OpenData {
    lookup: Option<BoundLookup>,
    queue: Option<OpenQueue>,
    snapshot: Option<lookup::Snapshot>,
}

/// Both running; their HTTP APIs are to be served on the control thread.
pub struct RunningData {
    /// The lookup.
    pub lookup: Option<(Discovery, LookupHttp)>,
    /// The queue.
    pub queue: Option<QueueService>,
}

/// State of both as another process has left it.
#[derive(Debug, Default)]
pub struct State {
    /// The queue's directory, locked.
    pub directory: Option<File>,
    /// A snapshot of the lookup.
    pub lookup: Option<File>,
}

/// Binds what is configured.
///
/// # Errors
/// The fault, for each face to word.
pub fn bind(
    config: &Config,
    descriptors: &Descriptors,
    binder: &mut Binder,
    directory: Directory,
    users: &ProcessUsers,
) -> Result<BoundData, StartError> {
    let lookup = config.lookup.as_ref();
    let lookup = lookup.map(|settings| discovery::bind_listeners(settings, binder)).transpose()?;
    // Who starts a second process by mistake is told of the directory rather than of a port.
    let directory = match (&config.queue, directory) {
        (Some(_), Directory::Taken(directory)) => Some(directory),
        (Some(settings), Directory::Now) => Some(DataPath::lock(&settings.data_path)?),
        (Some(_), Directory::Later) | (None, _) => None,
    };
    let queue = config.queue.as_ref();
    let queue =
        queue.map(|settings| queue_service::bind(settings, descriptors, binder, users)).transpose()?;
    Ok(BoundData { lookup, queue, directory })
}

impl BoundData {
    /// Recovers the queue, which may take a while, and reads the lookup's snapshot: `state`, or what is on
    /// the disk.
    ///
    /// # Errors
    /// The fault, for each face to word.
    pub fn open(
        self,
        config: &Config,
        descriptors: &Descriptors,
        state: State,
    ) -> Result<OpenData, StartError> {
        let BoundData { lookup, queue, directory } = self;
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
        Ok(OpenData { lookup, queue, snapshot })
    }
}

impl OpenData {
    /// Starts the shards.
    ///
    /// # Errors
    /// The system's.
    pub fn run(self, config: &Config, descriptors: &Descriptors) -> Result<RunningData, StartError> {
        let OpenData { lookup, queue, snapshot } = self;
        let lookup = match (&config.lookup, lookup) {
            (Some(settings), Some(lookup)) => Some(lookup.run(settings, snapshot, descriptors)?),
            _ => None,
        };
        let queue = queue.map(OpenQueue::run).transpose()?;
        Ok(RunningData { lookup, queue })
    }
}
