//! A small journal in a modelled file system, for table tests.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nuthatch_journal::{
    Block, Entry, Files, Journal, MemFiles, Options, Position, ReadOutcome, Recovered, Recovery,
};

pub const DIR: &str = "/log";

/// Small segments, no cache: every read goes to a file.
pub fn options() -> Options {
    Options { segment_bytes: 100, cache_bytes: 0, read_cache_bytes: 0, read_bytes: 64, ..Options::default() }
}

pub fn path(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

/// Opens the journal and returns the records from the checkpoint as text.
pub fn open(files: &MemFiles) -> (Journal, Recovered, Vec<String>) {
    let recovery = Recovery::open(Arc::new(files.clone()), DIR.as_ref(), options()).unwrap();
    let mut records = Vec::new();
    let mut end = Position(0);
    let replayed = recovery.replay(|entry| note(&mut records, &mut end, entry));
    let (journal, recovered) = replayed.unwrap();
    (journal, recovered, records)
}

/// Notes an entry; damage appears between the records around it.
fn note(records: &mut Vec<String>, end: &mut Position, entry: Entry<'_>) {
    let (from, to) = match entry {
        Entry::Record(record) => {
            records.push(String::from_utf8_lossy(record.payload).into_owned());
            (record.position, record.next)
        }
        Entry::Damage(damage) => (damage.from, damage.to),
    };
    assert!(*end <= from && from < to, "{entry:?} behind {end}");
    *end = to;
}

/// A new journal, and its file system in memory.
pub fn new() -> (MemFiles, Journal) {
    let files = MemFiles::new(1);
    files.create_dir(Path::new("/")).unwrap();
    let journal = Journal::create(Arc::new(files.clone()), DIR.as_ref(), options()).unwrap();
    (files, journal)
}

/// Commits one record of 20 bytes in all, with the text `name`.
pub fn put(journal: &mut Journal, name: &str) -> Position {
    let position = journal.append(1, &[name.as_bytes(), &vec![b'.'; 11 - name.len()]]).unwrap();
    journal.commit().unwrap();
    position
}

/// Text of the records that [`put`] wrote.
#[allow(dead_code, reason = "not every test file needs it")]
pub fn text(name: &str) -> String {
    format!("{name:.<11}")
}

#[allow(dead_code, reason = "not every test file needs it")]
pub fn block(journal: &mut Journal, at: Position) -> Option<Block> {
    match journal.read(at) {
        ReadOutcome::Block(block) => Some(block),
        ReadOutcome::NeedsDisk(job) => Some(journal.read_done(job.run()).unwrap()),
        ReadOutcome::AtEnd => None,
        ReadOutcome::Gone { first } => panic!("gone, first is {first}"),
    }
}

/// Everything that can be read, and the number of damaged stretches met.
#[allow(dead_code, reason = "not every test file needs it")]
pub fn read_all(journal: &mut Journal) -> (Vec<String>, u64) {
    let (mut records, mut at, damages) = (Vec::new(), journal.first(), journal.counters().damages);
    while let Some(block) = block(journal, at) {
        records.extend(block.records().map(|record| String::from_utf8_lossy(record.payload).into_owned()));
        at = block.next();
    }
    (records, journal.counters().damages - damages)
}
