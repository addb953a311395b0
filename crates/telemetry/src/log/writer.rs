//! The writer thread and its bounded queue.
//!
//! Logging never waits: a full queue drops the line and counts it. The writer gathers queued lines into one
//! write, reports lost lines, and reopens the file on request. A failing destination (a full disk) costs the
//! lines and nothing else.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jiff::{Timestamp, tz::TimeZone};

use super::destination::Destination;
use super::format::{Format, Record};

/// Descriptor that the running log writes to.
static CRASH_FD: AtomicI32 = AtomicI32::new(2);

/// Descriptor of the log, for a signal handler that cannot query the log's thread; standard error until a log
/// runs.
pub fn crash_fd() -> i32 {
    CRASH_FD.load(SeqCst)
}

/// Most bytes gathered into one write.
const WRITE_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug)]
enum Message {
    Line(String),
    /// Wakes the writer to check the `reopen` flag.
    Wake,
    /// Everything before this is written once its sender is used.
    Flushed(SyncSender<()>),
}

/// The queue to the writer. Putting never blocks.
#[derive(Debug)]
pub(super) struct Queue {
    messages: SyncSender<Message>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// The initial format.
    format: Format,
    /// The changed format: its index in [`CHANGEABLE`] plus one; 0 for none.
    changed: AtomicU8,
    lost: AtomicU64,
    reopen: AtomicBool,
    /// New destination at the next reopening, if it changes.
    next: Mutex<Option<Sink>>,
}

/// Formats that a running log can be given.
const CHANGEABLE: [Format; 2] = [Format::Text, Format::Json];

impl Shared {
    /// The current format. Never waits.
    fn format(&self) -> Format {
        let changed = usize::from(self.changed.load(SeqCst));
        changed.checked_sub(1).and_then(|at| CHANGEABLE.get(at)).copied().unwrap_or(self.format)
    }
}

impl Queue {
    pub(super) fn format(&self) -> Format {
        self.shared.format()
    }

    pub(super) fn set_format(&self, format: Format) {
        if let Some(at) = CHANGEABLE.iter().position(|changeable| *changeable == format) {
            self.shared.changed.store(at as u8 + 1, SeqCst);
        }
    }

    pub(super) fn put(&self, line: String) {
        if self.messages.try_send(Message::Line(line)).is_err() {
            self.shared.lost.fetch_add(1, SeqCst);
        }
    }

    pub(super) fn reopen(&self) {
        self.shared.reopen.store(true, SeqCst);
        // A full queue needs no waking: the writer checks the flag before each batch.
        let _ = self.messages.try_send(Message::Wake);
    }

    pub(super) fn redirect(&self, sink: Sink) {
        *self.shared.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(sink);
        self.reopen();
    }

    pub(super) fn lost(&self) -> u64 {
        self.shared.lost.load(SeqCst)
    }

    pub(super) fn flush(&self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        let (done, written) = sync_channel(1);
        let mut message = Message::Flushed(done);
        while let Err(TrySendError::Full(back)) = self.messages.try_send(message) {
            message = back;
            if Instant::now() >= end {
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
        written.recv_timeout(end.saturating_duration_since(Instant::now())).is_ok()
    }
}

/// An open destination.
#[derive(Debug)]
pub(super) enum Sink {
    Stderr,
    File(PathBuf, File),
}

impl Sink {
    pub(super) fn open(destination: &Destination) -> io::Result<Sink> {
        match destination {
            Destination::Stderr => Ok(Sink::Stderr),
            Destination::File(path) => Ok(Sink::File(path.clone(), open_file(path)?)),
        }
    }

    /// Replaces this destination, whose descriptor may then be closed.
    fn replace(&mut self, by: Sink) {
        let descriptor = match &by {
            Sink::File(_, file) => file.as_raw_fd(),
            Sink::Stderr => 2,
        };
        CRASH_FD.store(descriptor, SeqCst);
        *self = by;
    }

    fn reopen(&mut self) -> io::Result<()> {
        if let Sink::File(path, file) = self {
            // The new descriptor is published before the old one is closed.
            let new = open_file(path)?;
            CRASH_FD.store(new.as_raw_fd(), SeqCst);
            *file = new;
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Sink::Stderr => io::stderr().write_all(bytes),
            Sink::File(_, file) => file.write_all(bytes),
        }
    }
}

fn open_file(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o644).open(path)
}

/// Starts the writer thread. It ends when the queue is dropped, after writing its contents.
pub(super) fn start(sink: Sink, format: Format, queue_max: usize) -> io::Result<Arc<Queue>> {
    let (messages, inbox) = sync_channel(queue_max.max(1));
    let shared = Arc::new(Shared {
        format,
        changed: AtomicU8::new(0),
        lost: AtomicU64::new(0),
        reopen: AtomicBool::new(false),
        next: Mutex::default(),
    });
    if let Sink::File(_, file) = &sink {
        CRASH_FD.store(file.as_raw_fd(), SeqCst);
    }
    let writer = Writer { sink, shared: shared.clone(), reported: 0, batch: Vec::new(), lines: 0 };
    thread::Builder::new().name("log".into()).spawn(move || writer.run(&inbox))?;
    Ok(Arc::new(Queue { messages, shared }))
}

struct Writer {
    sink: Sink,
    shared: Arc<Shared>,
    /// Lost lines already reported.
    reported: u64,
    batch: Vec<u8>,
    lines: u64,
}

impl Writer {
    fn run(mut self, inbox: &Receiver<Message>) {
        while let Ok(first) = inbox.recv() {
            self.reopen_if_asked();
            let mut flushed = Vec::new();
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Line(line) => self.gather(&line),
                    Message::Wake => {}
                    Message::Flushed(done) => flushed.push(done),
                }
                let room = self.batch.len() < WRITE_BYTES_MAX && !self.shared.reopen.load(SeqCst);
                next = if room { inbox.try_recv().ok() } else { None };
            }
            self.write();
            for done in flushed {
                let _ = done.try_send(());
            }
        }
    }

    fn gather(&mut self, line: &str) {
        self.batch.extend_from_slice(line.as_bytes());
        self.lines += 1;
    }

    fn write(&mut self) {
        let lost = self.shared.lost.load(SeqCst);
        if lost > self.reported {
            let record = Record::own("log lines were lost", "lines", lost - self.reported);
            self.batch.extend_from_slice(self.own_line(&record).as_bytes());
        }
        match self.sink.write(&self.batch) {
            Ok(()) => self.reported = lost,
            Err(_) => {
                self.shared.lost.fetch_add(self.lines, SeqCst);
            }
        }
        self.batch.clear();
        self.batch.shrink_to(WRITE_BYTES_MAX);
        self.lines = 0;
    }

    fn reopen_if_asked(&mut self) {
        if !self.shared.reopen.swap(false, SeqCst) {
            return;
        }
        if let Some(sink) = self.shared.next.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return self.sink.replace(sink);
        }
        if let Err(error) = self.sink.reopen() {
            let errno = error.raw_os_error().unwrap_or_default();
            let record =
                Record::own("log file could not be opened anew, keeping the old one", "errno", errno as u64);
            let line = self.own_line(&record);
            self.gather(&line);
        }
    }

    fn own_line(&self, record: &Record) -> String {
        record.line(self.shared.format(), Timestamp::now(), &TimeZone::system())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn file_queue(path: &std::path::Path) -> Arc<Queue> {
        let sink = Sink::open(&Destination::File(path.to_owned())).unwrap();
        start(sink, Format::Text, 4).unwrap()
    }

    #[test]
    fn a_full_queue_drops_counts_and_reports() {
        // A pipe that is never read stands in for a stuck terminal; one line is more than it holds.
        let (mut reader, pipe) = io::pipe().unwrap();
        let sink = Sink::File(PathBuf::new(), File::from(std::os::fd::OwnedFd::from(pipe)));
        let queue = start(sink, Format::Text, 4).unwrap();
        let line = format!("{}\n", "x".repeat(100_000));
        let sent = 20;
        (0..sent).for_each(|_| queue.put(line.clone()));
        let lost = queue.lost();
        assert!(lost > 0, "a pipe of 64 KB and a queue of 4 lines took 20 lines of 100 KB");
        assert!(!queue.flush(Duration::from_millis(10)));
        let drain = thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).map(|_| text)
        });
        assert!(queue.flush(Duration::from_secs(10)));
        drop(queue);
        let text = drain.join().unwrap().unwrap();
        let written = text.lines().filter(|line| line.starts_with('x')).count();
        assert_eq!(written as u64 + lost, sent);
        let reported: u64 = text
            .lines()
            .filter_map(|line| line.split_once("log lines were lost lines=")?.1.parse::<u64>().ok())
            .sum();
        assert_eq!(reported, lost);
    }

    #[test]
    fn a_reopen_that_fails_keeps_the_old_file() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        let path = inner.join("log");
        let queue = file_queue(&path);
        let mut kept = File::open(&path).unwrap();
        std::fs::remove_dir_all(&inner).unwrap();
        queue.reopen();
        queue.put("after\n".into());
        assert!(queue.flush(Duration::from_secs(10)));
        let mut text = String::new();
        kept.read_to_string(&mut text).unwrap();
        assert!(text.contains("keeping the old one errno=2\n") && text.ends_with("after\n"), "{text}");
    }

    #[test]
    fn a_refusing_destination_costs_only_the_lines() {
        let sink = Sink::File(PathBuf::new(), OpenOptions::new().write(true).open("/dev/full").unwrap());
        let queue = start(sink, Format::Text, 4).unwrap();
        queue.put("one\n".into());
        assert!(queue.flush(Duration::from_secs(10)));
        assert_eq!(queue.lost(), 1);
    }
}
