//! The log of a tool: lines on standard error, in the format of NSQ's tools.

use std::io;
use std::time::Duration;

use config::checked::LogLevel;
use config::go_flags::Exit;
use telemetry::log::{Format, Log, Options, Verbosity};

/// Time allowed for the last lines at exit.
const PATIENCE: Duration = Duration::from_secs(2);

/// Handle to the running log; dropping it waits until all lines are written.
#[derive(Debug)]
pub(crate) struct Running(Log);

/// Starts the log of the process. There is one, and it lasts as long as the process.
///
/// # Errors
///
/// The log cannot be started.
pub(crate) fn start(prefix: &str, level: LogLevel) -> Result<Running, Exit> {
    let format = Format::Nsqd(Box::leak(prefix.to_owned().into_boxed_str()));
    let verbosity = Verbosity::named(level.name()).unwrap_or(Verbosity::INFO);
    let options = Options { verbosity, format, ..Options::default() };
    let started = options.open().and_then(|opened| opened.install());
    started.map(Running).map_err(|error: io::Error| Exit::Plain(format!("ERROR: no log - {error}")))
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.flush(PATIENCE);
    }
}
