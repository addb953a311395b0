//! `import::run` end to end: from an nsqd data directory to a queue that serves its messages.

#[path = "shard/harness.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod harness;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use harness::World;
use journal::Files;
use journal::files::{Crash, MemFiles};
use net::{Instant, WallTime};
use nuthatch_queue::import::{self, ImportError, Imported};
use nuthatch_queue::request::{Answer, Request};
use nuthatch_queue::topic::SeekTo;
use nuthatch_queue::{Clock, QueueOptions, Settings};

const DATA: &str = "/data";
const WALL: i64 = 1_800_000_000_000_000_000;
const METADATA: &[u8] = br#"{"topics":[
    {"name":"t","paused":true,"channels":[{"name":"c","paused":true},{"name":"d","paused":false}]},
    {"name":"u","paused":false,"channels":[{"name":"x","paused":false}]},
    {"name":"alone","paused":false,"channels":null}],"version":"1.3.0"}"#;

/// Records in nsqd's format with these bodies, each delivered once; ids are derived from the bodies.
fn records(bodies: &[&str]) -> Vec<u8> {
    let record = |body: &&str| {
        let number = body.bytes().fold(0u64, |n, byte| n * 256 + u64::from(byte));
        let mut bytes = (26 + body.len() as u32).to_be_bytes().to_vec();
        bytes.extend_from_slice(&1_700_000_000_000_000_000i64.to_be_bytes());
        bytes.extend_from_slice(&1u16.to_be_bytes());
        bytes.extend_from_slice(format!("{number:016x}").as_bytes());
        bytes.extend_from_slice(body.as_bytes());
        bytes
    };
    bodies.iter().flat_map(record).collect()
}

/// A data directory of nsqd: topic t with messages of its own and of its channels, u with one message in a
/// channel.
fn left_behind(seed: u64) -> MemFiles {
    let files = MemFiles::new(seed);
    files.create_dir(DATA.as_ref()).unwrap();
    files.sync_dir("/".as_ref()).unwrap();
    let queues: [(&str, &[&str]); 5] = [
        ("t", &["both1", "both2"]),
        ("t:c", &["c1"]),
        ("t:d", &["d1", "d2", "d3"]),
        ("u:x", &["x1"]),
        ("alone", &["a1"]),
    ];
    put(&files, "nsqd.dat", METADATA);
    for (queue, bodies) in queues {
        let data = records(bodies);
        let meta = format!("{}\n0,0\n0,{}\n", bodies.len(), data.len());
        put(&files, &format!("{queue}.diskqueue.000000.dat"), &data);
        put(&files, &format!("{queue}.diskqueue.meta.dat"), meta.as_bytes());
    }
    files
}

fn put(files: &MemFiles, name: &str, bytes: &[u8]) {
    files.set_content(&Path::new(DATA).join(name), bytes.to_vec());
}

fn options() -> QueueOptions {
    QueueOptions::from(Settings { data_path: DATA.into(), ..Settings::default() })
}

fn run(files: &MemFiles) -> Result<Option<Imported>, ImportError> {
    let files: Arc<dyn Files> = Arc::new(files.clone());
    import::run(&files, &options(), Clock { now: Instant(1_000_000), wall: WallTime(WALL) })
}

/// Every file and its content.
fn everything(files: &MemFiles) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    files.paths().into_iter().map(|path| (path.clone(), files.content(&path))).collect()
}

/// Bodies that a channel delivers, sorted, each with its attempt number.
fn take(world: &mut World, topic: &str, channel: &str) -> Vec<String> {
    let consumer = world.consumer(topic, channel, 2500);
    let mut taken: Vec<String> = world
        .messages(consumer)
        .into_iter()
        .map(|(attempts, _, body)| format!("{} {attempts}", String::from_utf8_lossy(&body)))
        .collect();
    taken.sort();
    world.disconnect(consumer);
    taken
}

/// Opens the queue and checks that every message is there, once, and that paused topics and channels still
/// are.
fn check(files: &MemFiles) {
    let mut world = World::open(files.clone(), options(), WALL);
    let Answer::Stats(snapshot) = world.ask(Request::Stats { topic: None, channel: None, clients: false })
    else {
        panic!("statistics")
    };
    let topics = snapshot.topics.expect("all");
    let shape: Vec<_> = topics
        .iter()
        .map(|topic| {
            let channels: Vec<_> = topic
                .channels
                .iter()
                .map(|channel| (channel.name.as_str(), channel.paused, channel.depth))
                .collect();
            (topic.name.as_str(), topic.paused, topic.depth, channels)
        })
        .collect();
    let expected = [
        ("alone", false, 1, vec![]),
        ("t", true, 2, vec![("c", true, 1), ("d", false, 3)]),
        ("u", false, 0, vec![("x", false, 1)]),
    ];
    assert_eq!(shape, expected);
    assert_eq!(world.announced(), world.present(), "nsqlookupds are told of what was imported");
    assert_eq!(take(&mut world, "t", "c"), [""; 0], "it is paused");
    assert_eq!(take(&mut world, "t", "d"), ["d1 2", "d2 2", "d3 2"]);
    assert_eq!(take(&mut world, "u", "x"), ["x1 2"]);
    for ask in [Request::PauseTopic("t".into(), false), Request::PauseChannel("t".into(), "c".into(), false)]
    {
        assert!(matches!(world.ask(ask), Answer::Done));
    }
    assert_eq!(take(&mut world, "t", "c"), ["both1 2", "both2 2", "c1 2"]);
    assert_eq!(take(&mut world, "alone", "first"), ["a1 2"]);
}

#[test]
fn what_nsqd_left_is_served_and_stays_paused() {
    let files = left_behind(1);
    let before = everything(&files);
    let imported = run(&files).unwrap().expect("there was something");
    assert_eq!((imported.topics, imported.channels), (3, 3));
    assert_eq!((imported.read.topic_messages, imported.read.channel_messages), (3, 5));
    assert_eq!((imported.read.skipped_count, imported.read.duplicates), (0, 0));
    assert_eq!(
        (imported.warnings.len(), imported.originals.as_path()),
        (0, Path::new("/data/nsqd-original"))
    );
    for (path, content) in before {
        let kept = imported.originals.join(path.file_name().expect("a file"));
        assert_eq!(files.content(&kept), content, "{}", kept.display());
    }
    check(&files);
}

#[test]
fn what_was_imported_is_not_imported_again() {
    let files = left_behind(2);
    assert!(run(&files).unwrap().is_some());
    let after = everything(&files);
    assert!(run(&files).unwrap().is_none());
    assert_eq!(everything(&files), after);
    let mut world = World::open(files.clone(), options(), WALL);
    let producer = world.client();
    world.publish(producer, "u", b"new");
    assert!(run(&files).unwrap().is_none());
    let mut world = world.crash(Crash::Process);
    assert_eq!(take(&mut world, "u", "x"), ["new 1", "x1 2"]);
}

/// Messages of a single channel are not in the stream that a channel reads when it is moved back.
#[test]
fn a_channel_that_is_moved_to_the_beginning_keeps_what_was_imported_for_it() {
    let files = left_behind(3);
    assert!(run(&files).unwrap().is_some());
    let mut world = World::open(files.clone(), options(), WALL);
    let producer = world.client();
    world.publish(producer, "u", b"new");
    let consumer = world.consumer("u", "x", 1);
    assert_eq!(world.messages(consumer).len(), 1, "one is in flight");
    world.disconnect(consumer);
    let seek = |to| Request::Seek("u".into(), "x".into(), to);
    assert!(matches!(world.ask(seek(SeekTo::Beginning)), Answer::Sought(_)));
    let bodies = |taken: Vec<String>| taken.iter().map(|one| one[..2].to_owned()).collect::<Vec<_>>();
    assert_eq!(bodies(take(&mut world, "u", "x")), ["ne", "x1"]);
    let mut world = world.crash(Crash::Process);
    assert_eq!(bodies(take(&mut world, "u", "x")), ["ne", "x1"]);
    assert!(matches!(world.ask(seek(SeekTo::End)), Answer::Sought(_)));
    assert_eq!(take(&mut world, "u", "x"), [""; 0]);
    let mut world = world.crash(Crash::Process);
    assert_eq!(take(&mut world, "u", "x"), [""; 0]);
}

#[test]
fn an_import_that_was_cut_short_is_done_anew() {
    let changes = {
        let files = left_behind(0);
        let before = files.changes();
        run(&files).unwrap();
        files.changes() - before
    };
    assert!(changes > 30, "{changes}");
    for crash in [Crash::Process, Crash::Power] {
        for cut in 1..=changes {
            let files = left_behind(cut);
            files.stop_after(cut);
            assert!(run(&files).is_err(), "cut after {cut} of {changes}");
            files.crash(crash);
            run(&files).unwrap_or_else(|error| panic!("{crash:?} after {cut}: {error}"));
            check(&files);
        }
    }
}

#[test]
fn what_is_no_record_is_named_and_kept_with_the_originals() {
    let files = left_behind(3);
    let name = "t:d.diskqueue.000000.dat";
    let torn = [records(&["d1", "d2", "d3"]), b"\x7fgarbage".to_vec()].concat();
    put(&files, name, &torn);
    let imported = run(&files).unwrap().expect("there was something");
    let [skipped] = &imported.read.skipped[..] else { panic!("{:?}", imported.read) };
    assert_eq!((imported.read.skipped_count, imported.read.skipped_bytes), (1, 8));
    assert!(skipped.file.ends_with(name) && skipped.bytes == 8, "{skipped:?}");
    assert_eq!(skipped.offset, torn.len() as u64 - 8);
    assert_eq!(files.content(&imported.originals.join(name)), Some(torn));
    check(&files);
}

#[test]
fn an_nsqd_dat_that_is_none_stops_the_start_and_changes_nothing() {
    let files = left_behind(4);
    put(&files, "nsqd.dat", b"{\"topics\":");
    let before = everything(&files);
    let error = run(&files).unwrap_err().to_string();
    assert!(error.starts_with("import of nsqd data: nsqd.dat is not readable: "), "{error}");
    assert_eq!(everything(&files), before);
}
