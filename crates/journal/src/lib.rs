//! A durable, append-only, segmented log: group commit, recovery, checkpoints, cleaning.
//!
//! It knows no topic, no channel and no message. A record is a kind (1 to 255) and some bytes; it is named by its
//! [`Position`], which never changes. The owner decides what a record means, which ones are still needed, and what to tell whom.
//!
//! # On disk
//!
//! One directory per log:
//!
//! ```text
//! 00000000000000000000.log     segment: header of 32 bytes, then records          (layout: format/segment.rs)
//! 00000000000067108712.log     its name is the position of its first record       (          format/record.rs)
//! checkpoint                   what the owner knew at some position                (          format/checkpoint.rs)
//! checkpoint.tmp               while it is being written; removed at open
//! *.bad                        put aside at open because its header is damaged; never read
//!
//! segment   "nuthatch" | version u32 | crc u32 | tag u64 | start u64 | record | record ...
//! record     crc u32 | length u32 | kind u8 | payload
//! checkpoint "nuthchkp" | version u32 | crc u32 | tag u64 | replay u64 | length u64 | payload
//! ```
//!
//! Numbers are little-endian, checksums CRC-32C. A record's checksum also covers the journal's random tag and the record's
//! position: bytes in the wrong place are not records. No record spans two segments.
//!
//! # Limits
//!
//! | what | limit |
//! |---|---|
//! | payload of a record | [`Options::record_bytes_max`] (16 MiB), never above [`PAYLOAD_BYTES_LIMIT`] (256 MiB) |
//! | staged batch | [`Options::batch_bytes_max`] (64 MiB) |
//! | segment | [`Options::segment_bytes`] (64 MiB), or one batch if that is larger |
//! | checkpoint | [`Options::checkpoint_bytes_max`] (256 MiB) |
//! | memory | staged batch + [`Options::cache_bytes`] + [`Options::read_cache_bytes`] + some 50 bytes per segment |
//! | open files | 1, and with `Fsync` or slow flushes up to 4 more; 0 after [`Journal::rest`] |
//! | positions | 2^64 bytes over the life of the log |
//!
//! # What is promised
//!
//! - A batch is accepted whole or refused whole. A refused one (disk full, I/O error) is cut off the file again, and the log goes
//!   on once writing succeeds. Should cutting fail too, no batch is accepted until it succeeds.
//! - [`Journal::accepted`] tells which batches have reached their [`Durability`]: `Os` batches survive the end of the process,
//!   `Fsync` batches the loss of power. A batch that was never accepted may survive too, wholly or its first records.
//! - A failed fsync poisons the journal ([`Poisoned`]): nothing is accepted until the process has restarted and read back
//!   what is there.
//! - Every record that is returned was appended at that position. Damage is skipped, reported and counted, never guessed
//!   over; the rules are in [`Recovery`].
//! - No method of [`Journal`] waits for a device, except that a write may be slow when the kernel has no memory for it. What
//!   waits is a job for another thread.
//!
//! # Use
//!
//! ```
//! use std::sync::Arc;
//! use nuthatch_journal::{MemFiles, Options, ReadOutcome, Recovery};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let files = Arc::new(MemFiles::new(1)); // OsFiles in earnest
//! let recovery = Recovery::open(files, "/data/orders".as_ref(), Options::default())?;
//! // load recovery.checkpoint() here
//! let (mut journal, recovered) = recovery.replay(|record| println!("{record:?}"))?;
//! assert_eq!(recovered.truncated_bytes, 0);
//!
//! let position = journal.append(1, &[b"head", b"body"])?;
//! let batch = journal.commit()?;
//! assert!(journal.accepted() >= batch); // durability is `Os`
//! if let Some(flush) = journal.sync_job() {
//!     let done = flush.run(); // on another thread
//!     journal.synced(done)?;
//! }
//! match journal.read(position) {
//!     ReadOutcome::Block(block) => assert_eq!(block.records().next().unwrap().payload, b"headbody"),
//!     ReadOutcome::NeedsDisk(job) => drop(journal.read_done(job.run())?),
//!     ReadOutcome::AtEnd | ReadOutcome::Gone { .. } => {}
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Entry points: [`Recovery::open`] or [`Journal::create`], [`Journal::append`], [`Journal::commit`], [`Journal::read`],
//! [`Journal::checkpoint`], [`Journal::release`]; [`Files`] is the file layer that tests replace by [`MemFiles`].

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
