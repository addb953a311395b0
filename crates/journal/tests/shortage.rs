//! A journal during a temporary shortage: of descriptors, memory, or its directory. It refuses, gives the
//! reason, and recovers when the shortage ends; only a failed write or flush of an open file is final.

use std::path::Path;
use std::sync::Arc;

use nuthatch_journal::files::{Crash, Fault, Operation};
use nuthatch_journal::{
    CheckpointError, Durability, Files, Health, Journal, MemFiles, Options, Position, ReadError, ReadOutcome,
    SyncError, WriteError,
};

#[path = "support/log.rs"]
mod log;
use log::{DIR, block, new, open, options, path, put, read_all, text};

const ENOENT: i32 = 2;
const ENOMEM: i32 = 12;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

/// Retries until success; the shortage lasts for one operation.
fn insist<T, E: std::fmt::Display>(mut attempt: impl FnMut() -> Result<T, E>) -> T {
    let mut why = String::new();
    for _ in 0..3 {
        match attempt() {
            Ok(done) => return done,
            Err(e) => why = e.to_string(),
        }
    }
    panic!("{why}");
}

fn commit(journal: &mut Journal, name: &str) {
    insist(|| {
        journal.append(1, &[name.as_bytes(), &vec![b'.'; 11 - name.len()]]).unwrap();
        let written = journal.commit();
        flush(journal).map_err(|e| WriteError::Refused(e.to_string()))?;
        written
    });
}

/// Runs the flush that is due; with `Fsync` also a refused one.
fn flush(journal: &mut Journal) -> Result<(), SyncError> {
    while let Some(job) = journal.sync_job().or_else(|| journal.retry_sync()) {
        journal.synced(job.run())?;
    }
    Ok(())
}

/// Everything a journal does that opens, renames or removes a file.
fn life(files: &MemFiles, durability: Durability) {
    let shared: Arc<dyn Files> = Arc::new(files.clone());
    let options = Options { durability, ..options() };
    let mut journal = insist(|| Journal::create(shared.clone(), DIR.as_ref(), options.clone()));
    commit(&mut journal, "first");
    journal.rest();
    commit(&mut journal, "again");
    journal.seal();
    commit(&mut journal, "next");
    journal.rest();
    insist(|| flush(&mut journal));
    let job = journal.read(Position(0));
    assert!(matches!(job, ReadOutcome::NeedsDisk(_)));
    insist(|| match journal.read(Position(0)) {
        ReadOutcome::NeedsDisk(job) => journal.read_done(job.run()).map(drop),
        other => panic!("{other:?}"),
    });
    let at = journal.segments().last().unwrap().start;
    insist(|| {
        let job = journal.checkpoint(at, b"state".to_vec())?;
        journal.checkpointed(job.run())
    });
    insist(|| match journal.release(at) {
        Some(job) => journal.removed(job.run()),
        None => Ok(()),
    });
    assert_eq!(journal.health(), Health::Ok);
    commit(&mut journal, "last");
    assert_eq!(journal.durable(), journal.committed());
}

#[test]
fn nothing_that_fails_before_a_flush_is_final() {
    use Operation::{CreateDir, Open, OpenDir, Remove, Rename};
    let mut faults = 0;
    for durability in [Durability::Os, Durability::Fsync] {
        for operation in [Open, OpenDir, CreateDir, Rename, Remove] {
            for errno in [EMFILE, ENFILE, ENOMEM, ENOENT] {
                for skip in 0.. {
                    let files = MemFiles::new(1);
                    files.fail(Fault { skip, errno, ..Fault::eio(operation) });
                    life(&files, durability);
                    if files.clear_faults() {
                        break;
                    }
                    faults += 1;
                    files.crash(Crash::Power);
                    let (_, recovered, records) = open(&files);
                    let found = format!("{operation:?} {skip}, errno {errno}: {records:?}");
                    assert_eq!(recovered.damages, 0, "{found}");
                    let kept = records.iter().filter(|r| **r == text("next")[..] || **r == text("last"));
                    assert_eq!(kept.count(), 2, "{found}");
                }
            }
        }
    }
    assert!(faults > 50, "{faults}");
}

#[test]
fn without_a_descriptor_flushes_wait_and_with_fsync_batches_too() {
    for durability in [Durability::Os, Durability::Fsync] {
        let (files, mut journal) = new();
        journal.set_durability(durability);
        put(&mut journal, "before");
        files.set_open_max(Some(1));
        assert_eq!(journal.descriptors(), 2, "a file, and the directory that it is new in");
        let job = journal.sync_job().unwrap();
        // The parent's name is new too, and no journal has it open.
        let refused = journal.synced(job.run()).unwrap_err();
        let why = "cannot flush /: no file descriptor is left, raise their limit or close connections; it is tried again \
                   (Too many open files (os error 24))";
        assert_eq!(refused, SyncError::Refused(why.into()));
        assert_eq!(journal.health(), Health::Refusing(why.into()));
        assert!(journal.sync_job().is_none(), "not before it is asked for");
        journal.append(1, &[b"meanwhile.."]).unwrap();
        match durability {
            Durability::Fsync => {
                assert!(matches!(journal.commit(), Err(WriteError::Refused(its)) if its == why));
            }
            _ => drop(journal.commit().unwrap()),
        }
        let job = journal.checkpoint(Position(0), Vec::new()).unwrap();
        assert!(matches!(journal.checkpointed(job.run()), Err(CheckpointError::Refused(_))));
        files.set_open_max(None);
        let job = journal.retry_sync().unwrap();
        assert_eq!(journal.synced(job.run()).unwrap(), journal.committed());
        assert_eq!((journal.health(), journal.descriptors()), (Health::Ok, 1), "the directory is closed");
        put(&mut journal, "after");
    }
}

#[test]
fn a_parent_that_is_shared_needs_no_descriptor() {
    let (files, mut journal) = new();
    journal.share_parent(files.open_dir("/".as_ref()).unwrap());
    put(&mut journal, "new");
    files.set_open_max(Some(0));
    let job = journal.sync_job().unwrap();
    assert_eq!(journal.synced(job.run()).unwrap(), journal.committed());
    files.crash(Crash::Power);
    files.set_open_max(None);
    assert_eq!(open(&files).2, [text("new")]);
}

#[test]
fn what_was_moved_away_and_back_goes_on() {
    for rest in [false, true] {
        let (files, mut journal) = new();
        put(&mut journal, "before");
        if rest {
            journal.rest();
        }
        let away = Path::new("/elsewhere");
        files.rename(DIR.as_ref(), away).unwrap();
        let done = journal.sync_job().unwrap().run();
        let refused = journal.synced(done).unwrap_err();
        assert!(matches!(&refused, SyncError::Refused(why) if why.contains("put them back")), "{refused}");
        journal.append(1, &[b"no"]).unwrap();
        assert!(matches!(journal.commit(), Err(WriteError::Refused(_))), "a restart would not find it");
        let job = journal.checkpoint(Position(0), Vec::new()).unwrap();
        assert!(journal.checkpointed(job.run()).is_err());
        let ReadOutcome::NeedsDisk(job) = journal.read(Position(0)) else { panic!("nothing is cached") };
        assert!(matches!(journal.read_done(job.run()), Err(ReadError::Io(_))), "not taken for released");
        assert!(files.list(DIR.as_ref()).is_err(), "nobody makes it again");
        files.rename(away, DIR.as_ref()).unwrap();
        let job = journal.retry_sync().unwrap();
        journal.synced(job.run()).unwrap();
        put(&mut journal, "after");
        assert_eq!(read_all(&mut journal).0, [text("before"), text("after")]);
        assert_eq!(open(&files).2, [text("before"), text("after")]);
    }
}

#[test]
fn a_copy_of_what_is_in_use_is_not_written_to() {
    for rest in [false, true] {
        let (files, mut journal) = new();
        put(&mut journal, "before");
        let name = path("00000000000000000000.log");
        let copy = files.content(&name).unwrap();
        put(&mut journal, "later");
        if rest {
            journal.rest();
        }
        files.set_content(&name, copy.clone());
        if !rest {
            let done = journal.sync_job().unwrap().run();
            assert!(matches!(journal.synced(done), Err(SyncError::Refused(_))));
        }
        journal.append(1, &[b"no"]).unwrap();
        let refused = journal.commit().unwrap_err().to_string();
        assert!(refused.contains("or restart to go on with what is there"), "{refused}");
        assert_eq!(files.content(&name), Some(copy));
    }
}

#[test]
fn a_topic_is_not_taken_for_deleted_while_its_directory_is_away() {
    let (files, mut journal) = new();
    put(&mut journal, "kept");
    files.fail(Fault { errno: ENOENT, ..Fault::eio(Operation::Rename) });
    files.fail(Fault { errno: ENOENT, ..Fault::eio(Operation::OpenDir) });
    assert!(journal.delete().is_err());
    assert!(block(&mut journal, Position(0)).is_some());
    assert!(journal.delete().unwrap().is_some());
}
