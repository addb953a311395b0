//! Logging: quiet, structured, never in the way of a shard.
//!
//! ```text
//! warn!(server = %id, "server ejected") ─▶ Logger: level? ─ format ─▶ bounded queue ─▶ writer thread ─▶ file, stderr
//!                                              │                         │ full: the line is dropped and counted
//!                                              └ one atomic load          └ the writer reports how many were lost
//! ```
//!
//! A line is formatted where it is logged and handed over without waiting. One thread writes; it also reopens
//! the file when asked (SIGHUP). Lines have one of several [`Format`]s; under nutcracker's and nsqd's faces
//! theirs. There are no spans: a line carries what it needs in its fields.
//!
//! Two targets are special. [`ALWAYS`] passes at every level (the banner). [`SIGNAL`] does too, and in
//! nutcracker's format it gets dots for a time, as the original's signal handlers write it.

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
    /// Lines that are written; can be changed later.
    pub verbosity: Verbosity,
    /// Most lines that await the writer; past it lines are dropped and counted.
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

/// A log whose destination is open and whose writer does not run yet. A daemon forks between the two steps:
/// threads do not live through a fork, open files do.
#[derive(Debug)]
pub struct Opened {
    options: Options,
    sink: writer::Sink,
}

/// A destination that is open already and is to take another one's place.
#[derive(Debug)]
pub struct Replacement(writer::Sink);

impl Replacement {
    /// Opens the destination.
    ///
    /// # Errors
    /// Error of opening the file.
    pub fn open(destination: &Destination) -> io::Result<Replacement> {
        writer::Sink::open(destination).map(Replacement)
    }
}

impl Options {
    /// Opens the destination.
    ///
    /// # Errors
    /// Error of opening the file.
    pub fn open(self) -> io::Result<Opened> {
        let sink = writer::Sink::open(&self.destination)?;
        Ok(Opened { options: self, sink })
    }
}

impl Opened {
    /// Starts the writer. The logger is for `tracing`, usually through [`Opened::install`].
    ///
    /// # Errors
    /// The system's refusal to make a thread.
    pub fn start(self) -> io::Result<(Logger, Log)> {
        let queue = writer::start(self.sink, self.options.format, self.options.queue_max)?;
        let logger = Logger::new(queue, self.options.verbosity);
        let log = Log { logger: logger.clone() };
        Ok((logger, log))
    }

    /// Starts the writer and makes this the log of the process.
    ///
    /// # Errors
    /// As [`Opened::start`]; also if the process has a log already.
    pub fn install(self) -> io::Result<Log> {
        let (logger, log) = self.start()?;
        tracing::subscriber::set_global_default(logger).map_err(io::Error::other)?;
        Ok(log)
    }
}

/// A handle on a running log.
#[derive(Debug, Clone)]
pub struct Log {
    logger: Logger,
}

impl Log {
    /// Opens the file anew before the next line is written, for rotation. If that fails the old file is kept
    /// and the failure logged.
    pub fn reopen(&self) {
        self.logger.queue().reopen();
    }

    /// Writes there from the next line on.
    pub fn redirect(&self, to: Replacement) {
        self.logger.queue().redirect(to.0);
    }

    /// Writes lines as text or as JSON from now on; other formats are those of a process from its start to
    /// its end.
    pub fn set_format(&self, format: Format) {
        self.logger.queue().set_format(format);
    }

    /// Level written now.
    pub fn verbosity(&self) -> Verbosity {
        self.logger.verbosity()
    }

    /// Changes what is written, at once and for all threads.
    pub fn set_verbosity(&self, verbosity: Verbosity) {
        self.logger.set_verbosity(verbosity);
    }

    /// Lines lost so far because the queue was full or the destination refused them.
    pub fn lost(&self) -> u64 {
        self.logger.queue().lost()
    }

    /// Waits until what was logged before is written, at most `patience`. False if it was not. Not for
    /// shards.
    pub fn flush(&self, patience: Duration) -> bool {
        self.logger.queue().flush(patience)
    }
}
