//! A durable, append-only, segmented log. (First page: being written.)
#![forbid(unsafe_code)]

mod block;
mod cache;
mod error;
pub mod files;
mod format;
mod journal;
mod options;
mod position;
mod recovery;
mod scan;

pub use block::{Block, Damage, DamageReason, Record, Records};
pub use error::{AppendError, CheckpointError, OpenError, Poisoned, ReadError, WriteError};
pub use files::{Files, MemFiles, OsFiles};
pub use format::record::PAYLOAD_BYTES_LIMIT;
pub use journal::{
    CheckpointDone, CheckpointJob, Counters, DELETED_SUFFIX, DeleteJob, Health, Journal, ReadDone, ReadJob,
    ReadOutcome, RemoveDone, RemoveJob, SegmentInfo, SyncDone, SyncJob,
};
pub use options::{Durability, Options};
pub use position::{CommitSeq, Position};
pub use recovery::{Checkpoint, DAMAGE_LISTED_MAX, Recovered, Recovery};
