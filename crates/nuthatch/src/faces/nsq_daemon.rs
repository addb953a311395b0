//! Run of an NSQ daemon from checked settings to exit: common to all of them, each with
//! its own texts and exit statuses.

use std::process::ExitCode;
use std::time::Duration;

use config::checked::{Config, LogLevel};
use config::go_flags::{Exit, GoValues};
use telemetry::log::{Format, Options, Verbosity};

use crate::control::{Control, FaceBehavior};
use crate::log_level::verbosity;
use crate::queue_service::DataPath;
use crate::reload::source::Source;
use crate::start;
use crate::start_error::StartError;
use crate::stdout::show;
use crate::upgrade::predecessor;

/// Time limit for flushing the last lines of the log.
const FLUSH_DEADLINE: Duration = Duration::from_secs(2);

/// Properties of one daemon.
pub(super) struct Daemon<'a> {
    /// Its name, as in its texts.
    pub name: &'static str,
    /// Its section of the configuration.
    pub section: &'static str,
    /// Prefix of each line of its log.
    pub prefix: &'a str,
    /// Least severe level that is logged.
    pub level: LogLevel,
    /// Last line of its log.
    pub last_line: Option<&'static str>,
    /// Its configuration, once it runs.
    pub source: Source,
}

impl Daemon<'_> {
    /// Starts everything configured and runs until a signal. Errors refer to `flags`.
    pub(super) fn run(
        &self,
        config: Result<Config, String>,
        directory: Option<DataPath>,
        flags: &GoValues,
    ) -> ExitCode {
        // Leaked: there is one log, which lives as long as the process.
        let format = Format::Nsqd(Box::leak(self.prefix.to_owned().into_boxed_str()));
        let options = Options { verbosity: verbosity(self.level), format, ..Options::default() };
        let log = match options.open().and_then(|opened| opened.install()) {
            Ok(log) => log,
            Err(error) => return end(Exit::Fatal(error.to_string()), self.prefix),
        };
        let started = config.map_err(StartError::Other).and_then(|config| {
            let control = Control::prepare()?;
            Ok((control, start::start(&config, directory)?))
        });
        let (control, running) = match started {
            Ok(started) => started,
            Err(error) => {
                // Flush earlier log lines first.
                log.flush(FLUSH_DEADLINE);
                return refuse_as(self.name, &error.nsqd(flags), self.prefix);
            }
        };
        if verbosity(self.level) >= Verbosity::INFO {
            for listening in running.listening.all() {
                let line = format!("{}: listening on {}", self.listener(&listening.what), listening.address);
                eprintln!("{}", logged(self.prefix, "INFO", &line));
            }
        }
        let behavior = FaceBehavior {
            service: (self.name, config::nsqd::VERSION),
            interrupted: 0,
            nutcracker: false,
            hangup_reloads: false,
            source: Source::clone(&self.source),
            watched: None,
        };
        let code = control.run(running, &behavior, &log);
        if let Some(last_line) = self.last_line {
            telemetry::info!("{last_line}");
        }
        log.flush(FLUSH_DEADLINE);
        code
    }

    /// The original's name of a listener: `TCP`, `HTTP`, `HTTPS`.
    fn listener<'a>(&self, what: &'a str) -> &'a str {
        match what.strip_prefix(self.section) {
            Some("") => "TCP",
            Some(rest) => rest.strip_prefix(", ").unwrap_or(what),
            None => what,
        }
    }
}

/// Reports why a daemon does not start.
pub(super) fn refuse_as(name: &str, reason: &str, prefix: &str) -> ExitCode {
    predecessor::refuse(reason);
    end(Exit::Fatal(format!("failed to instantiate {name} - {reason}")), prefix)
}

/// Prints the exit's text, if any; returns the exit status.
pub(super) fn end(exit: Exit, prefix: &str) -> ExitCode {
    match exit {
        Exit::Answer(text) => {
            show(text);
            ExitCode::SUCCESS
        }
        Exit::Usage(code, text) => {
            eprint!("{text}");
            ExitCode::from(code)
        }
        Exit::Plain(line) => {
            eprintln!("{} {line}", now("%Y/%m/%d %H:%M:%S"));
            ExitCode::FAILURE
        }
        Exit::Fatal(line) => {
            eprintln!("{}", logged(prefix, "FATAL", &line));
            ExitCode::FAILURE
        }
    }
}

/// A line as nsqd logs it: prefix, local time with microseconds, level.
pub(super) fn logged(prefix: &str, level: &str, line: &str) -> String {
    format!("{prefix}{} {level}: {line}", now("%Y/%m/%d %H:%M:%S%.6f"))
}

fn now(format: &str) -> String {
    jiff::ZonedDateTime::now().strftime(format).to_string()
}
