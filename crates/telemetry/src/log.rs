//! Logging: quiet, structured, never blocking a shard.
//!
//! ```text
//! warn!(server = %id, "server ejected") ─▶ Logger: level? ─ format ─▶ bounded queue ─▶ writer thread ─▶ file, stderr
//!                                              │                         │ full: the line is dropped and counted
//!                                              └ one atomic load          └ the writer reports how many were lost
//! ```
//!
//! A line is formatted where it is logged and queued without waiting. One thread writes; it also reopens the
//! file on request (SIGHUP). Lines have one of several [`Format`]s, under the nutcracker and nsqd faces those
//! of the originals. There are no spans: a line has all its data in its fields.
//!
//! Two targets are special. [`ALWAYS`] passes at every level (the banner). [`SIGNAL`] does too, and in
//! nutcracker's format its time is dots, as the original's signal handlers write it.

mod destination;
mod format;
mod level;
mod logger;
mod quota;
mod target;
mod writer;

use std::io;
use std::time::Duration;

pub use destination::Destination;
pub use format::Format;
pub use level::Verbosity;
pub use logger::Logger;
pub use quota::Quota;
pub use target::{ALWAYS, SIGNAL};
pub use writer::crash_fd;

/// Log settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Destination of lines.
    pub destination: Destination,
    /// Format of lines.
    pub format: Format,
    /// Level of lines written; can be changed later.
    pub verbosity: Verbosity,
    /// Most lines queued for the writer; further lines are dropped and counted.
    pub queue_max: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            destination: Destination::Stderr,
            format: Format::Text,
            verbosity: Verbosity::INFO,
            queue_max: 4096,
        }
    }
}

/// A log with an open destination and no running writer. A daemon forks between the two steps: threads do not
/// survive a fork, open files do.
#[derive(Debug)]
pub struct Opened {
    options: Options,
    sink: writer::Sink,
}

/// An open destination to replace another one.
#[derive(Debug)]
pub struct Replacement(writer::Sink);

impl Replacement {
    /// Opens the destination.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(destination: &Destination) -> io::Result<Replacement> {
        writer::Sink::open(destination).map(Replacement)
    }
}

impl Options {
    /// Opens the destination.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(self) -> io::Result<Opened> {
        let sink = writer::Sink::open(&self.destination)?;
        Ok(Opened { options: self, sink })
    }
}

impl Opened {
    /// Starts the writer. The logger is for `tracing`, usually through [`Opened::install`].
    ///
    /// # Errors
    /// The system refuses to create a thread.
    pub fn start(self) -> io::Result<(Logger, Log)> {
        let queue = writer::start(self.sink, self.options.format, self.options.queue_max)?;
        let logger = Logger::new(queue, self.options.verbosity);
        let log = Log { logger: logger.clone() };
        Ok((logger, log))
    }

    /// Starts the writer and makes this the log of the process.
    ///
    /// # Errors
    /// As [`Opened::start`], or the process already has a log.
    pub fn install(self) -> io::Result<Log> {
        let (logger, log) = self.start()?;
        tracing::subscriber::set_global_default(logger).map_err(io::Error::other)?;
        Ok(log)
    }
}

/// A handle to a running log.
#[derive(Debug, Clone)]
pub struct Log {
    logger: Logger,
}

impl Log {
    /// Reopens the file before the next line is written, for rotation. On failure the old file is kept and
    /// the failure logged.
    pub fn reopen(&self) {
        self.logger.queue().reopen();
    }

    /// Changes the destination from the next line on.
    pub fn redirect(&self, to: Replacement) {
        self.logger.queue().redirect(to.0);
    }

    /// Changes the format to text or JSON; other formats are fixed for a process's lifetime.
    pub fn set_format(&self, format: Format) {
        self.logger.queue().set_format(format);
    }

    /// The current level.
    pub fn verbosity(&self) -> Verbosity {
        self.logger.verbosity()
    }

    /// Changes the level, at once and for all threads.
    pub fn set_verbosity(&self, verbosity: Verbosity) {
        self.logger.set_verbosity(verbosity);
    }

    /// Lines lost so far because the queue was full or the destination failed.
    pub fn lost(&self) -> u64 {
        self.logger.queue().lost()
    }

    /// Waits until all lines logged before are written, at most `patience`. False on timeout. Not for shards.
    pub fn flush(&self, patience: Duration) -> bool {
        self.logger.queue().flush(patience)
    }
}
