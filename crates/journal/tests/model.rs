//! The journal against a simple model, under faults and crashes.
//!
//! A run is a sequence of random steps on a modelled file system: batches, flushes, checkpoints, releases,
//! readers, disk-full and I/O errors, shortage of descriptors, a directory moved away for a while, crashes of
//! the process and of the machine at arbitrary operations. The model knows every record ever passed to the
//! journal, which batches were accepted, and which are on the device. After each crash:
//!
//! - every accepted record survives a crash of the process, every flushed one a crash of the machine;
//! - every surviving record was appended at that very position;
//! - the checkpoint is the last confirmed one, or the one under way.
//!
//! `JOURNAL_SEED=n` replays one seed; `JOURNAL_SEEDS=n` sets the number of runs.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Arc;

use nuthatch_journal::files::{Crash, Fault, MemFiles, Operation};
use nuthatch_journal::{
    CommitSeq, Durability, Files, Health, Journal, Options, Position, ReadError, ReadOutcome, Recovery,
    SyncDone, SyncError, WriteError,
};

#[path = "support/random.rs"]
mod random;
use random::Random;

const DIR: &str = "/data/log";

/// Kind and payload of a record.
type Record = (u8, Vec<u8>);

/// Records the journal must still have.
#[derive(Default)]
struct Model {
    /// Accepted records, which must survive the end of the process.
    accepted: BTreeMap<u64, Record>,
    /// Position up to which everything is on the device.
    flushed: u64,
    /// Records refused or under way when the process died: they may survive or not.
    uncertain: Vec<(u64, Record)>,
    /// Records refused and cut since. The cut is not flushed: a crash of the machine may bring them back.
    cut: Vec<(u64, Record)>,
    /// End of the log after each batch of this run.
    ends: Vec<(CommitSeq, u64)>,
    /// Replay position of the confirmed checkpoint, followed by those attempted since, which may be in force
    /// as well.
    checkpoint: Option<u64>,
    checkpoints_tried: Vec<u64>,
    /// Released position: records before it carry no promise, and may reappear after a crash of the machine.
    released: u64,
    /// Start of the log when it was opened.
    first: u64,
    /// True if a crash of the machine left holes in unflushed data.
    holed: bool,
}

/// Resource that is short at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shortage {
    Descriptors,
    /// The directory, which was moved away.
    Place,
}

impl Model {
    fn confirm_checkpoint(&mut self, at: u64) {
        self.checkpoint = Some(at);
        self.checkpoints_tried.clear();
    }

    fn forget_before(&mut self, position: u64) {
        self.released = self.released.max(position);
        self.accepted = self.accepted.split_off(&self.released);
    }
}

struct Run {
    random: Random,
    files: MemFiles,
    journal: Journal,
    model: Model,
    flush: Option<SyncDone>,
    shortage: Option<Shortage>,
    cursor: Position,
    counts: Counts,
}

/// Situations a run has exercised; the test fails if one was never reached.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    accepted: u64,
    refused: u64,
    poisoned: u64,
    crashes: u64,
    cut: u64,
    lost_unflushed: u64,
    file_reads: u64,
    checkpoints: u64,
    removed: u64,
    flush_refused: u64,
    checkpoint_refused: u64,
    read_refused: u64,
    healed: u64,
}

fn options(random: &mut Random) -> Options {
    let durability = if random.one_in(2) { Durability::Os } else { Durability::Fsync };
    Options {
        durability,
        segment_bytes: 300 + random.below(3000) as u64,
        cache_bytes: [0, 500, 5000][random.below(3)],
        read_cache_bytes: [0, 700][random.below(2)],
        read_bytes: 20 + random.below(400),
        ..Options::default()
    }
}

impl Run {
    fn new(seed: u64) -> Run {
        let mut random = Random::new(seed);
        let files = MemFiles::new(seed);
        files.set_short_writes(random.one_in(2));
        files.create_dir("/data".as_ref()).unwrap();
        files.sync_dir("/".as_ref()).unwrap();
        let recovery = Recovery::open(Arc::new(files.clone()), Path::new(DIR), options(&mut random)).unwrap();
        let (journal, _) = recovery.replay(|_| panic!("it is new")).unwrap();
        let (model, counts) = (Model::default(), Counts::default());
        Run { random, files, journal, model, flush: None, shortage: None, cursor: Position(0), counts }
    }

    fn step(&mut self) {
        match self.random.below(40) {
            0..16 => self.batch(),
            16..22 => self.begin_flush(),
            22..27 => self.end_flush(),
            27..33 => self.read_on(),
            33 => self.checkpoint(),
            34 => self.release(),
            35 if self.random.one_in(2) => self.fault(),
            35 => self.shortage(),
            36 => self.journal.seal(),
            37 => self.journal.rest(),
            38 if self.random.one_in(2) => self.fail_flush(),
            39 if self.random.one_in(2) => self.crash_midway(),
            _ => {}
        }
    }

    fn batch(&mut self) {
        let mut staged = Vec::new();
        for _ in 0..=self.random.below(5) {
            let length = [0, 5, 30, 200, 700][self.random.below(5)];
            let kind = 1 + self.random.below(255) as u8;
            let payload: Vec<u8> = (0..length).map(|_| self.random.below(256) as u8).collect();
            let (head, tail) = payload.split_at(length / 3);
            let position = self.journal.append(kind, &[head, &[], tail]).unwrap();
            staged.push((position.0, (kind, payload)));
        }
        if self.random.one_in(30) {
            self.journal.discard();
            return;
        }
        let before = self.journal.end();
        match self.journal.commit() {
            Ok(seq) => {
                self.counts.accepted += 1;
                // Refused records left in the file are cut before anything else is written.
                let cut = std::mem::take(&mut self.model.uncertain);
                self.model.cut.extend(cut);
                self.model.accepted.extend(staged);
                self.model.ends.push((seq, self.journal.end().0));
                // With `Os` batches are accepted while flushes are refused.
                assert!(self.shortage.is_some() || self.journal.health() == Health::Ok);
            }
            Err(error) => {
                self.counts.refused += 1;
                assert_eq!(self.journal.end(), before, "a refused batch leaves no trace");
                assert_ne!(self.journal.health(), Health::Ok, "health says so");
                if let WriteError::Poisoned(_) = error {
                    assert!(matches!(self.journal.health(), Health::Poisoned(_)));
                    return;
                }
                self.model.uncertain.extend(staged);
            }
        }
    }

    fn begin_flush(&mut self) {
        if self.flush.is_none() {
            self.flush = self.journal.sync_job().map(nuthatch_journal::SyncJob::run);
        }
        if self.journal.options().durability == Durability::Fsync && self.random.one_in(2) {
            self.end_flush();
        }
    }

    fn end_flush(&mut self) {
        let Some(done) = self.flush.take() else { return };
        match self.journal.synced(done) {
            Ok(seq) => self.learn_flushed(seq),
            Err(SyncError::Refused(_)) => {
                assert!(self.shortage.is_some(), "nothing is short");
                self.counts.flush_refused += 1;
            }
            Err(SyncError::Poisoned(_)) => {
                assert_eq!(self.shortage, None, "a shortage poisons nothing");
                self.counts.poisoned += 1;
                self.restart(Crash::Process);
            }
        }
    }

    /// Causes a temporary shortage; when it ends everything works as before.
    fn shortage(&mut self) {
        self.end_flush();
        let away = Path::new("/data/away");
        self.shortage = Some(if self.random.one_in(3) { Shortage::Place } else { Shortage::Descriptors });
        match self.shortage {
            Some(Shortage::Place) => self.files.rename(Path::new(DIR), away).unwrap(),
            _ => self.files.set_open_max(Some(self.files.open_count() + self.random.below(2))),
        }
        for _ in 0..10 {
            match self.random.below(8) {
                0..3 => self.batch(),
                3 => self.journal.rest(),
                4 => self.checkpoint(),
                5 => self.read_on(),
                6 => self.journal.seal(),
                _ => {
                    self.begin_flush();
                    self.end_flush();
                    self.flush = self.journal.retry_sync().map(nuthatch_journal::SyncJob::run);
                    self.end_flush();
                }
            }
        }
        self.files.set_open_max(None);
        if self.shortage == Some(Shortage::Place) {
            assert!(self.files.list(Path::new(DIR)).is_err(), "nobody makes it again");
            self.files.rename(away, Path::new(DIR)).unwrap();
            self.files.sync_dir("/data".as_ref()).unwrap();
        }
        self.shortage = None;
        if let Some(job) = self.journal.retry_sync() {
            let seq = self.journal.synced(job.run()).unwrap();
            self.learn_flushed(seq);
            self.counts.healed += 1;
        }
        let refused = self.counts.refused;
        self.batch();
        assert_eq!(self.counts.refused, refused, "nothing is short any more");
    }

    fn learn_flushed(&mut self, seq: CommitSeq) {
        let end = self.model.ends.iter().rev().find(|(its, _)| *its <= seq).map_or(0, |(_, end)| *end);
        self.model.flushed = self.model.flushed.max(end);
        if self.journal.options().durability == Durability::Fsync {
            assert_eq!(self.journal.accepted(), seq);
        }
    }

    fn fail_flush(&mut self) {
        self.end_flush();
        let Some(job) = self.journal.sync_job() else { return };
        let operation = if self.random.one_in(3) { Operation::SyncDir } else { Operation::Sync };
        self.files.fail(Fault::eio(operation));
        let done = job.run();
        self.files.clear_faults();
        match self.journal.synced(done) {
            Ok(seq) => return self.learn_flushed(seq),
            Err(poisoned) => {
                assert!(matches!(poisoned, SyncError::Poisoned(_)), "{poisoned}");
                assert!(poisoned.to_string().contains("restart"), "{poisoned}");
            }
        }
        self.counts.poisoned += 1;
        let accepted = self.journal.accepted();
        self.batch();
        assert!(self.journal.accepted() == accepted, "no acknowledgement after a failed flush");
        assert!(self.journal.sync_job().is_none());
        let crash = if self.random.one_in(2) { Crash::Process } else { Crash::Power };
        self.restart(crash);
    }

    fn checkpoint(&mut self) {
        let low = self.model.checkpoint.unwrap_or(0).max(self.journal.first().0);
        let boundaries: Vec<u64> = self.model.accepted.range(low..).map(|(position, _)| *position).collect();
        if boundaries.is_empty() {
            return;
        }
        let at = boundaries[self.random.below(boundaries.len())];
        let job = self.journal.checkpoint(Position(at), at.to_le_bytes().to_vec()).unwrap();
        assert!(self.journal.checkpoint(Position(at), Vec::new()).is_err(), "one at a time");
        self.model.checkpoints_tried.push(at);
        let fault =
            [Operation::Write, Operation::Rename, Operation::SyncDir, Operation::Sync][self.random.below(4)];
        if self.random.one_in(4) && self.shortage.is_none() {
            self.files.fail(Fault::eio(fault));
        }
        let done = job.run();
        self.files.clear_faults();
        match self.journal.checkpointed(done) {
            Ok(()) => {
                self.counts.checkpoints += 1;
                self.model.confirm_checkpoint(at);
                self.model.flushed = self.journal.end().0;
            }
            Err(_) if matches!(self.journal.health(), Health::Poisoned(_)) => {
                assert_eq!(self.shortage, None, "a shortage poisons nothing");
                self.restart(Crash::Process);
            }
            Err(_) => self.counts.checkpoint_refused += u64::from(self.shortage.is_some()),
        }
    }

    fn release(&mut self) {
        let before = Position(self.journal.first().0 + self.random.below(5000) as u64);
        let Some(job) = self.journal.release(before) else { return };
        assert!(self.model.holed || self.journal.first() <= before);
        if self.random.one_in(3) {
            self.files.fail(Fault { skip: self.random.below(3) as u64, ..Fault::eio(Operation::Remove) });
        }
        let done = job.run();
        self.files.clear_faults();
        let removed = self.journal.removed(done);
        self.counts.removed += u64::from(removed.is_ok());
        self.model.forget_before(self.journal.first().0);
    }

    fn fault(&mut self) {
        let fault = match self.random.below(5) {
            0 => Fault { times: 1 + self.random.below(3) as u64, ..Fault::disk_full() },
            1 => Fault { torn: true, ..Fault::eio(Operation::Write) },
            2 => Fault::eio(Operation::Open),
            3 => {
                self.files.fail(Fault::eio(Operation::Truncate));
                Fault::disk_full()
            }
            _ => Fault { skip: self.random.below(3) as u64, ..Fault::disk_full() },
        };
        self.files.fail(fault);
        for _ in 0..3 {
            self.batch();
        }
        self.files.clear_faults();
        self.batch();
    }

    /// Reads one block at the cursor and compares it.
    fn read_on(&mut self) {
        if self.random.one_in(6) {
            self.cursor = self.journal.first();
        }
        let block = match self.journal.read(self.cursor) {
            ReadOutcome::AtEnd => return assert!(self.cursor >= self.journal.end()),
            ReadOutcome::Gone { first } => {
                assert!(self.cursor < first);
                self.cursor = first;
                return;
            }
            ReadOutcome::Block(block) => block,
            ReadOutcome::NeedsDisk(job) => {
                self.counts.file_reads += 1;
                match self.journal.read_done(job.run()) {
                    Ok(block) => block,
                    Err(error) => {
                        assert!(matches!(error, ReadError::Io(_)) && self.shortage.is_some(), "{error}");
                        self.counts.read_refused += 1;
                        return;
                    }
                }
            }
        };
        assert!(self.model.holed || block.damage().is_none(), "nothing was damaged");
        let mut expected = self.model.accepted.range(self.cursor.0..block.next().0);
        for record in block.records().filter(|record| record.position.0 >= self.model.released) {
            let (position, (kind, payload)) = expected.next().expect("only what was accepted");
            assert_eq!((record.position.0, record.kind, record.payload), (*position, *kind, &payload[..]));
            assert_eq!(&record.shared()[..], record.payload);
        }
        assert_eq!(expected.next(), None, "all that was accepted");
        assert!(block.next() > self.cursor);
        self.cursor = block.next();
    }

    fn crash_midway(&mut self) {
        self.files.stop_after(1 + self.random.below(12) as u64);
        for _ in 0..4 {
            match self.random.below(6) {
                0..4 => self.batch(),
                4 => {
                    if let Some(job) = self.journal.sync_job() {
                        let done = job.run();
                        let Ok(seq) = self.journal.synced(done) else { break };
                        self.learn_flushed(seq);
                    }
                }
                _ => {
                    let at = self.journal.end().0;
                    let Ok(job) = self.journal.checkpoint(Position(at), at.to_le_bytes().to_vec()) else {
                        break;
                    };
                    self.model.checkpoints_tried.push(at);
                    if self.journal.checkpointed(job.run()).is_err() {
                        break;
                    }
                    self.model.confirm_checkpoint(at);
                    self.model.flushed = at;
                    if let Some(job) = self.journal.release(Position(at)) {
                        let _ = self.journal.removed(job.run());
                        self.model.forget_before(at);
                    }
                }
            }
        }
        let crash = if self.random.one_in(2) { Crash::Process } else { Crash::Power };
        self.restart(crash);
    }

    fn restart(&mut self, crash: Crash) {
        self.counts.crashes += 1;
        self.flush = None;
        self.files.crash(crash);
        let options = options(&mut self.random);
        let recovery = Recovery::open(Arc::new(self.files.clone()), Path::new(DIR), options).unwrap();
        let replay_from = recovery.checkpoint().map(|checkpoint| {
            assert_eq!(checkpoint.payload, checkpoint.replay_from.0.to_le_bytes());
            checkpoint.replay_from.0
        });
        let tried = &self.model.checkpoints_tried;
        assert!(
            replay_from == self.model.checkpoint || replay_from.is_some_and(|at| tried.contains(&at)),
            "checkpoint {replay_from:?}, confirmed {:?}, tried {tried:?}",
            self.model.checkpoint
        );
        let mut found = BTreeMap::new();
        let (journal, recovered) = recovery
            .replay(|entry| {
                if let Some(record) = entry.record() {
                    found.insert(record.position.0, (record.kind, record.payload.to_vec()));
                }
            })
            .unwrap();
        if crash == Crash::Process && !self.model.holed {
            assert_eq!(recovered.damages, 0, "{recovered:?}");
        }
        self.model.holed |= recovered.damages > 0;
        let from = replay_from.unwrap_or(0);
        let whole = journal.first().0 <= from.max(self.model.first) || self.model.flushed <= from;
        assert!(whole, "replay begins at {from}, but the log at {}", journal.first());
        self.counts.cut += u64::from(recovered.truncated_bytes > 0);
        self.check_recovered(crash, replay_from.unwrap_or(0), &found);
        self.model.first = journal.first().0;
        self.journal = journal;
        let before = self.model.accepted.range(..replay_from.unwrap_or(0));
        let kept: Vec<_> = before.map(|(position, record)| (*position, record.clone())).collect();
        found.extend(kept);
        self.model.accepted = found.split_off(&self.model.released);
        self.model.uncertain.clear();
        self.model.cut.clear();
        self.model.ends.clear();
        self.model.flushed = self.model.flushed.min(self.journal.end().0);
        self.cursor = self.journal.first();
        self.read_everything();
    }

    fn check_recovered(&mut self, crash: Crash, replay_from: u64, found: &BTreeMap<u64, Record>) {
        for (position, record) in found {
            let known = self.model.accepted.get(position) == Some(record)
                || self.model.uncertain.iter().any(|(at, its)| at == position && its == record)
                || (crash == Crash::Power
                    && self.model.cut.iter().any(|(at, its)| at == position && its == record));
            assert!(known, "the record at {position} was never appended");
        }
        for (position, record) in self.model.accepted.range(replay_from..) {
            let due = crash == Crash::Process || *position < self.model.flushed;
            if found.get(position) != Some(record) {
                assert!(!due, "the record at {position} is lost; flushed up to {}", self.model.flushed);
                self.counts.lost_unflushed += 1;
            }
        }
    }

    /// Reads everything: the replayed records and those before the checkpoint.
    fn read_everything(&mut self) {
        let mut at = self.journal.first();
        let mut expected = self.model.accepted.range(at.0..);
        loop {
            let block = match self.journal.read(at) {
                ReadOutcome::AtEnd => break,
                ReadOutcome::Gone { .. } => panic!("first() is readable"),
                ReadOutcome::Block(block) => block,
                ReadOutcome::NeedsDisk(job) => self.journal.read_done(job.run()).unwrap(),
            };
            for record in block.records().filter(|record| record.position.0 >= self.model.released) {
                let (position, (kind, payload)) = expected.next().expect("only what was replayed");
                assert_eq!(
                    (record.position.0, record.kind, record.payload),
                    (*position, *kind, &payload[..])
                );
            }
            at = block.next();
        }
        assert_eq!(expected.next().map(|(position, _)| position), None, "all that was replayed");
    }
}

fn run(seed: u64, steps: usize) -> Counts {
    let mut run = Run::new(seed);
    for _ in 0..steps {
        run.step();
    }
    run.restart(Crash::Power);
    run.counts
}

#[test]
fn faults_and_crashes_lose_nothing_that_was_accepted() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let only = number("JOURNAL_SEED");
    let seeds = only.map_or(0..number("JOURNAL_SEEDS").unwrap_or(150), |seed| seed..seed + 1);
    let mut total = Counts::default();
    for seed in seeds {
        match catch_unwind(AssertUnwindSafe(|| run(seed, 400))) {
            Ok(counts) => total.add(counts),
            Err(panic) => {
                eprintln!("failed: replay with JOURNAL_SEED={seed}");
                resume_unwind(panic)
            }
        }
    }
    eprintln!("{total:?}");
    if only.is_none() {
        total.assert_all_reached();
    }
}

impl Counts {
    fn add(&mut self, other: Counts) {
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.poisoned += other.poisoned;
        self.crashes += other.crashes;
        self.cut += other.cut;
        self.lost_unflushed += other.lost_unflushed;
        self.file_reads += other.file_reads;
        self.checkpoints += other.checkpoints;
        self.removed += other.removed;
        self.flush_refused += other.flush_refused;
        self.checkpoint_refused += other.checkpoint_refused;
        self.read_refused += other.read_refused;
        self.healed += other.healed;
    }

    fn assert_all_reached(&self) {
        let Counts {
            accepted,
            refused,
            poisoned,
            crashes,
            cut,
            lost_unflushed,
            file_reads,
            checkpoints,
            removed,
            flush_refused,
            checkpoint_refused,
            read_refused,
            healed,
        } = *self;
        let in_peace =
            [accepted, refused, poisoned, crashes, cut, lost_unflushed, file_reads, checkpoints, removed];
        let in_need = [flush_refused, checkpoint_refused, read_refused, healed];
        assert!(
            in_peace.iter().chain(&in_need).all(|count| *count > 0),
            "not everything was exercised: {self:?}"
        );
    }
}
