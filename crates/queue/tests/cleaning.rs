//! Long-waiting messages do not pin the segments around them, and copying them costs little.

#[path = "shard/harness.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod harness;

use std::collections::BTreeSet;
use std::time::Duration;

use harness::World;
use journal::files::Crash;
use net::ConnId;
use nuthatch_queue::{QueueOptions, Settings};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

fn options(segment_bytes: u64) -> QueueOptions {
    let hour = Duration::from_hours(1);
    QueueOptions {
        heartbeat_interval: hour,
        ..QueueOptions::from(Settings {
            max_defer_timeout: 24 * hour,
            max_bytes_per_file: segment_bytes,
            ..Settings::default()
        })
    }
}

/// Topic `s`, whose channel `a` is consumed as fast as it is published.
struct Stream {
    world: World,
    producer: ConnId,
    consumer: ConnId,
    published: u64,
    finished: u64,
}

impl Stream {
    fn new(segment_bytes: u64) -> Stream {
        let mut world = World::new(options(segment_bytes));
        let consumer = world.consumer("s", "a", 2000);
        let producer = world.client();
        Stream { world, producer, consumer, published: 0, finished: 0 }
    }

    /// Publishes `count` messages of `bytes` and finishes the ones delivered.
    fn pass(&mut self, count: u32, bytes: usize) {
        let message = [&(bytes as u32).to_be_bytes()[..], &vec![b'x'; bytes]].concat();
        let all = message.repeat(count as usize);
        let head = [(all.len() as u32 + 4).to_be_bytes(), count.to_be_bytes()].concat();
        self.world.send(self.producer, &[b"MPUB s\n", &head[..], &all].concat());
        self.published += u64::from(count) * bytes as u64;
        self.finish();
    }

    fn finish(&mut self) {
        loop {
            let messages = self.world.messages(self.consumer);
            if messages.is_empty() {
                return;
            }
            self.finished += messages.len() as u64;
            let fins: String = messages.iter().map(|(_, id, _)| format!("FIN {id}\n")).collect();
            self.world.send(self.consumer, fins.as_bytes());
        }
    }

    /// Publishes a message of `body`, deferred by an hour.
    fn defer(&mut self, body: &[u8]) {
        let command = [b"DPUB s 3600000\n", &(body.len() as u32).to_be_bytes()[..], body].concat();
        self.world.send(self.producer, &command);
    }

    fn advance(&mut self, by: Duration) {
        self.world.advance(by);
        self.world.take(self.producer);
    }

    /// Bytes in the segments, and bytes ever written to them.
    fn disk(&self) -> (u64, u64) {
        let (mut held, mut written) = (0, 0);
        for path in self.world.files.paths() {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some(start) = name.strip_suffix(".log").and_then(|start| start.parse::<u64>().ok()) else {
                continue;
            };
            let bytes = self.world.files.content(&path).expect("it is there").len() as u64;
            held += bytes;
            written = written.max(start + bytes);
        }
        (held, written)
    }

    /// Bodies of the messages delivered an hour later, after a crash.
    fn due(self) -> Vec<Vec<u8>> {
        let mut world = self.world.crash(Crash::Process);
        world.advance(Duration::from_secs(3601));
        let consumer = world.consumer("s", "a", 2500);
        let messages = world.messages(consumer);
        let ids: BTreeSet<_> = messages.iter().map(|(_, id, _)| id.clone()).collect();
        assert_eq!(ids.len(), messages.len(), "ids stay apart");
        messages.into_iter().map(|(_, _, body)| body).collect()
    }
}

/// Regression test at a tenth of the size: 188 waiting messages of 5 bytes among 900 MiB of messages of
/// 10,000 bytes kept 764 MiB on disk.
#[test]
fn a_few_waiting_messages_pin_nothing_under_load_and_at_rest() {
    let segment = 1600 * KIB;
    let mut stream = Stream::new(segment);
    let (mut most, mut waiting) = (0, 0);
    for n in 1..=940 {
        stream.pass(100, 1000);
        if n % 5 == 0 {
            stream.defer(b"waits");
            waiting += 1;
        }
        if n % 80 == 0 {
            // About 8 MB per second.
            stream.advance(Duration::from_secs(1));
            most = most.max(stream.disk().0);
        }
    }
    assert_eq!((waiting, stream.finished), (188, 94_000));
    // The data between two checkpoints under load, and two segments.
    assert!(most < 32 * MIB, "{} KiB under load", most / KIB);
    stream.advance(Duration::from_secs(150));
    let (held, written) = stream.disk();
    assert!(held < segment, "{} KiB at rest", held / KIB);
    // Events are written as well; the copies are negligible beside them.
    assert!(written < stream.published + 94_000 * 64, "{} KiB for {}", written / KIB, stream.published / KIB);
    assert_eq!(stream.due(), vec![b"waits"; 188]);
}

/// A quarter of the bytes on disk is of waiting messages of all sizes; the rest is dead.
#[test]
fn dead_bytes_are_at_most_three_times_those_that_wait_and_copies_a_third_of_the_stream() {
    let segment = 256 * KIB;
    let mut stream = Stream::new(segment);
    let mut live = 0;
    for n in 0..60u64 {
        for size in [5, 300, 2000, 9000] {
            stream.defer(&vec![b'w'; size + n as usize]);
            live += size as u64 + n;
        }
        stream.pass(250, 1000);
        stream.advance(Duration::from_millis(500));
    }
    stream.advance(Duration::from_secs(200));
    let (held, written) = stream.disk();
    // In the stream each message costs 18 bytes more, and its FIN a few.
    let needed = live + 240 * 64;
    assert!(held <= 4 * needed + 2 * segment, "{} KiB held for {} KiB", held / KIB, needed / KIB);
    let most = (stream.published + 60 * 250 * 64 + needed) * 4 / 3 + segment;
    assert!(written <= most, "{} KiB written, {} KiB at most", written / KIB, most / KIB);
    assert_eq!(stream.due().len(), 240);
}

#[test]
fn what_mostly_waits_is_not_copied() {
    let mut stream = Stream::new(64 * KIB);
    for _ in 0..20 {
        for _ in 0..50 {
            stream.defer(&[b'w'; 500]);
        }
        stream.pass(25, 1000);
        stream.advance(Duration::from_secs(3));
    }
    stream.advance(Duration::from_mins(5));
    let (held, written) = stream.disk();
    assert!(written < 20 * (50 * 560 + 25 * 1060), "{} KiB written", written / KIB);
    assert!(held > 20 * 50 * 500, "they are all there");
    assert_eq!(stream.due().len(), 1000);
}

#[test]
fn on_a_full_disk_the_reserve_is_not_spent_on_copies() {
    let mut stream = Stream::new(64 * KIB);
    for _ in 0..40 {
        for _ in 0..8 {
            stream.defer(&[b'w'; 500]);
        }
        stream.pass(50, 1000);
    }
    let used: usize = stream
        .world
        .files
        .paths()
        .iter()
        .filter_map(|path| stream.world.files.content(path))
        .map(|all| all.len())
        .sum();
    stream.world.files.set_capacity(Some(used as u64));
    stream.world.publish(stream.producer, "s", b"refused");
    let (held, written) = stream.disk();
    stream.advance(Duration::from_secs(10));
    assert!(stream.disk().1 < written + 32 * KIB, "{} KiB written", (stream.disk().1 - written) / KIB);
    stream.world.files.set_capacity(None);
    stream.advance(Duration::from_secs(2));
    stream.producer = stream.world.client();
    stream.pass(1, 1000);
    stream.advance(Duration::from_secs(150));
    assert!(stream.disk().0 < held / 3, "{} KiB of {}", stream.disk().0 / KIB, held / KIB);
    assert_eq!(stream.due().len(), 320);
}

#[test]
fn what_was_finished_before_a_crash_is_given_back_though_nothing_more_is_published() {
    let mut stream = Stream::new(8 * KIB);
    for _ in 0..40 {
        stream.pass(10, 1000);
    }
    // The last FIN is written, but no checkpoint has run.
    stream.advance(Duration::from_millis(100));
    stream.world = stream.world.crash(Crash::Process);
    let (before, _) = stream.disk();
    assert!(before > 350 * KIB, "{before}");
    stream.world.advance(Duration::from_secs(130));
    let (after, _) = stream.disk();
    assert!(after < 64 * KIB, "{after} of {before}");
}
