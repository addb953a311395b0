//! Files changed behind the journal's back: lost records, surviving records, and the report.
//!
//! The log of each case: records of 20 bytes "r0" to "r9", five to a segment of 100 bytes, then "r10" alone
//! in the last.

use std::path::PathBuf;
use std::sync::Arc;

use nuthatch_journal::files::{Fault, Operation};
use nuthatch_journal::{DamageReason, Entry, Journal, MemFiles, Position, ReadError, ReadOutcome, Recovery};

#[path = "support/log.rs"]
mod log;
use log::{DIR, block, new, open, options, path, put, read_all, text};

const HEADER: usize = 32;
const FIRST: &str = "00000000000000000000.log";
const MIDDLE: &str = "00000000000000000100.log";
const LAST: &str = "00000000000000000200.log";

fn written() -> MemFiles {
    let (files, mut journal) = new();
    for i in 0..11 {
        put(&mut journal, &format!("r{i}"));
    }
    assert_eq!(journal.segments().map(|segment| segment.bytes).collect::<Vec<_>>(), [100, 100, 20]);
    files
}

fn change(files: &MemFiles, name: &str, how: impl FnOnce(&mut Vec<u8>)) {
    let mut content = files.content(&path(name)).unwrap();
    how(&mut content);
    files.set_content(&path(name), content);
}

fn remove(files: &MemFiles, name: &str) {
    use nuthatch_journal::Files;
    files.remove(&path(name)).unwrap();
}

fn all_but(missing: &[usize]) -> Vec<String> {
    (0..11).filter(|i| !missing.contains(i)).map(|i| text(&format!("r{i}"))).collect()
}

/// Records and damage from a position.
fn walk(journal: &Journal, from: Position) -> (Vec<String>, Vec<(u64, u64, DamageReason)>) {
    let (mut records, mut damages) = (Vec::new(), Vec::new());
    let walked = journal.walk(from, |entry| match entry {
        Entry::Record(record) => records.push(String::from_utf8_lossy(record.payload).into_owned()),
        Entry::Damage(d) => damages.push((d.from.0, d.to.0, d.reason)),
    });
    walked.unwrap();
    (records, damages)
}

/// Expected outcome of a case: records missing, stretches of damage as (from, to, reason), bytes cut.
type Expected<'a> = (&'a [usize], &'a [(u64, u64, DamageReason)], u64);

fn check(name: &str, damage: impl FnOnce(&MemFiles), expected: Expected<'_>) {
    let (missing, damages, cut) = expected;
    let files = written();
    damage(&files);
    let (mut journal, recovered, records) = open(&files);
    assert_eq!(records, all_but(missing), "{name}: replayed");
    let found: Vec<_> = recovered.damage.iter().map(|d| (d.from.0, d.to.0, d.reason)).collect();
    assert_eq!(found, damages, "{name}: damage");
    assert_eq!(recovered.damages, damages.len() as u64, "{name}");
    assert_eq!(recovered.truncated_bytes, cut, "{name}: cut");
    assert_eq!(read_all(&mut journal).0, all_but(missing), "{name}: read");
    let walked = walk(&journal, Position(0));
    assert_eq!(walked.0, all_but(missing), "{name}: walked");
    let beside = [DamageReason::Header, DamageReason::Foreign];
    let in_log = damages.iter().filter(|(.., reason)| !beside.contains(reason));
    assert_eq!(walked.1, in_log.copied().collect::<Vec<_>>(), "{name}: walked over damage");
    put(&mut journal, "after");
    let (mut journal, again, records) = open(&files);
    let mut expected = all_but(missing);
    expected.push(text("after"));
    assert_eq!(records, expected, "{name}: the log goes on");
    assert_eq!(again.truncated_bytes, 0, "{name}: cut once");
    assert_eq!(read_all(&mut journal).0, expected, "{name}: read again");
}

#[test]
fn the_end_of_the_last_segment_is_cut() {
    let cut = |bytes| move |files: &MemFiles| change(files, LAST, |content| content.truncate(HEADER + bytes));
    check("untouched", |_| {}, (&[], &[], 0));
    check("half a payload", cut(15), (&[10], &[], 15));
    check("half a header", cut(5), (&[10], &[], 5));
    check("empty segment", cut(0), (&[10], &[], 0));
    check("half a segment header", |files| change(files, LAST, |c| c.truncate(10)), (&[10], &[], 0));
    check("empty file", |files| change(files, LAST, Vec::clear), (&[10], &[], 0));
    check("zeros behind", |files| change(files, LAST, |c| c.resize(500, 0)), (&[], &[], 448));
    check("a flipped bit", |files| change(files, LAST, |c| c[HEADER + 12] ^= 1), (&[10], &[], 20));
    let absurd = |files: &MemFiles| change(files, LAST, |c| c[HEADER + 4..HEADER + 8].fill(0xff));
    check("an absurd length", absurd, (&[10], &[], 20));
    // Nothing indicates that it existed.
    check("no last file", |files| remove(files, LAST), (&[10], &[], 0));
    let short = |files: &MemFiles| change(files, MIDDLE, |c| c.truncate(HEADER + 70));
    let damage = &[(160, 170, DamageReason::Checksum), (170, 200, DamageReason::Missing)];
    check("the file before the last is short", short, (&[8, 9], damage, 0));
}

#[test]
fn damage_in_the_middle_is_skipped_and_reported() {
    use DamageReason::{Checksum, Missing};
    let flip = |name: &'static str, at: usize| {
        move |files: &MemFiles| change(files, name, |c| c[HEADER + at] ^= 0x40)
    };
    check("payload", flip(MIDDLE, 35), (&[6], &[(120, 140, Checksum)], 0));
    check("crc", flip(MIDDLE, 20), (&[6], &[(120, 140, Checksum)], 0));
    check("length", flip(MIDDLE, 24), (&[6], &[(120, 140, Checksum)], 0));
    check("first record", flip(FIRST, 10), (&[0], &[(0, 20, Checksum)], 0));
    check("last record of a closed segment", flip(FIRST, 95), (&[4], &[(80, 100, Checksum)], 0));
    let wiped = |files: &MemFiles| change(files, MIDDLE, |c| c[HEADER + 10..HEADER + 50].fill(0));
    check("three records", wiped, (&[5, 6, 7], &[(100, 160, Checksum)], 0));
    check("a file", |files| remove(files, MIDDLE), (&[5, 6, 7, 8, 9], &[(100, 200, Missing)], 0));
    let grown = |files: &MemFiles| change(files, MIDDLE, |c| c.extend_from_slice(b"something else"));
    check("bytes behind a closed segment", grown, (&[], &[], 0));
    let swapped = |files: &MemFiles| {
        change(files, MIDDLE, |c| {
            let (one, other) = c[HEADER..].split_at_mut(20);
            one.swap_with_slice(&mut other[..20]);
        });
    };
    check("two records in each other's place", swapped, (&[5, 6], &[(100, 140, Checksum)], 0));
}

#[test]
fn damage_says_what_its_headers_still_say() {
    // Kinds 1 to 5, 20 bytes each, followed by an intact record.
    let written = || {
        let (files, mut journal) = new();
        for kind in [1, 2, 2, 3, 4] {
            journal.append(kind, &[&[b'.'; 11]]).unwrap();
        }
        journal.commit().unwrap();
        files
    };
    let check = |name: &str, hurt: &[usize], kinds: &[(u8, u64)]| {
        let files = written();
        change(&files, FIRST, |content| hurt.iter().for_each(|at| content[HEADER + at] ^= 0x10));
        let (mut journal, recovered, _) = open(&files);
        assert_eq!(recovered.damage[0].kinds, kinds, "{name}");
        let met = block(&mut journal, recovered.damage[0].from);
        assert_eq!(
            met.and_then(|block| block.damage().cloned()).as_ref(),
            recovered.damage.first(),
            "{name}"
        );
    };
    check("payloads of three", &[30, 50, 70], &[(2, 2), (3, 1)]);
    check("a checksum", &[60], &[(3, 1)]);
    check("a length", &[24], &[(2, 1)]);
    check("a length, too large", &[27], &[(2, 1)]);
    check("a kind", &[28], &[(0x12, 1)]);
    check("one, and the length of the next", &[30, 44], &[(2, 2)]);
    check("a length in front of another", &[24, 50], &[(2, 1)]);
}

#[test]
fn a_record_inside_a_payload_is_not_taken_for_one() {
    let (files, mut journal) = new();
    put(&mut journal, "decoy");
    let decoy = files.content(&path(FIRST)).unwrap()[HEADER..].to_vec();
    for _ in 0..3 {
        journal.append(1, &[&decoy, &decoy, &decoy]).unwrap();
    }
    journal.append(1, &[b"behind"]).unwrap();
    journal.commit().unwrap();
    let name = "00000000000000000020.log";
    change(&files, name, |c| c[HEADER + 9 + 69..HEADER + 2 * (9 + 60)].fill(0xee));
    let (_, recovered, records) = open(&files);
    assert_eq!(recovered.damages, 1);
    assert_eq!(records.len(), 4, "only the second of the three is lost: {records:?}");
}

#[test]
fn a_damaged_segment_header_costs_no_record() {
    use DamageReason::Header;
    let starts = [(FIRST, 0), (MIDDLE, 100), (LAST, 200)];
    for bit in 0..HEADER * 8 {
        for (name, start) in starts {
            let hurt = |files: &MemFiles| change(files, name, |c| c[bit / 8] ^= 1 << (bit % 8));
            check(&format!("bit {bit} of {name}"), hurt, (&[], &[(start, start, Header)], 0));
        }
    }
    for (name, start) in starts {
        let wiped = |files: &MemFiles| change(files, name, |c| c[..HEADER].fill(0xee));
        check(&format!("all of {name}"), wiped, (&[], &[(start, start, Header)], 0));
        let more = |files: &MemFiles| {
            change(files, name, |c| {
                c[3] ^= 1;
                c[HEADER + 10] ^= 1;
            });
        };
        let reason = DamageReason::Checksum;
        match start {
            200 => {
                let damage = [(200, 220, DamageReason::Foreign), (200, 220, DamageReason::Missing)];
                check(name, more, (&[10], &damage, 0));
            }
            0 => check(name, more, (&[0], &[(0, 0, Header), (0, 20, reason)], 0)),
            _ => check(name, more, (&[5], &[(100, 100, Header), (100, 120, reason)], 0)),
        }
    }
}

#[test]
fn the_tag_is_found_without_a_sound_header_or_a_checkpoint() {
    for bit in 0..64 {
        let (files, mut journal) = new();
        for i in 0..5 {
            put(&mut journal, &format!("r{i}"));
        }
        change(&files, FIRST, |c| c[16 + bit / 8] ^= 1 << (bit % 8));
        let (mut journal, recovered, records) = open(&files);
        assert_eq!((records.len(), recovered.damages), (5, 1), "bit {bit}");
        put(&mut journal, "after");
        let (_, recovered, records) = open(&files);
        assert_eq!((records.len(), recovered.damages), (6, 0), "bit {bit}: it is whole again");
    }
    // Neither the header nor the first record.
    let (files, mut journal) = new();
    for i in 0..5 {
        put(&mut journal, &format!("r{i}"));
    }
    change(&files, FIRST, |c| [0, HEADER + 2].iter().for_each(|&at| c[at] ^= 1));
    let (_, recovered, records) = open(&files);
    assert_eq!((records.len(), recovered.damages), (4, 2));
}

#[test]
fn what_holds_no_record_is_put_aside_and_not_written_over() {
    let files = written();
    change(&files, LAST, |c| c.iter_mut().for_each(|byte| *byte = 0x17));
    let before = files.content(&path(LAST)).unwrap();
    let (mut journal, recovered, _) = open(&files);
    assert_eq!(recovered.damage[0].to_string(), "segment holds no record of this journal from 200 to 220");
    assert_eq!(put(&mut journal, "after"), Position(220), "no position is used twice");
    assert_eq!(files.content(&path(&format!("{LAST}.bad"))), Some(before));
}

#[test]
fn a_newer_version_is_refused_not_destroyed() {
    let files = written();
    let before: Vec<PathBuf> = files.paths();
    for name in [MIDDLE, LAST] {
        change(&files, name, |c| c[8] = 2);
    }
    let error = Recovery::open(Arc::new(files.clone()), DIR.as_ref(), options()).unwrap_err();
    assert!(error.to_string().ends_with("version 2 is not known to this program"), "{error}");
    assert_eq!(files.paths(), before);
}

#[test]
fn another_journals_segment_is_put_aside() {
    for name in [FIRST, MIDDLE, LAST] {
        let (files, other) = (written(), written());
        files.set_content(&path(name), other.content(&path(name)).unwrap());
        let (_, recovered, records) = open(&files);
        let missing: &[usize] = match name {
            FIRST => &[0, 1, 2, 3, 4],
            MIDDLE => &[5, 6, 7, 8, 9],
            _ => &[10],
        };
        assert_eq!(records, all_but(missing));
        assert_eq!(recovered.damage[0].reason, DamageReason::Foreign);
    }
}

#[test]
fn a_damaged_checkpoint_is_put_aside_and_everything_is_replayed() {
    let (files, mut journal) = new();
    for i in 0..11 {
        put(&mut journal, &format!("r{i}"));
    }
    let job = journal.checkpoint(Position(120), b"state".to_vec()).unwrap();
    journal.checkpointed(job.run()).unwrap();
    let (_, _, records) = open(&files);
    assert_eq!(records, all_but(&[0, 1, 2, 3, 4, 5]));
    change(&files, "checkpoint", |c| c[42] ^= 1);
    let (mut journal, recovered, records) = open(&files);
    assert_eq!(records, all_but(&[]));
    assert_eq!(recovered.damage[0].reason, DamageReason::Checkpoint);
    assert!(files.content(&path("checkpoint.bad")).is_some());
    assert!(journal.release(Position(220)).is_none(), "nothing is deleted without a checkpoint");
    // Segments that a now unreadable checkpoint allowed to be deleted do not count as missing; without a
    // checkpoint they do.
    remove(&files, FIRST);
    assert_eq!(open(&files).1.damages, 0);
    remove(&files, "checkpoint.bad");
    assert_eq!(open(&files).1.damage[0].to_string(), "records are missing from 0 to 100");
}

#[test]
fn a_name_that_no_segment_has_is_let_be() {
    let files = written();
    for name in [format!("{}.log", u64::MAX), format!("{}.log", 1u64 << 63), "x.log".to_owned()] {
        files.set_content(&path(&name), vec![0x55; 100]);
    }
    let (_, recovered, records) = open(&files);
    assert_eq!((records, recovered.damages), (all_but(&[]), 0));
}

#[test]
fn a_checkpoint_that_outlived_its_log_keeps_positions_going_up() {
    let (files, mut journal) = new();
    for i in 0..11 {
        put(&mut journal, &format!("r{i}"));
    }
    let job = journal.checkpoint(Position(220), b"state".to_vec()).unwrap();
    journal.checkpointed(job.run()).unwrap();
    for name in [MIDDLE, LAST] {
        remove(&files, name);
    }
    let (mut journal, recovered, records) = open(&files);
    assert!(records.is_empty());
    assert_eq!(recovered.damage[0].to_string(), "records are missing from 100 to 220");
    assert_eq!(put(&mut journal, "after"), Position(220), "no position is used twice");
    assert_eq!(read_all(&mut journal).0.last(), Some(&text("after")));
}

#[test]
fn a_record_that_goes_bad_under_a_running_journal_is_skipped_and_counted() {
    let (files, mut journal) = new();
    for i in 0..11 {
        put(&mut journal, &format!("r{i}"));
    }
    change(&files, MIDDLE, |c| c[HEADER + 30] ^= 1);
    assert_eq!(read_all(&mut journal), (all_but(&[6]), 1));
    assert_eq!(journal.counters().damaged_bytes, 20);
}

#[test]
fn a_device_that_cannot_read_costs_nothing_but_the_attempt() {
    let (files, mut journal) = new();
    for i in 0..11 {
        put(&mut journal, &format!("r{i}"));
    }
    let ReadOutcome::NeedsDisk(job) = journal.read(Position(0)) else { panic!("nothing is cached") };
    files.fail(Fault::eio(Operation::Read));
    assert!(matches!(journal.read_done(job.run()), Err(ReadError::Io(_))));
    assert_eq!(read_all(&mut journal), (all_but(&[]), 0));
}

#[test]
fn a_device_that_cannot_read_at_start_cuts_nothing() {
    let files = written();
    let recovery = Recovery::open(Arc::new(files.clone()), DIR.as_ref(), options()).unwrap();
    // Two reads of each closed segment, then those of the last fail.
    files.fail(Fault { skip: 4, times: 9, ..Fault::eio(Operation::Read) });
    let (mut journal, recovered) = recovery.replay(|_| {}).unwrap();
    files.clear_faults();
    assert_eq!((recovered.records, recovered.truncated_bytes), (10, 0), "{recovered:?}");
    assert_eq!(recovered.damage[0].reason, DamageReason::Unreadable);
    put(&mut journal, "after");
    let (_, recovered, records) = open(&files);
    assert_eq!(recovered.damages, 0, "it was there all the time");
    assert_eq!(records.len(), 12);
}
