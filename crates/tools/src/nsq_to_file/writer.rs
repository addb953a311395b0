//! Writer of a topic's files: a state machine over a [`Disk`], fed with records and the time.
//!
//! ```text
//! message ▸ rotation due? close, open the next ▸ encoder ▸ file          pending ─sync─▶ done      (to be finished)
//! tick    ▸ rotation due? close, open the next ▸ sync                            └─full─▶ failed   (to be requeued)
//! ```
//! A message is done once its record is on the disk: the file is synced, and so are the directories that name
//! it. When the disk is full, the file is truncated to the last sync and every message since then fails; the
//! next message tries again. Any other error ends the writer, since the content of the disk is unknown after
//! it.
//!
//! A finished file in the work directory is first linked into the output directory, where nothing is ever
//! overwritten, and then loses its old name.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::nsqd::machine::error_text;
use jiff::ZonedDateTime;

use super::disk::{Disk, Opening};
use super::encoder::{Compression, Encoder};
use super::name::{Name, path};

#[cfg(test)]
mod sim_disk;
#[cfg(test)]
mod tests;

/// Most bytes buffered before a write to the file, not counting the last record.
const BUFFER_BYTES: usize = 256 << 10;

/// Directories, names and limits of files.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub output_directory: PathBuf,
    /// Directory of unfinished files; the output directory if files are written in place.
    pub work_directory: PathBuf,
    pub compression: Compression,
    /// Record bytes per file, before compression, beyond which a new file is opened; 0 for no limit.
    pub rotate_bytes: u64,
    /// Age at which a new file is opened; zero for no limit.
    pub rotate_interval: Duration,
    /// Open a file only when there is a message for it.
    pub skip_empty_files: bool,
}

impl Plan {
    /// True if file names need a revision.
    pub(super) fn has_revisions(&self) -> bool {
        self.compression != Compression::None
            || self.rotate_bytes > 0
            || !self.rotate_interval.is_zero()
            || self.work_directory != self.output_directory
    }
}

/// The time: elapsed since the start, and wall clock.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    pub elapsed: Duration,
    pub wall: ZonedDateTime,
}

/// Outcomes of messages, and notices for the log.
#[derive(Debug)]
pub(super) struct Outcome<T> {
    /// Messages whose records are on the disk.
    pub done: Vec<T>,
    /// Messages whose records are not.
    pub failed: Vec<T>,
    pub notices: Vec<Notice>,
}

/// A notice for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Notice {
    Opened(PathBuf),
    Exists(PathBuf),
    Moved(PathBuf, PathBuf),
    /// The disk is full: the operation that failed, and the number of failed messages.
    Full(String, usize),
}

/// A fatal error of the writer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken(pub String);

enum Fault {
    Full(String),
    Broken(Broken),
}

/// The writer; `T` stands for a message that awaits its outcome.
pub(super) struct Writer<D: Disk, T> {
    disk: D,
    plan: Plan,
    name: Name,
    open: Option<Open<D::File>>,
    /// Name and revision of the last file.
    last: Option<(String, u64)>,
    pending: Vec<T>,
    outcome: Outcome<T>,
}

struct Open<F> {
    file: F,
    path: PathBuf,
    name: String,
    revision: u64,
    opened: Duration,
    /// Record bytes, and what the file held when opened.
    bytes: u64,
    /// File size after our last write.
    size: u64,
    /// Largest size our writes, failed ones included, can explain; beyond it another process has written.
    reach: u64,
    /// True if another process writes to the file too.
    shared: bool,
    /// Size at the last sync.
    synced: u64,
    /// Size at which a crash cut a record.
    cut_at: Option<u64>,
    encoder: Encoder,
    /// Directories to sync along with the file.
    directories: BTreeSet<PathBuf>,
    /// Second of the clock at which the name was last compared.
    second: i64,
}

impl<D: Disk, T> Writer<D, T> {
    pub(super) fn new(disk: D, plan: Plan, name: Name) -> Writer<D, T> {
        let outcome = Outcome { done: Vec::new(), failed: Vec::new(), notices: Vec::new() };
        Writer { disk, plan, name, open: None, last: None, pending: Vec::new(), outcome }
    }

    /// Messages whose records are not synced.
    pub(super) fn pending(&self) -> &[T] {
        &self.pending
    }

    /// Takes the outcomes of messages.
    pub(super) fn take(&mut self) -> Outcome<T> {
        let empty = Outcome { done: Vec::new(), failed: Vec::new(), notices: Vec::new() };
        std::mem::replace(&mut self.outcome, empty)
    }

    /// Writes the record of a message.
    pub(super) fn message(&mut self, record: &[u8], message: T, now: &Moment) -> Result<(), Broken> {
        match self.store(record, now) {
            Ok(()) => {
                self.pending.push(message);
                Ok(())
            }
            Err(fault) => {
                // It shares the outcome of the messages before it.
                self.pending.push(message);
                self.give_back(fault)
            }
        }
    }

    /// Periodic work, every `--sync-interval`.
    pub(super) fn tick(&mut self, now: &Moment) -> Result<(), Broken> {
        let rotated = match (self.rotation_due(now), self.plan.skip_empty_files) {
            (false, _) => Ok(()),
            (true, true) => self.close_file(),
            (true, false) => self.rotate(now),
        };
        rotated.and_then(|()| self.sync_file()).or_else(|fault| self.give_back(fault))
    }

    /// Writes ready bytes to the file, for readers that follow it.
    pub(super) fn flush(&mut self) -> Result<(), Broken> {
        let flushed = self.open.as_mut().map_or(Ok(()), |open| open.flush(&mut self.disk));
        flushed.or_else(|fault| self.give_back(fault))
    }

    /// Syncs everything to the disk.
    pub(super) fn sync(&mut self) -> Result<(), Broken> {
        self.sync_file().or_else(|fault| self.give_back(fault))
    }

    /// Syncs and closes the file; the next message opens a new one.
    pub(super) fn close(&mut self) -> Result<(), Broken> {
        self.close_file().or_else(|fault| self.give_back(fault))
    }

    fn store(&mut self, record: &[u8], now: &Moment) -> Result<(), Fault> {
        if self.rotation_due(now) {
            self.rotate(now)?;
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        open.encoder.write(record);
        open.bytes += record.len() as u64;
        if open.encoder.ready_bytes() >= BUFFER_BYTES {
            open.flush(&mut self.disk)?;
        }
        Ok(())
    }

    fn rotation_due(&mut self, now: &Moment) -> bool {
        let Some(open) = &mut self.open else { return true };
        let Plan { rotate_bytes, rotate_interval, .. } = self.plan;
        if rotate_bytes > 0 && open.bytes > rotate_bytes {
            return true;
        }
        if !rotate_interval.is_zero() && now.elapsed.saturating_sub(open.opened) > rotate_interval {
            return true;
        }
        // A name changes at most once a second.
        let second = now.wall.timestamp().as_second();
        if second == open.second {
            return false;
        }
        open.second = second;
        self.name.at(&now.wall) != open.name
    }

    fn rotate(&mut self, now: &Moment) -> Result<(), Fault> {
        self.close_file()?;
        self.open_next(now)
    }

    fn sync_file(&mut self) -> Result<(), Fault> {
        let Some(open) = &mut self.open else { return Ok(()) };
        open.encoder.end_member();
        open.flush(&mut self.disk)?;
        if open.size > open.synced || !open.directories.is_empty() {
            let failed = |error| fault("failed syncing messages to", &open.path, &error);
            self.disk.sync(&mut open.file).map_err(failed)?;
            for directory in std::mem::take(&mut open.directories) {
                self.disk.sync_directory(&directory).map_err(|e| fault("failed syncing", &directory, &e))?;
            }
            open.synced = open.size;
        }
        self.outcome.done.append(&mut self.pending);
        Ok(())
    }

    fn close_file(&mut self) -> Result<(), Fault> {
        self.sync_file()?;
        let Some(open) = self.open.take() else { return Ok(()) };
        let Open { path, name, revision, size, .. } = open;
        if size == 0 && self.plan.skip_empty_files {
            return self.disk.remove(&path).map_err(|error| fault("unable to remove", &path, &error));
        }
        if self.in_place() { Ok(()) } else { self.publish(&path, &name, revision) }
    }

    /// Gives a finished file its name in the output directory.
    fn publish(&mut self, from: &Path, name: &str, mut revision: u64) -> Result<(), Fault> {
        let to = loop {
            let to = path(&self.plan.output_directory, name, revision);
            match self.disk.link(from, &to) {
                Ok(()) => break to,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    self.outcome.notices.push(Notice::Exists(to));
                    revision += 1;
                }
                Err(error) => return Err(broken("unable to move the finished file to", &to, &error)),
            }
        };
        self.sync_name(&to)?;
        self.disk.remove(from).map_err(|error| broken("unable to remove", from, &error))?;
        self.sync_name(from)?;
        self.outcome.notices.push(Notice::Moved(from.to_owned(), to));
        Ok(())
    }

    fn sync_name(&mut self, path: &Path) -> Result<(), Fault> {
        let Some(directory) = path.parent() else { return Ok(()) };
        self.disk.sync_directory(directory).map_err(|error| broken("failed syncing", directory, &error))
    }

    fn open_next(&mut self, now: &Moment) -> Result<(), Fault> {
        let name = self.name.at(&now.wall);
        let mut revision = match &self.last {
            Some((last, revision)) if *last == name => revision + 1,
            _ => 0,
        };
        let exclusive = self.plan.compression != Compression::None || !self.plan.rotate_interval.is_zero();
        let opening = if exclusive { Opening::New } else { Opening::Append };
        loop {
            let path = path(&self.plan.work_directory, &name, revision);
            if let Some(open) = self.try_open(&path, &name, revision, opening, now)? {
                self.outcome.notices.push(Notice::Opened(path));
                self.last = Some((name, revision));
                self.open = Some(open);
                return Ok(());
            }
            revision += 1;
        }
    }

    /// Opens a file; `None` if this revision exists or has reached its size.
    fn try_open(
        &mut self,
        path: &Path,
        name: &str,
        revision: u64,
        opening: Opening,
        now: &Moment,
    ) -> Result<Option<Open<D::File>>, Fault> {
        let mut directories = BTreeSet::new();
        let work_directory = self.plan.work_directory.clone();
        self.prepare(path, &work_directory, &mut directories)?;
        if !self.in_place() {
            let output_directory = self.plan.output_directory.clone();
            let target = super::name::path(&output_directory, name, revision);
            self.prepare(&target, &output_directory, &mut directories)?;
            if self.disk.exists(&target).map_err(|error| fault("unable to stat", &target, &error))? {
                self.outcome.notices.push(Notice::Exists(target));
                return Ok(None);
            }
        }
        let (file, found) = match self.disk.open(path, opening) {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.outcome.notices.push(Notice::Exists(path.to_owned()));
                return Ok(None);
            }
            Err(error) => return Err(fault("unable to open", path, &error)),
        };
        if self.plan.rotate_bytes > 0 && found.bytes > self.plan.rotate_bytes {
            return Ok(None);
        }
        let mut open = Open {
            file,
            path: path.to_owned(),
            name: name.to_owned(),
            revision,
            opened: now.elapsed,
            bytes: found.bytes,
            size: found.bytes,
            reach: found.bytes,
            shared: false,
            synced: found.bytes,
            cut_at: (!found.ends_with_line_feed).then_some(found.bytes),
            encoder: Encoder::new(self.plan.compression),
            directories,
            second: now.wall.timestamp().as_second(),
        };
        open.begin(self.plan.compression);
        Ok(Some(open))
    }

    /// Creates the directories of a file below `base`, and notes which directories to sync.
    fn prepare(&mut self, path: &Path, base: &Path, noted: &mut BTreeSet<PathBuf>) -> Result<(), Fault> {
        let Some(parent) = path.parent() else { return Ok(()) };
        self.disk
            .create_directories(parent)
            .map_err(|error| fault("unable to create dir", parent, &error))?;
        let below = parent.ancestors().take_while(|directory| directory.starts_with(base));
        noted.extend(below.filter(|directory| !directory.as_os_str().is_empty()).map(Path::to_owned));
        Ok(())
    }

    /// After an error: if the disk was only full, truncates the file and fails every message since the last
    /// sync.
    fn give_back(&mut self, fault: Fault) -> Result<(), Broken> {
        let why = match fault {
            Fault::Full(why) => why,
            Fault::Broken(broken) => return Err(broken),
        };
        if let Some(open) = &mut self.open {
            open.roll_back(&mut self.disk, self.plan.compression)?;
        }
        self.outcome.notices.push(Notice::Full(why, self.pending.len()));
        self.outcome.failed.append(&mut self.pending);
        Ok(())
    }

    fn in_place(&self) -> bool {
        self.plan.work_directory == self.plan.output_directory
    }
}

impl<F> Open<F> {
    /// Writes the ready bytes.
    fn flush<D: Disk<File = F>>(&mut self, disk: &mut D) -> Result<(), Fault> {
        let bytes = self.encoder.take();
        if bytes.is_empty() {
            return Ok(());
        }
        let failed = |error| fault("writing messages to", &self.path, &error);
        let size = disk.size(&self.file).map_err(failed)?;
        self.shared |= size != self.size;
        self.reach = size + bytes.len() as u64;
        disk.append(&mut self.file, &bytes).map_err(failed)?;
        self.size = self.reach;
        Ok(())
    }

    /// Truncates to the last sync. Partly written bytes are not part of `size`.
    fn roll_back<D: Disk<File = F>>(&mut self, disk: &mut D, compression: Compression) -> Result<(), Broken> {
        let failed = |error: io::Error| Broken(text("unable to cut back", &self.path, &error));
        let size = disk.size(&self.file).map_err(failed)?;
        if self.shared || !(self.synced..=self.reach).contains(&size) {
            let path = self.path.display();
            return Err(Broken(format!("{path} is full and cannot be cut back: somebody else writes to it")));
        }
        disk.truncate(&mut self.file, self.synced).map_err(failed)?;
        (self.size, self.reach) = (self.synced, self.synced);
        self.begin(compression);
        Ok(())
    }

    /// Starts over after the last sync. The next record must not be joined to a cut one.
    fn begin(&mut self, compression: Compression) {
        self.encoder = Encoder::new(compression);
        if self.cut_at == Some(self.synced) {
            self.encoder.write(b"\n");
        }
    }
}

fn text(what: &str, path: &Path, error: &io::Error) -> String {
    format!("{what} {}: {}", path.display(), error_text(error))
}

fn broken(what: &str, path: &Path, error: &io::Error) -> Fault {
    Fault::Broken(Broken(text(what, path, error)))
}

fn fault(what: &str, path: &Path, error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Fault::Full(text(what, path, error)),
        _ => broken(what, path, error),
    }
}
