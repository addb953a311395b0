//! The file that keeps events over restarts: a line of JSON each, oldest first.
//!
//! A thread of its own writes, so that nobody waits for a disk. It appends, and writes the file anew with the
//! last [`KEPT_MAX`] lines when there are twice as many. A line that cannot be read is skipped.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use telemetry::warn;
use tokio::sync::oneshot;

use super::event::Event;

/// Events kept.
pub(super) const KEPT_MAX: usize = 1000;
/// Most events that wait for the disk; more are not kept in the file.
const WAITING_MAX: usize = 256;
/// Most bytes read of a file.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// The writer's end.
#[derive(Debug)]
pub(super) struct Keeper(SyncSender<Job>);

/// A job for the writer.
#[derive(Debug)]
enum Job {
    Keep(Event),
    /// Report that everything before has been written.
    Flush(oneshot::Sender<()>),
}

impl Keeper {
    /// Starts writing to a file; also returns the last events in it.
    ///
    /// # Errors
    /// The file cannot be read or written, or no thread can be started.
    pub fn open(path: &Path) -> io::Result<(Keeper, VecDeque<Event>)> {
        let known = read(path)?;
        let mut writer =
            Writer { path: path.to_owned(), lines: known.clone(), file: append(path)?, written: known.len() };
        if known.len() == KEPT_MAX {
            writer.renew()?;
        }
        let (sender, receiver) = sync_channel(WAITING_MAX);
        std::thread::Builder::new().name("events".into()).spawn(move || writer.run(&receiver))?;
        Ok((Keeper(sender), known))
    }

    /// Keeps an event. Never waits.
    pub fn keep(&self, event: &Event) {
        let _ = self.0.try_send(Job::Keep(event.clone()));
    }

    /// The receiver hears when all events so far have been written. None if the disk is too far behind.
    pub fn flush(&self) -> Option<oneshot::Receiver<()>> {
        let (sender, receiver) = oneshot::channel();
        self.0.try_send(Job::Flush(sender)).ok()?;
        Some(receiver)
    }
}

struct Writer {
    path: PathBuf,
    /// The last lines.
    lines: VecDeque<Event>,
    file: File,
    /// Lines in the file.
    written: usize,
}

impl Writer {
    fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            match job {
                Job::Keep(event) => {
                    if let Err(error) = self.write(event) {
                        warn!(path = %self.path.display(), %error, "an event cannot be kept in its file");
                    }
                }
                Job::Flush(done) => drop(done.send(())),
            }
        }
    }

    fn write(&mut self, event: Event) -> io::Result<()> {
        let line = line(&event)?;
        if self.lines.len() == KEPT_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(event);
        if self.written >= 2 * KEPT_MAX {
            return self.renew();
        }
        self.written += 1;
        self.file.write_all(&line)
    }

    /// Writes the file anew, beside it and then in its place.
    fn renew(&mut self) -> io::Result<()> {
        let beside = self.path.with_extension("new");
        let mut all = Vec::new();
        for event in &self.lines {
            all.extend(line(event)?);
        }
        fs::write(&beside, all)?;
        fs::rename(&beside, &self.path)?;
        self.file = append(&self.path)?;
        self.written = self.lines.len();
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn line(event: &Event) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    Ok(line)
}

/// The last events of a file; none if there is no file.
fn read(path: &Path) -> io::Result<VecDeque<Event>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(VecDeque::new()),
        opened => opened?,
    };
    let mut events = VecDeque::new();
    for line in BufReader::new(file.take(FILE_BYTES_MAX)).split(b'\n') {
        let Ok(event) = serde_json::from_slice(&line?) else { continue };
        if events.len() == KEPT_MAX {
            events.pop_front();
        }
        events.push_back(event);
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trouble::Severity;

    fn event(at_ms: u64) -> Event {
        Event { at_ms, severity: Severity::Notice, subject: "topic t".into(), text: "emptied\n\"x\"".into() }
    }

    #[test]
    fn a_file_is_bounded_and_keeps_the_last() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.jsonl");
        fs::write(&path, b"not an event\n\n{\"at_ms\":1}\n").unwrap();
        let known = read(&path).unwrap();
        assert!(known.is_empty(), "{known:?}");
        let mut writer =
            Writer { path: path.clone(), lines: known, file: append(&path).unwrap(), written: 3 };
        for at_ms in 0..5_000 {
            writer.write(event(at_ms)).unwrap();
        }
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 2 * KEPT_MAX, "{lines}");
        let kept = read(&path).unwrap();
        assert_eq!(
            (kept.len(), kept[0].clone(), kept[KEPT_MAX - 1].clone()),
            (KEPT_MAX, event(4_000), event(4_999))
        );
    }

    #[test]
    fn what_was_flushed_is_in_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.jsonl");
        let (keeper, _) = Keeper::open(&path).unwrap();
        (0..100).for_each(|at_ms| keeper.keep(&event(at_ms)));
        keeper.flush().unwrap().blocking_recv().unwrap();
        assert_eq!(read(&path).unwrap().len(), 100);
    }

    #[test]
    fn a_directory_that_is_not_there_is_told() {
        assert!(Keeper::open(Path::new("/nonexistent/events.jsonl")).is_err());
    }
}
