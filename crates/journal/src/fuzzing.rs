//! Bodies for fuzzing: arbitrary bytes in, no panic and no made-up record out.
//!
//! The targets in `fuzz/` and a test in this crate call them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::files::{Files, MemFiles};
use crate::format::{checkpoint, segment};
use crate::{Block, Journal, Options, Position, ReadOutcome, Recovery};

const DIR: &str = "/log";
/// Size up to which a file may be doubled.
const CONTENT_BYTES_MAX: usize = 64 * 1024;

/// Opens directories in which `data` is the content of two segments, then of a segment and a checkpoint.
pub fn recovery_of_anything(data: &[u8]) {
    let (first, second) = data.split_at(data.len() / 2);
    for names in [[segment::name(0), segment::name(100)], [segment::name(5), checkpoint::NAME.into()]] {
        let files = MemFiles::new(1);
        files.create_dir(DIR.as_ref()).expect("in memory");
        for (name, content) in names.iter().zip([first, second]) {
            files.set_content(&Path::new(DIR).join(name), content.to_vec());
        }
        reopen_and_use(&files);
    }
}

/// Writes an intact journal of three segments and a checkpoint, then changes it as `data` says: five bytes
/// per change (file, operation, place, value). Every record found must be one that was written.
pub fn recovery_of_mutated_files(data: &[u8]) {
    let files = MemFiles::new(1);
    write_sound(&files);
    for change in data.chunks_exact(5).take(64) {
        mutate(&files, change);
    }
    reopen_and_use(&files);
}

fn options() -> Options {
    Options { segment_bytes: 400, cache_bytes: 0, read_bytes: 100, ..Options::default() }
}

/// The payload written at a position; its first byte determines its length.
fn payload(position: Position) -> Vec<u8> {
    let length = (position.0 % 61) as usize;
    (0..=length).map(|i| (position.0 as usize * 7 + i) as u8).collect()
}

fn write_sound(files: &MemFiles) {
    let mut journal = Journal::create(Arc::new(files.clone()), DIR.as_ref(), options()).expect("in memory");
    for i in 0..40 {
        append(&mut journal);
        journal.commit().expect("in memory");
        if i == 10 {
            let job = journal.checkpoint(journal.end(), vec![1; 50]).expect("none is under way");
            journal.checkpointed(job.run()).expect("in memory");
        }
    }
}

fn append(journal: &mut Journal) {
    let payload = payload(journal.staged_end());
    journal.append(1, &[&payload]).expect("small");
}

fn mutate(files: &MemFiles, change: &[u8]) {
    let paths: Vec<PathBuf> = files.paths();
    let Some(path) = paths.get(change[0] as usize % paths.len().max(1)) else { return };
    let mut content = files.content(path).unwrap_or_default();
    let at = (usize::from(change[2]) << 8 | usize::from(change[3])) % (content.len() + 1);
    match change[1] % 5 {
        0 if at < content.len() => content[at] ^= change[4] | 1,
        1 => content.truncate(at),
        2 => content.splice(at..at, vec![change[4]; 9]).for_each(drop),
        3 if content.len() <= CONTENT_BYTES_MAX => content.extend_from_within(at..),
        4 => content[at..].fill(change[4]),
        _ => {}
    }
    files.set_content(path, content);
}

/// Opens the journal, checks the records found, appends, and finds the new records again.
fn reopen_and_use(files: &MemFiles) {
    let end = {
        let Some(mut journal) = open_and_check(files) else { return };
        read_all(&mut journal);
        append(&mut journal);
        journal.commit().expect("in memory");
        journal.end()
    };
    let mut journal = open_and_check(files).expect("it opened before");
    assert_eq!(journal.end(), end, "what was committed after recovery is there again");
    read_all(&mut journal);
}

fn open_and_check(files: &MemFiles) -> Option<Journal> {
    let recovery = Recovery::open(Arc::new(files.clone()), DIR.as_ref(), options()).ok()?;
    let mut at = Position(0);
    let (journal, _) = recovery
        .replay(|entry| {
            let Some(record) = entry.record() else { return };
            assert!(record.position >= at, "positions go up");
            assert_eq!(record.payload, payload(record.position), "only what was written");
            at = record.next;
        })
        .ok()?;
    Some(journal)
}

fn read_all(journal: &mut Journal) {
    let mut at = journal.first();
    loop {
        let block: Block = match journal.read(at) {
            ReadOutcome::Block(block) => block,
            ReadOutcome::NeedsDisk(job) => journal.read_done(job.run()).expect("in memory"),
            ReadOutcome::AtEnd => return,
            ReadOutcome::Gone { .. } => panic!("first() is readable"),
        };
        for record in block.records() {
            assert_eq!(record.payload, payload(record.position), "only what was written");
        }
        assert!(block.next() > at, "reading gets on");
        at = block.next();
    }
}
