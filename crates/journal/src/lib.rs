//! A durable, append-only, segmented log: group commit, recovery, checkpoints, cleaning.
//!
//! Its promises, files and limits are described in `README.md`, which follows. Continue with `journal.rs`
//! (the methods for the owner's thread), `recovery.rs` (opening), `format.rs` (the bytes), `files.rs` (the
//! layer below).
#![doc = ""]
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod block;
mod cache;
mod error;
pub mod files;
mod format;
pub mod fuzzing;
mod journal;
mod options;
mod position;
mod recovery;
mod scan;

pub use block::{Block, Damage, DamageReason, Entry, Record, Records};
pub use error::{AppendError, CheckpointError, OpenError, Poisoned, ReadError, SyncError, WriteError};
pub use files::{Files, MemFiles, OsFiles};
pub use format::record::PAYLOAD_BYTES_LIMIT;
pub use journal::{
    CheckpointDone, CheckpointJob, Counters, DELETED_SUFFIX, DeleteJob, Health, Journal, Mark, ReadDone,
    ReadJob, ReadOutcome, RemoveDone, RemoveJob, SegmentInfo, SyncDone, SyncJob,
};
pub use options::{Durability, Options};
pub use position::{CommitSeq, Position};
pub use recovery::{Checkpoint, DAMAGE_LISTED_MAX, Recovered, Recovery};
