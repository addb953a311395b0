//! Import of an nsqd data directory: once, completely, and without a moment at which a message is missing or
//! duplicated.
//!
//! nsqd keeps `nsqd.dat` (topics, channels, paused states) and one disk queue per topic and per channel
//! (`<topic>.diskqueue.*`, `<topic>:<channel>.diskqueue.*`). The steps, each of which may be interrupted by a
//! `kill -9`:
//!
//! ```text
//! plan ──▶ Step::Import(plan)  begin   an empty staging directory; what an earlier attempt left there is deleted
//!                              read_topic, for each topic: the caller writes journals into the staging directory
//!                              publish everything in it is flushed, then renamed to the store: from here on it counts
//!      ──▶ Step::SetAside      run     the originals are moved to a folder of their own, and the list of them is deleted
//!      ──▶ Step::Nothing
//! ```
//! [`run`] does all of it. At the next start `plan` finds from the directory where to go on. Originals are
//! only moved, never changed or deleted: to return to nsqd, move them back and delete the store. nsqd data
//! beside a store that was not made from it is refused.
//!
//! Unread messages on disk are imported, including those that nsqd would lose (facts: NSQ 1.3.0):
//! - a queue without a readable meta file is read from its first file on (nsqd ignores the files and later
//!   writes over them);
//! - a queue whose meta file points past the end of its data is read from the beginning (nsqd puts such a
//!   file aside);
//! - records past the write position of a stale meta file are read, as nsqd does;
//! - a message that is in one channel twice, because of a stale read position, is yielded once.

mod marker;
mod meta;
mod metadata;
mod names;
mod plan;
mod publish;
mod queue;
mod reconcile;
mod records;
mod set_aside;
mod store;
mod topic;

use std::path::Path;
use std::{fmt, io};

pub use meta::{Meta, Place};
pub use metadata::{Metadata, MetadataChannel, MetadataTopic};
pub use plan::{ChannelPlan, Plan, Step, TopicPlan, plan};
pub use queue::{Failed, QueueFiles, Skipped};
pub use records::Message;
pub use set_aside::SetAside;
pub use store::{Imported, run};
pub use topic::{Target, TopicReport, read_topic};

/// The reason a directory cannot be imported. Nothing was changed; the text says what to do.
#[derive(Debug)]
pub enum ImportError {
    /// Reading or writing failed. Trying again may help.
    Io {
        /// The operation, and its path.
        doing: String,
        /// The system's error.
        source: io::Error,
    },
    /// `nsqd.dat` is not what nsqd writes. nsqd does not start from it either.
    Metadata(String),
    /// nsqd data that was not imported lies beside an existing store.
    Conflict(String),
    /// The store cannot be written. The text says why.
    Store(String),
}

impl ImportError {
    pub(crate) fn io(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> ImportError {
        let doing = format!("{doing} {}", path.display());
        move |source| ImportError::Io { doing, source }
    }

    /// The error for a directory that holds a store, and nsqd data that is not in it.
    pub(super) fn conflict(dir: &Path, store: &str, example: &str) -> ImportError {
        ImportError::Conflict(format!(
            "{} holds nsqd data ({example}) that did not go into {store}: move one of the two away, \
             {store} to import the nsqd data, or nsqd.dat and *.diskqueue.* to go on with {store}",
            dir.display()
        ))
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImportError::Io { doing, source } => write!(f, "import of nsqd data: {doing}: {source}"),
            ImportError::Metadata(why) => write!(f, "import of nsqd data: nsqd.dat is not readable: {why}"),
            ImportError::Conflict(what) | ImportError::Store(what) => {
                write!(f, "import of nsqd data: {what}")
            }
        }
    }
}

impl std::error::Error for ImportError {}
