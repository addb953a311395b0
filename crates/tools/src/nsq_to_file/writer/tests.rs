use std::collections::{BTreeMap, VecDeque};
use std::io::Read;

use super::super::name::{Format, Machine};
use super::sim_disk::SimDisk;
use super::*;

type TestWriter = Writer<SimDisk, u32>;

fn plan(work: &str, compression: Compression) -> Plan {
    Plan {
        output_directory: "/out".into(),
        work_directory: work.into(),
        compression,
        rotate_bytes: 0,
        rotate_interval: Duration::ZERO,
        skip_empty_files: false,
    }
}

fn name(plan: &Plan) -> Name {
    let format = Format {
        filename: "<TOPIC><REV>.<DATETIME>".into(),
        datetime: "%H".into(),
        host_identifier: String::new(),
        suffix: plan.compression.suffix(),
        revisions: plan.has_revisions(),
    };
    format.name("t", &Machine { hostname: "h".into(), pid: 1 })
}

fn writer(disk: &SimDisk, plan: &Plan) -> TestWriter {
    Writer::new(disk.clone(), plan.clone(), name(plan))
}

fn at(seconds: u64) -> Moment {
    let start = jiff::Timestamp::from_second(1_700_000_000).unwrap();
    let wall =
        (start + jiff::SignedDuration::from_secs(seconds as i64)).to_zoned_datetime(jiff::tz::TimeZone::UTC);
    Moment { elapsed: Duration::from_secs(seconds), wall }
}

fn record(message: u32) -> Vec<u8> {
    format!("message {message} {}\n", "x".repeat((message % 7) as usize * 40)).into_bytes()
}

fn names(disk: &SimDisk) -> Vec<String> {
    disk.files().into_iter().map(|(name, _)| name.display().to_string()).collect()
}

/// Number of complete copies of each message in files. Crashes cut files.
fn copies(disk: &SimDisk) -> BTreeMap<u32, u32> {
    let mut copies = BTreeMap::new();
    for (name, data) in disk.files() {
        let mut text = Vec::new();
        match name.extension().and_then(|ending| ending.to_str()) {
            Some("gz") => drop(flate2::read::MultiGzDecoder::new(&data[..]).read_to_end(&mut text)),
            Some("zst") => {
                if let Ok(mut decoder) = zstd::stream::read::Decoder::new(&data[..]) {
                    let _ = decoder.read_to_end(&mut text);
                }
            }
            _ => text = data,
        }
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let words = String::from_utf8_lossy(line).into_owned();
            let number = words.split(' ').nth(1).and_then(|number| number.parse().ok());
            if let Some(message) = number.filter(|message| record(*message) == line) {
                *copies.entry(message).or_insert(0) += 1;
            }
        }
    }
    copies
}

#[test]
fn done_only_after_a_sync() {
    let disk = SimDisk::default();
    let plan = plan("/out", Compression::None);
    let mut writer = writer(&disk, &plan);
    writer.message(&record(1), 1, &at(0)).unwrap();
    writer.message(&record(2), 2, &at(0)).unwrap();
    assert!(writer.take().done.is_empty());
    assert_eq!(writer.pending(), [1, 2]);
    writer.sync().unwrap();
    assert_eq!(writer.take().done, [1, 2]);
    disk.lose_power(|_| 0);
    assert_eq!(copies(&disk), BTreeMap::from([(1, 1), (2, 1)]));
}

#[test]
fn rotation_by_name_size_and_interval() {
    let disk = SimDisk::default();
    let sized = Plan { rotate_bytes: 100, ..plan("/out", Compression::None) };
    let mut sizes = writer(&disk, &sized);
    disk.put("/out/t-000000.22", &[b'y'; 101]);
    for message in [7, 6, 14] {
        sizes.message(&record(message), message, &at(0)).unwrap();
    }
    sizes.close().unwrap();
    // 6 fills the file beyond its size, 14 opens the next one; the existing one is full
    assert_eq!(names(&disk), ["/out/t-000000.22", "/out/t-000001.22", "/out/t-000002.22"]);

    let disk = SimDisk::default();
    let aged = Plan { rotate_interval: Duration::from_secs(10), ..plan("/out", Compression::None) };
    let mut ages = writer(&disk, &aged);
    for (message, second) in [(1, 0), (2, 10), (3, 11), (4, 2_900)] {
        ages.message(&record(message), message, &at(second)).unwrap();
    }
    assert_eq!(names(&disk), ["/out/t-000000.22", "/out/t-000000.23", "/out/t-000001.22"]);
    assert_eq!(ages.take().done, [1, 2, 3], "what is closed is synced");
}

#[test]
fn empty_files_are_made_or_not() {
    for (skip_empty_files, expected) in [(false, vec!["/out/t.22"]), (true, vec![])] {
        let disk = SimDisk::default();
        let plan = Plan { skip_empty_files, ..plan("/out", Compression::None) };
        let mut writer = writer(&disk, &plan);
        writer.tick(&at(0)).unwrap();
        assert_eq!(names(&disk), expected);
        writer.close().unwrap();
        writer.close().unwrap();
        // the original exits here: "file already closed"
        writer.tick(&at(3_600)).unwrap();
    }
}

#[test]
fn a_message_after_a_hang_up_is_written_and_finished() {
    for work in ["/out", "/work"] {
        let disk = SimDisk::default();
        let mut writer = writer(&disk, &plan(work, Compression::None));
        writer.message(&record(1), 1, &at(0)).unwrap();
        writer.close().unwrap();
        writer.message(&record(2), 2, &at(1)).unwrap();
        writer.close().unwrap();
        assert_eq!(writer.take().done, [1, 2]);
        assert_eq!(copies(&disk), BTreeMap::from([(1, 1), (2, 1)]));
        assert!(names(&disk).iter().all(|name| name.starts_with("/out")), "{:?}", names(&disk));
    }
}

#[test]
fn nothing_in_the_output_directory_is_written_over() {
    let disk = SimDisk::default();
    let mut writer = writer(&disk, &plan("/work", Compression::None));
    disk.put("/out/t-000000.22", b"taken\n");
    writer.message(&record(1), 1, &at(0)).unwrap();
    // taken while the file is written
    disk.put("/out/t-000001.22", b"taken\n");
    writer.close().unwrap();
    assert_eq!(names(&disk), ["/out/t-000000.22", "/out/t-000001.22", "/out/t-000002.22"]);
    assert_eq!(disk.files()[1].1, b"taken\n");
}

#[test]
fn a_cut_record_is_not_joined_with_the_next() {
    let disk = SimDisk::default();
    disk.put("/out/t.22", b"message 1 xxx");
    let mut writer = writer(&disk, &plan("/out", Compression::None));
    // nor after an attempt that found the disk full
    disk.set_room(Some(3));
    writer.message(b"message 2 \n", 2, &at(0)).unwrap();
    writer.flush().unwrap();
    assert_eq!(writer.take().failed, [2]);
    disk.set_room(None);
    writer.message(b"message 2 \n", 2, &at(0)).unwrap();
    writer.close().unwrap();
    assert_eq!(disk.files()[0].1, b"message 1 xxx\nmessage 2 \n");
}

#[test]
fn a_full_disk_fails_messages_and_heals() {
    for compression in [Compression::None, Compression::Gzip(1), Compression::Zstd(1)] {
        let disk = SimDisk::default();
        let mut writer = writer(&disk, &plan("/out", compression));
        writer.message(&record(1), 1, &at(0)).unwrap();
        writer.sync().unwrap();
        disk.set_room(Some(5));
        for message in [2, 3] {
            writer.message(&record(message), message, &at(0)).unwrap();
        }
        writer.sync().unwrap();
        let outcome = writer.take();
        assert_eq!((outcome.done, outcome.failed), (vec![1], vec![2, 3]));
        assert!(matches!(outcome.notices.last(), Some(Notice::Full(_, 2))), "{:?}", outcome.notices);
        disk.set_room(None);
        for message in [3, 2] {
            writer.message(&record(message), message, &at(0)).unwrap();
        }
        writer.close().unwrap();
        assert_eq!(writer.take().done, [3, 2]);
        assert_eq!(copies(&disk), BTreeMap::from([(1, 1), (2, 1), (3, 1)]), "{compression:?}");
    }
}

#[test]
fn what_somebody_else_has_written_to_a_file_is_never_cut_off() {
    let disk = SimDisk::default();
    let plan = plan("/out", Compression::None);
    let (mut ours, mut theirs) = (writer(&disk, &plan), writer(&disk, &plan));
    ours.message(&record(1), 1, &at(0)).unwrap();
    ours.sync().unwrap();
    theirs.message(&record(2), 2, &at(0)).unwrap();
    theirs.sync().unwrap();
    ours.message(&record(3), 3, &at(0)).unwrap();
    disk.set_room(Some(0));
    let broken = ours.sync().unwrap_err();
    assert_eq!(broken.0, "/out/t.22 is full and cannot be cut back: somebody else writes to it");
    assert_eq!(theirs.take().done, [2]);
    assert_eq!(copies(&disk), BTreeMap::from([(1, 1), (2, 1)]));
}

#[test]
fn a_broken_disk_is_the_end() {
    let disk = SimDisk::default();
    let mut writer = writer(&disk, &plan("/out", Compression::None));
    writer.message(&record(1), 1, &at(0)).unwrap();
    disk.set_broken(true);
    let broken = writer.sync().unwrap_err();
    assert_eq!(broken.0, "failed syncing messages to /out/t.22: input/output error");
    assert!(writer.take().done.is_empty());
}

/// A random number generator that a seed replays.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// Runs a writer through messages, rotations, full disks and crashes; a message that failed or was pending in
/// a crash is delivered again. No message reported done is missing; extra copies come only from crashes while
/// it was pending.
fn life(seed: u64) {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let disk = SimDisk::default();
    let compression = [Compression::None, Compression::Gzip(1), Compression::Zstd(1)][chance.below(3)];
    let plan = Plan {
        rotate_bytes: [0, 300][chance.below(2)],
        rotate_interval: Duration::from_secs([0, 30][chance.below(2)]),
        skip_empty_files: chance.below(2) == 0,
        ..plan(["/out", "/work"][chance.below(2)], compression)
    };
    let mut writer = writer(&disk, &plan);
    let mut queue: VecDeque<u32> = (0..60).collect();
    let mut done = Vec::new();
    let mut crashes_of: BTreeMap<u32, u32> = BTreeMap::new();
    let mut second = 0;
    while !queue.is_empty() || !writer.pending().is_empty() {
        second += chance.below(20) as u64;
        match chance.below(20) {
            0..14 => {
                if let Some(message) = queue.pop_front() {
                    writer.message(&record(message), message, &at(second)).unwrap();
                }
            }
            14 => writer.tick(&at(second)).unwrap(),
            15 => writer.sync().unwrap(),
            16 => writer.close().unwrap(),
            17 => disk.set_room([None, None, Some(chance.below(200))][chance.below(3)]),
            18 => writer.flush().unwrap(),
            _ => {
                for message in writer.pending() {
                    *crashes_of.entry(*message).or_insert(0) += 1;
                    queue.push_back(*message);
                }
                if chance.below(2) == 0 {
                    disk.lose_power(|bound| chance.below(bound));
                }
                writer = self::writer(&disk, &plan);
            }
        }
        let outcome = writer.take();
        done.extend(outcome.done);
        queue.extend(outcome.failed);
    }
    disk.set_room(None);
    writer.close().unwrap();
    disk.lose_power(|bound| chance.below(bound));
    let copies = copies(&disk);
    done.sort_unstable();
    assert_eq!(done, (0..60).collect::<Vec<_>>(), "seed {seed}: each is done once");
    for message in done {
        let count = copies.get(&message).copied().unwrap_or(0);
        let most = 1 + crashes_of.get(&message).copied().unwrap_or(0);
        assert!(
            (1..=most).contains(&count),
            "seed {seed}: message {message} is there {count} times of {most}"
        );
    }
}

#[test]
fn nothing_that_was_done_is_missing() {
    for seed in 0..500 {
        life(seed);
    }
}
