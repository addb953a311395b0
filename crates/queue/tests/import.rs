//! Import of nsqd data directories: those written by nsqd (golden), and those left by a crash, an operator or
//! a mistake.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use journal::Files;
use journal::files::{Crash, Fault, MemFiles, OpenMode, Operation, OsFiles};
use nuthatch_queue::import::{self, Failed, ImportError, Message, Plan, Step, Target, TopicReport};

const DATA: &str = "/data";
const STORE: &str = "store";

/// id, timestamp, attempts, body.
type Owned = (u64, i64, u16, Vec<u8>);

/// Content of a topic: paused, its own messages, and per channel paused and messages; messages sorted.
#[derive(Debug, PartialEq, Eq, Default, Clone)]
struct Topic {
    paused: bool,
    messages: Vec<Owned>,
    channels: BTreeMap<String, (bool, Vec<Owned>)>,
}

type Topics = BTreeMap<String, Topic>;

fn owned(message: Message<'_>) -> Owned {
    (message.id, message.timestamp, message.attempts, message.body.to_vec())
}

fn read_all(plan: &Plan, body_bytes_max: usize) -> (Topics, Vec<TopicReport>) {
    let (mut topics, mut reports) = (Topics::new(), Vec::new());
    for planned in plan.topics() {
        let mut topic = Topic { paused: planned.paused, ..Topic::default() };
        let mut channels: Vec<Vec<Owned>> = vec![Vec::new(); planned.channels.len()];
        let report = import::read_topic(plan, planned, body_bytes_max, |target, message| -> Result<(), ()> {
            match target {
                Target::Channel(i) => channels[i].push(owned(message)),
                Target::Topic { .. } => topic.messages.push(owned(message)),
            }
            Ok(())
        });
        reports.push(report.unwrap());
        topic.messages.sort();
        for (channel, mut messages) in planned.channels.iter().zip(channels) {
            messages.sort();
            topic.channels.insert(channel.name.clone(), (channel.paused, messages));
        }
        topics.insert(planned.name.clone(), topic);
    }
    (topics, reports)
}

fn planned(files: &Arc<dyn Files>, dir: &Path) -> Plan {
    match import::plan(files, dir, STORE).unwrap() {
        Step::Import(plan) => plan,
        other => panic!("{other:?}"),
    }
}

mod golden {
    use super::*;
    use serde_json::Value;

    fn messages(list: &Value) -> Vec<Owned> {
        let message = |m: &Value| {
            let body =
                m["body"].as_str().unwrap().chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
            let id = u64::from_str_radix(m["id"].as_str().unwrap(), 16).unwrap();
            (id, m["ts"].as_i64().unwrap(), m["attempts"].as_u64().unwrap() as u16, body)
        };
        let mut messages: Vec<Owned> = list.as_array().unwrap().iter().map(message).collect();
        messages.sort();
        messages
    }

    fn manifest(path: &Path) -> Topics {
        let manifest: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let topic = |topic: &Value| Topic {
            paused: topic["paused"].as_bool().unwrap(),
            messages: messages(&topic["messages"]),
            channels: topic["channels"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, c)| (name.clone(), (c["paused"].as_bool().unwrap(), messages(&c["messages"]))))
                .collect(),
        };
        manifest["topics"].as_object().unwrap().iter().map(|(name, t)| (name.clone(), topic(t))).collect()
    }

    #[test]
    fn every_golden_directory_gives_its_manifest() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden/nsqd-data");
        let Ok(cases) = std::fs::read_dir(&root) else {
            eprintln!("SKIPPED: {} is not there", root.display());
            return;
        };
        let files: Arc<dyn Files> = Arc::new(OsFiles);
        let mut count = 0;
        for case in cases {
            let case = case.unwrap().path();
            let plan = planned(&files, &case.join("data"));
            let (found, reports) = read_all(&plan, 1 << 20);
            let expected = manifest(&case.join("manifest.json"));
            assert_eq!(
                found.keys().collect::<Vec<_>>(),
                expected.keys().collect::<Vec<_>>(),
                "{}",
                case.display()
            );
            for (name, topic) in &expected {
                assert!(found[name] == *topic, "{}: topic {name} differs", case.display());
            }
            assert!(
                reports.iter().all(|report| report.skipped_count == 0 && report.duplicates == 0),
                "{}",
                case.display()
            );
            assert_eq!(plan.warnings(), [""; 0], "{}", case.display());
            count += 1;
        }
        assert!(count > 0, "no case in {}", root.display());
    }
}

/// A record of a data file; `n` determines the id.
fn record(n: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = (26 + body.len() as u32).to_be_bytes().to_vec();
    bytes.extend_from_slice(&(1_795_272_114_000_000_000 + n as i64).to_be_bytes());
    bytes.extend_from_slice(&(n as u16 % 3).to_be_bytes());
    bytes.extend_from_slice(format!("{:016x}", 0x18a3_36a7_48c1_1000 + n).as_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Records `numbers`, each with a body of 10 bytes: 40 bytes each.
fn records(numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
    numbers.into_iter().flat_map(|n| record(n, format!("message {n:02}").as_bytes())).collect()
}

/// A data directory with these files.
fn directory(content: &[(&str, &[u8])]) -> (MemFiles, Arc<dyn Files>) {
    seeded_directory(7, content)
}

fn seeded_directory(seed: u64, content: &[(&str, &[u8])]) -> (MemFiles, Arc<dyn Files>) {
    let modelled = MemFiles::new(seed);
    modelled.create_dir(DATA.as_ref()).unwrap();
    modelled.sync_dir("/".as_ref()).unwrap();
    for (name, bytes) in content {
        modelled.set_content(&Path::new(DATA).join(name), bytes.to_vec());
    }
    let files: Arc<dyn Files> = Arc::new(modelled.clone());
    (modelled, files)
}

const METADATA: &[u8] =
    br#"{"topics":[{"name":"t","paused":false,"channels":[{"name":"c","paused":true}]}],"version":"1.3.0"}"#;

/// Reads topic "t": message numbers of its own queue and of channel "c", in order, and the report.
fn read_t(content: &[(&str, &[u8])]) -> (Vec<u64>, Vec<u64>, TopicReport, Vec<String>) {
    let (_, files) = directory(content);
    let plan = planned(&files, DATA.as_ref());
    let (mut own, mut channel) = (Vec::new(), Vec::new());
    let number = |message: Message<'_>| (message.timestamp - 1_795_272_114_000_000_000) as u64;
    let report = import::read_topic(&plan, &plan.topics()[0], 1000, |target, message| -> Result<(), ()> {
        match target {
            Target::Channel(_) => channel.push(number(message)),
            Target::Topic { held_by: [] } => own.push(number(message)),
            Target::Topic { held_by } => own.push(1000 * (1 + held_by[0] as u64) + number(message)),
        }
        Ok(())
    });
    (own, channel, report.unwrap(), plan.warnings().to_vec())
}

const T0: &str = "t.diskqueue.000000.dat";
const T1: &str = "t.diskqueue.000001.dat";
const T_META: &str = "t.diskqueue.meta.dat";
const C0: &str = "t:c.diskqueue.000000.dat";
const C_META: &str = "t:c.diskqueue.meta.dat";

fn numbers(range: std::ops::Range<u64>) -> Vec<u64> {
    range.collect()
}

#[test]
fn the_meta_file_says_where_reading_begins_and_the_files_where_it_ends() {
    let (zero, one) = (records(0..5), records(5..8));
    let cases: &[(&str, &[u8], std::ops::Range<u64>)] = &[
        ("from the beginning", b"8\n0,0\n1,120\n", 0..8),
        ("from the middle", b"6\n0,80\n1,120\n", 2..8),
        ("from the next file", b"3\n1,0\n1,120\n", 5..8),
        ("all read", b"0\n1,120\n1,120\n", 8..8),
        ("written on after the last flush of the meta file", b"3\n0,80\n0,120\n", 2..8),
        ("depth is not believed", b"-2\n0,160\n0,120\n", 4..8),
    ];
    for (name, meta, expected) in cases {
        let mut content = vec![("nsqd.dat", METADATA), (T_META, *meta), (T1, &one[..])];
        // nsqd deletes files it has read.
        if expected.start < 5 {
            content.push((T0, &zero[..]));
        }
        let (own, channel, report, warnings) = read_t(&content);
        assert_eq!(own, numbers(expected.clone()), "{name}");
        assert!(
            channel.is_empty() && report.skipped_count == 0 && warnings.is_empty(),
            "{name}: {warnings:?}"
        );
    }
}

#[test]
fn a_meta_file_that_points_behind_its_data_hides_nothing() {
    let (zero, one) = (records(0..5), records(5..8));
    let cases: &[(&[u8], std::ops::Range<u64>, &str)] = &[
        (b"3\n7,40\n7,80\n", 0..8, "only files before it are there"),
        (b"3\n1,160\n1,280\n", 5..8, "byte 160 of t.diskqueue.000001.dat, which has 120"),
        (b"9\n0,4096\n0,4096\n", 0..8, "byte 4096 of t.diskqueue.000000.dat, which has 200"),
        (b"9\n0,0\n1,160\n", 0..8, "160 bytes were written to file 1, which has 120"),
    ];
    for (meta, expected, warning) in cases {
        let content = [("nsqd.dat", METADATA), (T_META, *meta), (T0, &zero[..]), (T1, &one[..])];
        let (own, _, report, warnings) = read_t(&content);
        assert_eq!(own, numbers(expected.clone()), "{warning}");
        assert_eq!(report.skipped_count, 0, "{warning}");
        assert!(warnings.len() == 1 && warnings[0].contains(warning), "{warnings:?}");
    }
}

#[test]
fn a_queue_without_a_readable_meta_file_is_read_whole() {
    let zero = records(0..5);
    let (own, _, _, warnings) = read_t(&[("nsqd.dat", METADATA), (T0, &zero)]);
    assert_eq!(own, numbers(0..5));
    assert_eq!(warnings, ["t has no meta file: its queue is read from the beginning"]);
    let (own, _, _, warnings) = read_t(&[("nsqd.dat", METADATA), (T0, &zero), (T_META, b"")]);
    assert_eq!(own, numbers(0..5));
    assert_eq!(warnings, ["t.diskqueue.meta.dat is not readable: its queue is read from the beginning"]);
}

#[test]
fn what_is_not_a_record_is_skipped_to_the_end_of_its_file_and_reported() {
    /// Name of the case, bytes of the file, expected ids, then the two counts.
    type Case<'a> = (&'a str, &'a [u8], &'a [u64], u64, u64);

    let (whole, one) = (records(0..5), records(5..8));
    let torn = &whole[..190];
    let mut zeroed = whole.clone();
    zeroed[80..120].fill(0);
    let mut stale = records(0..2);
    stale.extend_from_slice(&records(90..99)[13..]);
    let cases: [Case<'_>; 4] = [
        ("torn", torn, &[0, 1, 2, 3, 5, 6, 7], 160, 30),
        ("zeroed", &zeroed, &[0, 1, 5, 6, 7], 80, 120),
        ("a longer file written over from the front", &stale, &[0, 1, 5, 6, 7], 80, 347),
        ("an empty file", b"", &[5, 6, 7], 0, 0),
    ];
    for (name, bytes, expected, offset, skipped) in cases {
        let (own, _, report, _) =
            read_t(&[("nsqd.dat", METADATA), (T0, bytes), (T1, &one), (T_META, b"8\n0,0\n1,120\n")]);
        assert_eq!(own, expected, "{name}");
        assert_eq!(report.skipped_bytes, skipped, "{name}");
        if skipped > 0 {
            assert_eq!((report.skipped[0].offset, report.skipped_count), (offset, 1), "{name}");
            assert_eq!(report.skipped[0].file, Path::new(DATA).join(T0), "{name}");
        }
    }
}

#[test]
fn bad_and_temporary_files_are_not_read() {
    let content: [(&str, &[u8]); 5] = [
        ("nsqd.dat", METADATA),
        ("t.diskqueue.000000.dat.bad", &records(0..5)),
        ("t.diskqueue.meta.dat.123.tmp", b"5\n0,0\n0,200\n"),
        (T1, &records(5..8)),
        (T_META, b"3\n0,0\n1,120\n"),
    ];
    let (own, _, report, _) = read_t(&content);
    assert_eq!((own, report.skipped_count), (numbers(5..8), 0));
}

#[test]
fn a_body_larger_than_the_limit_is_passed_over_alone() {
    let mut data = record(0, &[b'x'; 1000]);
    data.extend(record(1, &[b'x'; 1001]));
    data.extend(record(2, &vec![b'x'; 400_000]));
    data.extend(record(3, b"small"));
    let (own, _, report, _) = read_t(&[("nsqd.dat", METADATA), (T0, &data), (T_META, b"4\n0,0\n0,0\n")]);
    assert_eq!(own, [0, 3]);
    assert_eq!(report.skipped_count, 2);
    assert_eq!(report.skipped[0].why, "a message is larger than the limit");
}

#[test]
fn records_longer_than_what_is_read_at_a_time() {
    let bodies: Vec<Vec<u8>> = (0..5).map(|n| vec![n as u8; 150_000 * (n + 1)]).collect();
    let data: Vec<u8> = bodies.iter().enumerate().flat_map(|(n, body)| record(n as u64, body)).collect();
    let (_, files) = directory(&[("nsqd.dat", METADATA), (T0, &data)]);
    let (topics, reports) = read_all(&planned(&files, DATA.as_ref()), 1 << 20);
    assert_eq!(topics["t"].messages.iter().map(|m| m.3.clone()).collect::<Vec<_>>(), bodies);
    assert_eq!(reports[0].skipped_count, 0);
}

#[test]
fn a_message_twice_in_one_channel_is_given_once() {
    // Read, requeued at the end, and the read position not flushed.
    let mut channel = records(0..5);
    channel.extend(records(1..3));
    // Passed on to the channel, and the topic's read position not flushed.
    let own = records(3..8);
    let content: [(&str, &[u8]); 5] = [
        ("nsqd.dat", METADATA),
        (C0, &channel),
        (C_META, b"5\n0,0\n0,200\n"),
        (T0, &own),
        (T_META, b"5\n0,0\n0,200\n"),
    ];
    let (own, channel, report, _) = read_t(&content);
    assert_eq!(channel, numbers(0..5));
    assert_eq!(own, [1003, 1004, 5, 6, 7], "3 and 4 are not for channel 0 again");
    assert_eq!((report.duplicates, report.channel_messages, report.topic_messages), (2, 5, 5));
}

#[test]
fn the_same_id_from_another_node_is_another_message() {
    let mut data = record(1, b"one");
    let mut other = record(1, b"two");
    other[11] ^= 1;
    data.extend(other);
    let (own, _, report, _) = read_t(&[("nsqd.dat", METADATA), (T0, &data)]);
    assert_eq!((own.len(), report.duplicates), (2, 0));
}

#[test]
fn queues_that_nsqd_dat_does_not_name_are_taken_along_if_they_hold_something() {
    let (one, two) = (records(0..1), records(1..3));
    let content: [(&str, &[u8]); 9] = [
        ("nsqd.dat", METADATA),
        ("lost.diskqueue.000000.dat", &one),
        ("lost.diskqueue.meta.dat", b"1\n0,0\n0,40\n"),
        ("lost:x.diskqueue.000003.dat", &two),
        ("lost:x.diskqueue.meta.dat", b"1\n3,40\n3,80\n"),
        ("t:old.diskqueue.000000.dat", &one),
        ("t:old.diskqueue.meta.dat", b"0\n0,40\n0,40\n"),
        ("empty.diskqueue.meta.dat", b"0\n0,0\n0,0\n"),
        ("not a topic.diskqueue.000000.dat", &one),
    ];
    let (_, files) = directory(&content);
    let plan = planned(&files, DATA.as_ref());
    let (topics, _) = read_all(&plan, 1000);
    assert_eq!(topics.keys().collect::<Vec<_>>(), ["lost", "t"]);
    assert_eq!(topics["lost"].messages.len(), 1);
    assert_eq!(topics["lost"].channels["x"].1.len(), 1);
    assert_eq!(
        topics["t"].channels.keys().collect::<Vec<_>>(),
        ["c"],
        "an old channel with nothing in it stays gone"
    );
    assert_eq!(plan.warnings().len(), 2, "{:?}", plan.warnings());
    assert_eq!(plan.unread_bytes(), 80);
}

#[test]
fn an_unreadable_nsqd_dat_stops_the_start() {
    let (_, files) = directory(&[("nsqd.dat", b"{\"topics\":"), (T0, &records(0..1))]);
    let error = import::plan(&files, DATA.as_ref(), STORE).unwrap_err();
    assert!(matches!(error, ImportError::Metadata(_)));
    assert!(error.to_string().starts_with("import of nsqd data: nsqd.dat is not readable: EOF"), "{error}");
}

#[test]
fn a_device_that_cannot_read_stops_the_import() {
    let (modelled, files) = directory(&[("nsqd.dat", METADATA), (T0, &records(0..5))]);
    let plan = planned(&files, DATA.as_ref());
    modelled.fail(Fault::eio(Operation::Read));
    let result = import::read_topic(&plan, &plan.topics()[0], 1000, |_, _| -> Result<(), ()> { Ok(()) });
    assert!(matches!(result, Err(Failed::Import(ImportError::Io { .. }))));
    let result = import::read_topic(&plan, &plan.topics()[0], 1000, |_, _| Err("full"));
    assert!(matches!(result, Err(Failed::Caller("full"))));
}

#[test]
fn nothing_to_do() {
    let (_, files) = directory(&[("notes.txt", b"")]);
    assert!(matches!(import::plan(&files, DATA.as_ref(), STORE).unwrap(), Step::Nothing));
}

/// Any change to any file: no panic, and no made-up message. A failure names its seed.
#[test]
fn files_with_arbitrary_damage() {
    let known: Vec<Owned> = (0..8).map(|n| import_record(&records([n])).expect("it is sound")).collect();
    for seed in 0..2_000_u64 {
        let files = data_directory(1);
        let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut below = |n: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as usize % n.max(1)
        };
        for _ in 0..=below(3) {
            let paths = files.paths();
            let path = &paths[below(paths.len())];
            let mut content = files.content(path).unwrap();
            let at = below(content.len() + 1);
            match below(3) {
                0 => content.truncate(at),
                1 if at < content.len() => content[at] = below(256) as u8,
                _ => drop(content.splice(at..at, vec![below(256) as u8; below(60)])),
            }
            files.set_content(path, content);
        }
        let shared: Arc<dyn Files> = Arc::new(files);
        let Ok(Step::Import(plan)) = import::plan(&shared, DATA.as_ref(), STORE) else { continue };
        let (topics, _) = read_all(&plan, 1000);
        let messages =
            topics.values().flat_map(|t| t.channels.values().flat_map(|c| &c.1).chain(&t.messages));
        for message in messages.filter(|message| message.3.len() == 10 && message.3.starts_with(b"message "))
        {
            // nsqd's records have no checksum: a changed byte inside one cannot be detected, only lengths and
            // ids that do not fit.
            let same = known.iter().any(|its| its.3 == message.3 || its.0 == message.0);
            assert!(same, "seed {seed}: {message:?}");
        }
    }
}

fn import_record(bytes: &[u8]) -> Option<Owned> {
    let (_, files) = directory(&[("nsqd.dat", METADATA), (T0, bytes)]);
    read_all(&planned(&files, DATA.as_ref()), 1000).0["t"].messages.first().cloned()
}

/// Writes the messages read, as the daemon would into its journals: one file per topic, appended to, not
/// flushed.
fn write_store(files: &MemFiles, plan: &Plan, staging: &Path) -> std::io::Result<()> {
    for topic in plan.topics() {
        let dir = staging.join(&topic.name);
        files.create_dir(&dir)?;
        let path = dir.join("messages");
        let mode = if files.content(&path).is_some() { OpenMode::Write } else { OpenMode::Create };
        let file = files.open(&path, mode)?;
        let mut at = file.bytes()?;
        import::read_topic(plan, topic, 1000, |_, message| {
            let line = format!("{:016x} {}\n", message.id, message.body.len());
            at += file.write_at(line.as_bytes(), at)? as u64;
            Ok(())
        })
        .map_err(|failed: Failed<std::io::Error>| std::io::Error::other(format!("{failed:?}")))?;
    }
    Ok(())
}

/// Starts the daemon up to the end of the import.
fn start(modelled: &MemFiles) -> Result<(), ImportError> {
    let files: Arc<dyn Files> = Arc::new(modelled.clone());
    let set_aside = match import::plan(&files, DATA.as_ref(), STORE)? {
        Step::Nothing => return Ok(()),
        Step::SetAside(set_aside) => set_aside,
        Step::Import(plan) => {
            let staging = plan.begin()?;
            write_store(modelled, &plan, &staging)
                .map_err(|source| ImportError::Io { doing: "write".into(), source })?;
            plan.publish()?
        }
    };
    set_aside.run().map(drop)
}

fn data_directory(seed: u64) -> MemFiles {
    let content: [(&str, &[u8]); 6] = [
        ("nsqd.dat", METADATA),
        (C0, &records(0..5)),
        (C_META, b"5\n0,0\n0,200\n"),
        (T0, &records(5..8)),
        (T_META, b"3\n0,0\n0,120\n"),
        ("t.diskqueue.000009.dat.bad", b"leftover"),
    ];
    seeded_directory(seed, &content).0
}

fn lines(files: &MemFiles) -> Option<usize> {
    let content = files.content(&Path::new(DATA).join("store/t/messages"))?;
    Some(content.iter().filter(|byte| **byte == b'\n').count())
}

fn in_data(names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(|name| Path::new(DATA).join(name)).collect()
}

#[test]
fn originals_are_kept_in_a_folder_of_their_own() {
    let files = data_directory(1);
    let before = files.content(&Path::new(DATA).join(C0)).unwrap();
    start(&files).unwrap();
    let expected = in_data(&[
        "nsqd-original/nsqd.dat",
        "nsqd-original/t.diskqueue.000000.dat",
        "nsqd-original/t.diskqueue.000009.dat.bad",
        "nsqd-original/t.diskqueue.meta.dat",
        "nsqd-original/t:c.diskqueue.000000.dat",
        "nsqd-original/t:c.diskqueue.meta.dat",
        "store/t/messages",
    ]);
    assert_eq!(files.paths(), expected);
    assert_eq!(files.content(&expected[4]), Some(before));
    assert_eq!(lines(&files), Some(8));
    start(&files).unwrap();
    assert_eq!(files.paths(), expected, "a second start changes nothing");
}

#[test]
fn killed_at_any_moment_and_started_again() {
    let changes = {
        let files = data_directory(0);
        let before = files.changes();
        start(&files).unwrap();
        files.changes() - before
    };
    assert!(changes > 20);
    for crash in [Crash::Process, Crash::Power] {
        for first in 1..=changes + 1 {
            for second in [None, Some(1), Some(first / 2 + 1)] {
                let seed = 1000 * first + second.unwrap_or(0);
                let files = data_directory(seed);
                for stop in [Some(first), second].into_iter().flatten() {
                    files.stop_after(stop);
                    let outcome = start(&files);
                    assert!(stop > changes || outcome.is_err() || second.is_some());
                    files.crash(crash);
                    let here = files.content(&Path::new(DATA).join(T0)).is_some();
                    let aside = files.content(&Path::new(DATA).join("nsqd-original").join(T0)).is_some();
                    assert!(here || aside, "the originals are never gone");
                    assert!(here || lines(&files) == Some(8), "they are moved only when the store is there");
                }
                start(&files).unwrap_or_else(|e| panic!("{crash:?} after {first}, {second:?}: {e}"));
                assert_eq!(
                    lines(&files),
                    Some(8),
                    "{crash:?} after {first}, {second:?}: neither lost nor twice"
                );
                files.crash(Crash::Power);
                assert_eq!(lines(&files), Some(8), "{crash:?} after {first}, {second:?}: durable");
                start(&files).unwrap();
                assert_eq!(lines(&files), Some(8), "{crash:?} after {first}, {second:?}: still");
                assert!(files.paths().iter().all(|path| !path.to_string_lossy().contains("importing")));
                assert!(files.content(&Path::new(DATA).join("store/imported.json")).is_none());
            }
        }
    }
}

#[test]
fn nsqd_data_beside_a_store_that_it_did_not_go_into_is_refused() {
    let files = data_directory(1);
    start(&files).unwrap();
    files.set_content(&Path::new(DATA).join("nsqd.dat"), METADATA.to_vec());
    let error = start(&files).unwrap_err();
    assert_eq!(
        error.to_string(),
        "import of nsqd data: /data holds nsqd data (nsqd.dat) that did not go into store: move one of the two away, \
         store to import the nsqd data, or nsqd.dat and *.diskqueue.* to go on with store"
    );
}

#[test]
fn nsqd_at_work_between_import_and_moving_is_noticed() {
    let files = data_directory(1);
    let shared: Arc<dyn Files> = Arc::new(files.clone());
    let plan = planned(&shared, DATA.as_ref());
    let staging = plan.begin().unwrap();
    write_store(&files, &plan, &staging).unwrap();
    let _ = plan.publish().unwrap();
    files.set_content(&Path::new(DATA).join(T0), records(5..10));
    assert!(matches!(start(&files), Err(ImportError::Conflict(_))));
    files.set_content(&Path::new(DATA).join(T0), records(5..8));
    start(&files).unwrap();
}

#[test]
fn a_second_import_keeps_the_originals_of_the_first() {
    let files = data_directory(1);
    start(&files).unwrap();
    let shared: Arc<dyn Files> = Arc::new(files.clone());
    shared.rename(&Path::new(DATA).join(STORE), Path::new("/elsewhere")).unwrap();
    files.set_content(&Path::new(DATA).join("nsqd.dat"), METADATA.to_vec());
    files.set_content(&Path::new(DATA).join(T0), records(20..22));
    start(&files).unwrap();
    assert_eq!(lines(&files), Some(2));
    assert_eq!(files.content(&Path::new(DATA).join("nsqd-original").join(T0)), Some(records(5..8)));
    assert_eq!(files.content(&Path::new(DATA).join("nsqd-original-2").join(T0)), Some(records(20..22)));
}
