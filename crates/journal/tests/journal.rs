//! Promises of the journal's methods, one case at a time. Faults and crashes at random are in `model.rs`.

use std::io;
use std::path::Path;
use std::sync::Arc;

use nuthatch_journal::files::{Crash, Fault, Operation};
use nuthatch_journal::{
    AppendError, CheckpointError, CommitSeq, DELETED_SUFFIX, DeleteJob, Durability, Files, Health, Journal,
    MemFiles, Options, OsFiles, Position, ReadOutcome, Recovery, WriteError,
};

#[path = "support/log.rs"]
mod log;
use log::{DIR, block, new, open, options, path, put, read_all, text};

fn create(files: &MemFiles, options: Options) -> Journal {
    Journal::create(Arc::new(files.clone()), DIR.as_ref(), options).unwrap()
}

#[test]
fn a_record_has_a_largest_size_and_a_batch_too() {
    let limits = Options { record_bytes_max: 100, batch_bytes_max: 250, ..options() };
    let mut journal = create(&MemFiles::new(1), limits);
    assert_eq!(journal.append(1, &[&[0; 60], &[0; 41]]), Err(AppendError::TooLarge { bytes: 101, max: 100 }));
    assert_eq!(journal.append(0, &[]), Err(AppendError::KindZero));
    for _ in 0..2 {
        journal.append(1, &[&[0; 60], &[0; 40]]).unwrap();
    }
    assert_eq!(journal.staged_bytes(), 218);
    journal.append(255, &[&[0; 23]]).unwrap();
    assert_eq!(journal.append(1, &[]), Err(AppendError::BatchFull { max: 250 }));
    assert_eq!(journal.commit().unwrap(), CommitSeq(1));
    assert_eq!(journal.append(1, &[]), Ok(Position(250)));
}

#[test]
fn nothing_is_seen_before_its_commit() {
    let (files, mut journal) = new();
    let position = journal.append(7, &[b"a", b"b"]).unwrap();
    assert!(matches!(journal.read(position), ReadOutcome::AtEnd));
    assert!(files.paths().is_empty(), "no file before the first commit");
    journal.discard();
    assert_eq!(journal.append(8, &[b"c"]).unwrap(), position, "a discarded position is used again");
    journal.commit().unwrap();
    let block = block(&mut journal, position).unwrap();
    let record = block.records().next().unwrap();
    assert_eq!((record.kind, record.payload, record.next), (8, &b"c"[..], Position(10)));
    assert_eq!(block.records().count(), 1);
}

#[test]
fn the_tail_is_read_from_memory_and_the_rest_from_files() {
    let files = MemFiles::new(1);
    let mut journal = create(&files, Options { cache_bytes: 200, segment_bytes: 1 << 20, ..options() });
    let positions: Vec<Position> = (0..10).map(|i| put(&mut journal, &format!("r{i}"))).collect();
    let from_memory = positions.iter().filter(|p| matches!(journal.read(**p), ReadOutcome::Block(_))).count();
    assert_eq!(from_memory, 2, "20 bytes and what an entry costs, twice");
    assert_eq!(read_all(&mut journal).0.len(), 10);
    journal.set_cache_bytes(0);
    assert!(matches!(journal.read(positions[9]), ReadOutcome::NeedsDisk(_)));
}

#[test]
fn what_was_read_from_a_file_serves_the_next_reader() {
    let files = MemFiles::new(1);
    let mut journal = create(&files, Options { read_cache_bytes: 1000, read_bytes: 100, ..options() });
    for i in 0..5 {
        put(&mut journal, &format!("r{i}"));
    }
    assert_eq!(read_all(&mut journal).0.len(), 5);
    let reads = journal.counters().file_reads;
    assert_eq!(read_all(&mut journal).0.len(), 5);
    assert_eq!(journal.counters().file_reads, reads);
    let ReadOutcome::Block(block) = journal.read_one(Position(40), 30) else { panic!("it is there") };
    assert_eq!(block.start(), Position(40));
}

#[test]
fn one_record_can_be_read_alone() {
    let files = MemFiles::new(1);
    let mut journal = create(&files, Options { segment_bytes: 1 << 20, ..options() });
    let long = journal.append(1, &[&[b'x'; 5000]]).unwrap();
    let short = put(&mut journal, "short");
    for (position, expected) in [(long, 5000), (short, 11)] {
        let ReadOutcome::NeedsDisk(job) = journal.read_one(position, 20) else { panic!("nothing is cached") };
        let block = journal.read_done(job.run()).unwrap();
        assert_eq!(block.records().next().unwrap().payload.len(), expected);
    }
}

#[test]
fn a_full_disk_refuses_loses_nothing_and_recovers() {
    let (files, mut journal) = new();
    put(&mut journal, "kept");
    files.set_capacity(Some(60));
    for _ in 0..3 {
        journal.append(1, &[b"refused"]).unwrap();
        let error = journal.commit().unwrap_err();
        assert!(matches!(error, WriteError::DiskFull(_)) && error.may_recover());
        assert!(error.to_string().starts_with("disk is full: free space, then publish again"), "{error}");
        assert_eq!(journal.health(), Health::Refusing(error.to_string()));
        assert_eq!(journal.staged_bytes(), 0);
    }
    let content = files.content(&path("00000000000000000000.log")).unwrap();
    assert_eq!(content.len(), 32 + 20, "the half that fitted is cut off");
    files.set_capacity(None);
    put(&mut journal, "accepted");
    assert_eq!(journal.health(), Health::Ok);
    assert_eq!(open(&files).2, [text("kept"), text("accepted")]);
}

#[test]
fn what_cannot_be_cut_off_stops_writing_until_it_can() {
    let (files, mut journal) = new();
    put(&mut journal, "kept");
    files.set_capacity(Some(32 + 20 + 25));
    files.fail(Fault { times: 2, ..Fault::eio(Operation::Truncate) });
    journal.append(1, &[b"two records, the"]).unwrap();
    journal.append(1, &[b"second does not fit"]).unwrap();
    assert!(matches!(journal.commit(), Err(WriteError::DiskFull(_))));
    files.set_capacity(None);
    journal.append(1, &[b"no"]).unwrap();
    assert!(matches!(journal.commit(), Err(WriteError::Io(_))), "the rest of the first is still there");
    put(&mut journal, "accepted");
    assert_eq!(open(&files).2, [text("kept"), text("accepted")]);
}

#[test]
fn a_short_write_is_gone_on_with() {
    let (files, mut journal) = new();
    files.set_short_writes(true);
    for i in 0..20 {
        put(&mut journal, &format!("r{i}"));
    }
    assert_eq!(open(&files).2.len(), 20);
}

#[test]
fn fsync_is_shared_and_decides_what_is_accepted() {
    let files = MemFiles::new(1);
    files.create_dir("/".as_ref()).unwrap();
    let mut journal = create(&files, Options { durability: Durability::Fsync, ..options() });
    for i in 0..7 {
        put(&mut journal, &format!("r{i}"));
    }
    assert_eq!((journal.committed(), journal.accepted()), (CommitSeq(7), CommitSeq(0)));
    let job = journal.sync_job().unwrap();
    put(&mut journal, "later");
    assert!(journal.sync_job().is_none(), "one at a time");
    assert_eq!(journal.synced(job.run()).unwrap(), CommitSeq(7));
    assert_eq!((journal.accepted(), journal.bytes_at_risk()), (CommitSeq(7), 20));
    files.crash(Crash::Power);
    assert!(open(&files).2.len() >= 7);
}

#[test]
fn a_failed_fsync_poisons() {
    let files = MemFiles::new(1);
    let mut journal = create(&files, Options { durability: Durability::Fsync, ..options() });
    put(&mut journal, "r0");
    files.fail(Fault::eio(Operation::Sync));
    let done = journal.sync_job().unwrap().run();
    let poisoned = journal.synced(done).unwrap_err();
    assert_eq!(
        poisoned.to_string(),
        "journal takes no more writes: fsync of /log/00000000000000000000.log failed (Input/output error (os error 5)); \
         check the device and restart"
    );
    assert_eq!(journal.health(), Health::Poisoned(poisoned.to_string()));
    journal.append(1, &[b"no"]).unwrap();
    assert!(matches!(journal.commit(), Err(WriteError::Poisoned(_))));
    assert!(matches!(journal.checkpoint(Position(0), Vec::new()), Err(CheckpointError::Poisoned(_))));
    assert_eq!(journal.accepted(), CommitSeq(0), "nothing is accepted any more");
    assert_eq!(read_all(&mut journal).0, [text("r0")], "what was committed can be read");
}

#[test]
fn release_deletes_whole_segments_behind_the_checkpoint() {
    let (files, mut journal) = new();
    for i in 0..17 {
        put(&mut journal, &format!("r{i}"));
    }
    assert!(journal.release(Position(340)).is_none(), "no checkpoint yet");
    let job = journal.checkpoint(Position(220), b"state".to_vec()).unwrap();
    assert!(matches!(journal.checkpoint(Position(0), Vec::new()), Err(CheckpointError::UnderWay)));
    assert!(journal.release(Position(340)).is_none(), "not before it is on the device");
    journal.checkpointed(job.run()).unwrap();
    let job = journal.release(Position(340)).unwrap();
    assert_eq!(journal.first(), Position(200));
    assert!(matches!(journal.read(Position(0)), ReadOutcome::Gone { first: Position(200) }));
    journal.removed(job.run()).unwrap();
    assert_eq!(files.paths().len(), 3, "two segments and the checkpoint");
    let recovery = Recovery::open(Arc::new(files), DIR.as_ref(), options()).unwrap();
    assert_eq!(recovery.checkpoint().unwrap().payload, b"state");
}

#[test]
fn live_records_are_copied_forward_to_free_their_segment() {
    let (files, mut journal) = new();
    let pinned = put(&mut journal, "pinned");
    for i in 0..9 {
        put(&mut journal, &format!("r{i}"));
    }
    let block = block(&mut journal, pinned).unwrap();
    let record = block.records().next().unwrap();
    journal.append(record.kind, &[record.payload]).unwrap();
    journal.seal();
    journal.commit().unwrap();
    let job = journal.checkpoint(Position(200), Vec::new()).unwrap();
    journal.checkpointed(job.run()).unwrap();
    let job = journal.release(journal.end()).unwrap();
    journal.removed(job.run()).unwrap();
    assert_eq!(open(&files).2, [text("pinned")]);
}

#[test]
fn a_segment_that_cannot_be_deleted_stays_in_the_log() {
    let (files, mut journal) = new();
    for i in 0..17 {
        put(&mut journal, &format!("r{i}"));
    }
    let job = journal.checkpoint(Position(340), Vec::new()).unwrap();
    journal.checkpointed(job.run()).unwrap();
    files.fail(Fault { skip: 1, ..Fault::eio(Operation::Remove) });
    let done = journal.release(Position(340)).unwrap().run();
    assert!(journal.removed(done).is_err());
    assert_eq!(journal.first(), Position(100), "the first is gone, the others are not");
    let job = journal.release(Position(340)).unwrap();
    journal.removed(job.run()).unwrap();
    assert_eq!(journal.first(), Position(300));
}

#[test]
fn a_checkpoint_that_fails_leaves_the_one_before() {
    let (files, mut journal) = new();
    put(&mut journal, "r0");
    let job = journal.checkpoint(Position(0), b"old".to_vec()).unwrap();
    journal.checkpointed(job.run()).unwrap();
    for operation in [Operation::Write, Operation::Rename, Operation::Sync] {
        // The log itself is flushed already: the failure is the checkpoint's.
        let job = journal.checkpoint(Position(20), b"new".to_vec()).unwrap();
        files.fail(Fault::eio(operation));
        assert!(matches!(journal.checkpointed(job.run()), Err(CheckpointError::Io(_))), "{operation:?}");
        assert_eq!(journal.health(), Health::Ok, "{operation:?}");
        let recovery = Recovery::open(Arc::new(files.clone()), DIR.as_ref(), options()).unwrap();
        assert_eq!(recovery.checkpoint().unwrap().payload, b"old", "{operation:?}");
    }
    let max = journal.options().checkpoint_bytes_max;
    assert!(matches!(
        journal.checkpoint(Position(0), vec![0; max + 1]),
        Err(CheckpointError::TooLarge { .. })
    ));
    assert!(matches!(journal.checkpoint(Position(21), Vec::new()), Err(CheckpointError::NotCommitted)));
}

#[test]
fn memory_is_bounded_and_needs_no_file() {
    let mut journal = Journal::in_memory(Options { memory_bytes: 3 * 84, ..Options::default() });
    let positions: Vec<Position> = (0..3).map(|i| put(&mut journal, &format!("r{i}"))).collect();
    journal.append(1, &[b"more"]).unwrap();
    assert!(matches!(journal.commit(), Err(WriteError::MemoryFull { max: 252 })));
    assert_eq!(journal.accepted(), CommitSeq(3));
    assert!(journal.release(positions[2]).is_none());
    assert!(matches!(journal.read(positions[1]), ReadOutcome::Gone { first } if first == positions[2]));
    put(&mut journal, "again");
    assert_eq!(read_all(&mut journal).0, [text("r2"), text("again")]);
    assert!(journal.sync_job().is_none());
    assert!(matches!(journal.checkpoint(Position(0), Vec::new()), Err(CheckpointError::NoFiles)));
    journal.set_durability(Durability::Fsync);
    assert_eq!(journal.options().durability, Durability::Memory);
}

#[test]
fn a_deleted_journal_makes_room_at_once_and_is_known_when_half_deleted() {
    let (files, mut journal) = new();
    put(&mut journal, "old");
    let job = journal.delete().unwrap().unwrap();
    let mut journal = create(&files, options());
    put(&mut journal, "new");
    files.fail(Fault::eio(Operation::Remove));
    assert!(job.run().is_err());
    let entries = files.list("/".as_ref()).unwrap();
    let left = entries.iter().find(|entry| entry.name.ends_with(DELETED_SUFFIX)).unwrap();
    DeleteJob::new(Arc::new(files.clone()), Path::new("/").join(&left.name)).run().unwrap();
    assert_eq!(files.paths().len(), 1);
    assert_eq!(open(&files).2, [text("new")]);
}

#[test]
fn an_idle_journal_holds_neither_memory_nor_a_file() {
    let files = MemFiles::new(1);
    let mut journal = create(&files, Options::default());
    put(&mut journal, "r0");
    let job = journal.sync_job().unwrap();
    journal.synced(job.run()).unwrap();
    journal.rest();
    assert_eq!(journal.memory_bytes(), 0);
    put(&mut journal, "r1");
    assert_eq!(read_all(&mut journal).0.len(), 2);
}

#[test]
fn real_files() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let options =
        Options { durability: Durability::Fsync, segment_bytes: 1000, cache_bytes: 0, ..Options::default() };
    {
        let mut journal = Journal::create(Arc::new(OsFiles), &log, options.clone()).unwrap();
        assert!(Journal::create(Arc::new(OsFiles), &log, options.clone()).is_err(), "it is there");
        for i in 0..100 {
            put(&mut journal, &format!("r{i}"));
        }
        let job = journal.sync_job().unwrap();
        let done = std::thread::spawn(move || job.run()).join().unwrap();
        assert_eq!(journal.synced(done).unwrap(), CommitSeq(100));
        let job = journal.checkpoint(Position(1000), b"state".to_vec()).unwrap();
        journal.checkpointed(job.run()).unwrap();
        let job = journal.release(Position(1000)).unwrap();
        journal.removed(job.run()).unwrap();
    }
    let recovery = Recovery::open(Arc::new(OsFiles), &log, options).unwrap();
    assert_eq!(recovery.checkpoint().unwrap().replay_from, Position(1000));
    let (mut journal, recovered) = recovery.replay(|_| {}).unwrap();
    assert_eq!((recovered.records, recovered.damages), (50, 0));
    assert_eq!(read_all(&mut journal).0.len(), 50);
    assert_eq!(mode(&log.join("00000000000000001000.log")), 0o600, "as nsqd's files");
    journal.delete().unwrap().unwrap().run().unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_directory_is_locked_once() {
    let dir = tempfile::tempdir().unwrap();
    let modelled = MemFiles::new(1);
    for files in [&OsFiles as &dyn Files, &modelled] {
        let lock = files.lock(dir.path()).unwrap();
        assert_eq!(files.lock(dir.path()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(lock);
        drop(files.lock(dir.path()).unwrap());
    }
}
