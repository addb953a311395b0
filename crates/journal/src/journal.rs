//! The journal of one log: the state held by its owner's thread.
//!
//! No method here waits for a device. Work that may block is returned as a job (`…Job`, `Send`): its `run` is
//! called on a thread that may block, and its result is passed to the method named after it.
//!
//! ```text
//!  append ▸ batch ─commit─▶ active segment (one write) ▸ tail cache ─read─▶ Block
//!                               │                                └─ older ─▶ ReadJob ─run─▶ read_done ─▶ Block
//!                               └─sync_job─▶ SyncJob ─run─▶ synced ─▶ durable
//!  checkpoint ─▶ CheckpointJob ─run─▶ checkpointed          release ─▶ RemoveJob ─run─▶ removed
//! ```

mod checkpoint;
mod commit;
mod flush_error;
mod read;
mod release;
mod sync;
mod walk;

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use bytes::BytesMut;

use flush_error::FlushRefused;

pub use checkpoint::{CheckpointDone, CheckpointJob};
pub use read::{ReadDone, ReadJob, ReadOutcome};
pub use release::{DELETED_SUFFIX, DeleteJob, RemoveDone, RemoveJob, SegmentInfo};
pub use sync::{SyncDone, SyncJob};

use crate::cache::Cache;
use crate::files::{Dir, File, Files, MemFiles};
use crate::format::{record, segment};
use crate::{AppendError, Block, CommitSeq, Damage, Durability, OpenError, Options, Poisoned, Position};

/// A durable, append-only log of records. See the crate documentation.
#[derive(Debug)]
pub struct Journal {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) dir: PathBuf,
    pub(crate) options: Options,
    pub(crate) tag: u64,
    /// Segments in order of position; the last one is active.
    pub(crate) segments: VecDeque<Segment>,
    /// Position after the last committed record.
    pub(crate) end: Position,
    /// Staged records; they begin at `end`.
    batch: BytesMut,
    batch_records: u64,
    /// Bytes of the previous batch: an estimate of the size of this one.
    batch_bytes_last: usize,
    cache: Cache,
    /// Blocks read back from files, latest last.
    read_back: VecDeque<Block>,
    committed: CommitSeq,
    durable: CommitSeq,
    /// Bytes in segments that are not known to be on the device.
    at_risk: u64,
    sync_under_way: bool,
    /// Number of changes of names in the directory; below, the number already flushed.
    pub(crate) names_changed: u64,
    pub(crate) names_flushed: u64,
    /// True if the directory is new, and its own name not flushed.
    pub(crate) parent_changed: bool,
    /// The directory, open while names in it are not flushed.
    dir_open: Option<Arc<dyn Dir>>,
    /// Its parent, open for as long as the journals that share it need it.
    parent_open: Option<Arc<dyn Dir>>,
    /// True if the next batch must begin a new segment.
    pub(crate) seal: bool,
    /// True if a refused batch could not be cut off the active file yet.
    cut_pending: bool,
    checkpoint_under_way: bool,
    /// Replay position of the checkpoint on the device.
    checkpoint: Option<Position>,
    /// Replay position of a checkpoint found at open: its name may not be flushed yet.
    pub(crate) checkpoint_found: Option<Position>,
    /// The reason the last batch was refused, and its size.
    refusing: Option<String>,
    refused_bytes: usize,
    flush_refused: Option<FlushRefused>,
    poisoned: Option<Poisoned>,
    counters: Counters,
}

/// A point in the staged records.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    bytes: usize,
    records: u64,
}

/// State of one segment in memory.
#[derive(Debug)]
pub(crate) struct Segment {
    pub start: u64,
    /// Committed bytes of records.
    pub bytes: u64,
    /// Bytes of it known to be on the device.
    pub synced: u64,
    /// Open while the segment is active, or until it is flushed.
    pub file: Option<Arc<dyn File>>,
}

impl Segment {
    pub fn end(&self) -> u64 {
        self.start + self.bytes
    }
}

/// Counters of a journal since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Batches committed.
    pub commits: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes in them, record headers included.
    pub bytes: u64,
    /// Batches refused.
    pub refused: u64,
    /// Flushes to the device that succeeded.
    pub syncs: u64,
    /// Reads that went to a file.
    pub file_reads: u64,
    /// Stretches of damaged log that readers met.
    pub damages: u64,
    /// Bytes in those stretches.
    pub damaged_bytes: u64,
}

/// State for a health page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// The last batch was accepted.
    Ok,
    /// The last batch or flush was refused; the next may be accepted. The text has the reason and the remedy.
    Refusing(String),
    /// No batch will be accepted before a restart. The text has the reason.
    Poisoned(String),
}

impl Journal {
    /// A new journal in `dir`, which has none yet. Nothing is written before the first commit.
    pub(crate) fn new(files: Arc<dyn Files>, dir: &Path, options: Options, tag: u64) -> Journal {
        Journal {
            files,
            dir: dir.to_owned(),
            options,
            tag,
            segments: VecDeque::new(),
            end: Position(0),
            batch: BytesMut::new(),
            batch_records: 0,
            batch_bytes_last: 0,
            cache: Cache::default(),
            read_back: VecDeque::new(),
            committed: CommitSeq(0),
            durable: CommitSeq(0),
            at_risk: 0,
            sync_under_way: false,
            names_changed: 0,
            names_flushed: 0,
            parent_changed: false,
            dir_open: None,
            parent_open: None,
            seal: false,
            cut_pending: false,
            checkpoint_under_way: false,
            checkpoint: None,
            checkpoint_found: None,
            refusing: None,
            refused_bytes: 0,
            flush_refused: None,
            poisoned: None,
            counters: Counters::default(),
        }
    }

    /// Creates a journal in a new directory, whose parent must exist. Takes one mkdir and does not wait for a
    /// device. For an existing directory see [`crate::Recovery`].
    pub fn create(files: Arc<dyn Files>, dir: &Path, options: Options) -> Result<Journal, OpenError> {
        let failed = |source| OpenError { doing: format!("create {}", dir.display()), source };
        if !files.create_dir(dir).map_err(failed)? {
            return Err(failed(std::io::ErrorKind::AlreadyExists.into()));
        }
        let mut journal = Journal::new(files, dir, options, random_tag());
        journal.parent_changed = true;
        Ok(journal)
    }

    /// A journal that has no files, whatever `options.durability` says: [`Durability::Memory`].
    pub fn in_memory(mut options: Options) -> Journal {
        static NO_FILES: LazyLock<MemFiles> = LazyLock::new(|| MemFiles::new(0));
        options.durability = Durability::Memory;
        Journal::new(Arc::new(NO_FILES.clone()), Path::new(""), options, 0)
    }

    /// Stages a record whose payload is the concatenation of `parts`. No I/O. The position is valid if the
    /// next [`Journal::commit`] succeeds; otherwise it is void.
    pub fn append(&mut self, kind: u8, parts: &[&[u8]]) -> Result<Position, AppendError> {
        let payload_bytes: usize = parts.iter().map(|part| part.len()).sum();
        let max = self.options.record_bytes_max.min(record::PAYLOAD_BYTES_LIMIT);
        if payload_bytes > max {
            return Err(AppendError::TooLarge { bytes: payload_bytes, max });
        }
        if kind == 0 {
            return Err(AppendError::KindZero);
        }
        let bytes = record::HEADER_BYTES + payload_bytes;
        let batch_max = self.options.batch_bytes_max.max(max + record::HEADER_BYTES);
        if self.batch.len() + bytes > batch_max {
            return Err(AppendError::BatchFull { max: batch_max });
        }
        if self.batch.capacity() - self.batch.len() < bytes {
            self.grow_batch(bytes);
        }
        let position = self.staged_end();
        record::put(&mut self.batch, self.tag, position.0, kind, parts, payload_bytes);
        self.batch_records += 1;
        Ok(position)
    }

    /// Makes room for `bytes` more. Batches share an allocation until it is used up; its size follows theirs.
    #[cold]
    fn grow_batch(&mut self, bytes: usize) {
        let needed = self.batch.len() + bytes;
        // A batch that outgrows its allocation is moved; the size doubles, so that this is rare.
        let doubled = if self.batch.is_empty() { needed } else { 2 * needed };
        let least = match self.options.durability {
            Durability::Memory => ARENA_BYTES_MIN_IN_MEMORY,
            Durability::Os | Durability::Fsync => ARENA_BYTES_MIN,
        };
        let usual = (4 * self.batch_bytes_last).clamp(least, ARENA_BYTES_MAX);
        let mut roomier = BytesMut::with_capacity(usual.max(doubled));
        roomier.extend_from_slice(&self.batch);
        self.batch = roomier;
    }

    /// Abandons the rest of an allocation after a batch of this size, if another as large would outgrow it
    /// and have to be moved.
    fn leave_short_rest(&mut self, bytes: usize) {
        if bytes >= ARENA_BYTES_MIN && self.batch.capacity() < bytes {
            self.batch = BytesMut::new();
        }
    }

    /// Discards the staged records.
    pub fn discard(&mut self) {
        self.batch.clear();
        self.batch_records = 0;
    }

    /// The present end of the batch; for [`Journal::unstage`].
    pub fn mark(&self) -> Mark {
        Mark { bytes: self.batch.len(), records: self.batch_records }
    }

    /// Discards the records staged since `mark`. There must have been no commit since.
    pub fn unstage(&mut self, mark: Mark) {
        self.batch.truncate(mark.bytes);
        self.batch_records = mark.records;
    }

    /// Staged bytes.
    pub fn staged_bytes(&self) -> usize {
        self.batch.len()
    }

    /// Position at which the next record would be staged.
    pub fn staged_end(&self) -> Position {
        self.end + self.batch.len() as u64
    }

    /// Position after the last committed record, where [`Journal::read`] returns `AtEnd`.
    pub fn end(&self) -> Position {
        self.end
    }

    /// The oldest readable position; [`Journal::end`] if there is none.
    pub fn first(&self) -> Position {
        if self.options.durability == Durability::Memory {
            return self.cache.first().unwrap_or(self.end);
        }
        self.segments.front().map_or(self.end, |segment| Position(segment.start))
    }

    /// The last committed batch.
    pub fn committed(&self) -> CommitSeq {
        self.committed
    }

    /// The last batch that is as durable as [`Options::durability`] requires: all batches up to this one may
    /// be acknowledged.
    pub fn accepted(&self) -> CommitSeq {
        match self.options.durability {
            Durability::Memory | Durability::Os => self.committed,
            Durability::Fsync => self.durable,
        }
    }

    /// The last batch known to be on the device, whatever [`Options::durability`] requires; for a journal in
    /// memory, the last batch.
    pub fn durable(&self) -> CommitSeq {
        match self.options.durability {
            Durability::Memory => self.committed,
            Durability::Os | Durability::Fsync => self.durable,
        }
    }

    /// Bytes committed but not known to be on the device.
    pub fn bytes_at_risk(&self) -> u64 {
        match self.options.durability {
            Durability::Memory => self.cache.cost() as u64,
            _ => self.at_risk,
        }
    }

    /// The options in force.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Switches between `Os` and `Fsync`. A journal in memory stays in memory.
    pub fn set_durability(&mut self, durability: Durability) {
        if self.options.durability != Durability::Memory && durability != Durability::Memory {
            self.options.durability = durability;
        }
    }

    /// Sets the sizes for later appends: [`Options::segment_bytes`], [`Options::record_bytes_max`] and
    /// [`Options::batch_bytes_max`].
    pub fn set_sizes(&mut self, sizes: &Options) {
        self.options.segment_bytes = sizes.segment_bytes;
        self.options.record_bytes_max = sizes.record_bytes_max;
        self.options.batch_bytes_max = sizes.batch_bytes_max;
    }

    /// Sets [`Options::cache_bytes`] and drops the excess at once. For sharing memory between many journals.
    pub fn set_cache_bytes(&mut self, bytes: usize) {
        self.options.cache_bytes = bytes;
        self.trim_cache();
    }

    /// Memory held: staged, cached and read-back bytes.
    pub fn memory_bytes(&self) -> usize {
        self.batch.capacity() + self.cache.cost() + self.read_back_bytes()
    }

    /// Releases everything an idle journal can do without: cached blocks, spare capacity, the open file and
    /// directory (with `Fsync`, once they are flushed). The next reader or batch reopens them.
    pub fn rest(&mut self) {
        if self.batch.is_empty() {
            self.batch = BytesMut::new();
        }
        if self.options.durability != Durability::Memory {
            self.cache = Cache::default();
        }
        self.read_back = VecDeque::new();
        if let Some(active) = self.segments.back_mut()
            && (active.synced == active.bytes || self.options.durability == Durability::Os)
            && !self.cut_pending
        {
            active.file = None;
            self.dir_open = None;
        }
    }

    /// Flushes the journal's directory entry through `parent`, its open parent directory: many journals in
    /// one directory share this descriptor.
    pub fn share_parent(&mut self, parent: Arc<dyn Dir>) {
        self.parent_open = Some(parent);
    }

    /// State for a health page.
    pub fn health(&self) -> Health {
        let flush_refused = self.flush_refused.as_ref().map(|refused| &refused.why);
        match (&self.poisoned, flush_refused.or(self.refusing.as_ref())) {
            (Some(poisoned), _) => Health::Poisoned(poisoned.to_string()),
            (None, Some(why)) => Health::Refusing(why.clone()),
            (None, None) => Health::Ok,
        }
    }

    /// Counters since the journal was opened.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The directory; empty for a journal in memory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn count_at_risk(&mut self) {
        self.at_risk = self.segments.iter().map(|segment| segment.bytes - segment.synced).sum();
    }

    fn trim_cache(&mut self) {
        if self.options.durability != Durability::Memory {
            self.cache.shrink_to(self.options.cache_bytes);
        }
    }

    fn poison(&mut self, reason: String) -> Poisoned {
        self.poisoned.get_or_insert(Poisoned { reason }).clone()
    }

    fn count_damage(&mut self, damage: &Damage) {
        self.counters.damages += 1;
        self.counters.damaged_bytes += damage.to - damage.from;
    }

    pub(crate) fn segment_path(&self, start: u64) -> PathBuf {
        self.dir.join(segment::name(start))
    }
}

/// A random tag, unique except with a probability of 2^-64.
pub(crate) fn random_tag() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Minimum size of the allocations in which batches are staged.
const ARENA_BYTES_MIN: usize = 4 << 10;
/// Minimum size in memory, where an allocation stays as long as any batch in it.
const ARENA_BYTES_MIN_IN_MEMORY: usize = 512;
/// Maximum size, unless a single batch needs more.
const ARENA_BYTES_MAX: usize = 256 << 10;
