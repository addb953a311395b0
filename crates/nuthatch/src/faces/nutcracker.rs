//! nutcracker 0.5.0 (twemproxy), as Debian ships it: its flags, files, log lines, signals and exit statuses.
//!
//! ```text
//! options ─▶ -h -V -D? text ─▶ -t? verdict ─▶ log open ▸ detach ▸ banner ▸ configuration ▸ listeners ▸ pid file ▸ run
//! ```
//! Intended differences are in docs/compat-twemproxy.md: `-t` also says why; with `-d` the starting process
//! waits for the daemon's verdict; SIGTERM stops gracefully; the pid file is written once everything listens
//! and is always removed at exit.

mod options;
mod text;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use config::checked::{Admin, Config, Listen, Stats};
use config::nutcracker::{Accepted, parse_file};
use config::show::Basis;
use config::{native, warnings};
use options::{Options, Outcome};
use telemetry::log::{ALWAYS, Destination, Format, Log, Opened, Verbosity};
use telemetry::{error, info, warn};

use super::environment;
use super::run::cores;
use crate::control::{Control, FaceBehavior};
use crate::pid_file::PidFile;
use crate::reload::source::{Loaded, Source, short_name};
use crate::upgrade::predecessor;
use crate::{daemon, start};

/// Runs the face; `arguments` do not include the program's name.
pub fn main(arguments: Vec<String>) -> ExitCode {
    match options::parse(&arguments) {
        Outcome::Bad(line) => {
            eprint!("nutcracker: {line}\n{}", text::USAGE);
            ExitCode::FAILURE
        }
        Outcome::Show { usage, stats } => {
            eprint!("{}", text::VERSION);
            if usage {
                eprint!("{}", text::USAGE);
            }
            if stats {
                eprint!("{}", telemetry::render::describe::nutcracker());
            }
            ExitCode::SUCCESS
        }
        Outcome::Test(options) => test(&options.conf_file),
        Outcome::Run(options) => run(&options),
    }
}

/// `-t`. Prints the original's lines first, then the reasons, which the original omits.
fn test(file: &str) -> ExitCode {
    let verdict = |word: &str| eprintln!("nutcracker: configuration file '{file}' syntax is {word}");
    match parse_file(Path::new(file)) {
        Ok(Ok(_)) => {
            verdict("ok");
            ExitCode::SUCCESS
        }
        Ok(Err(refusal)) => {
            verdict("invalid");
            verdict("invalid");
            for reason in refusal.reasons {
                let place =
                    reason.position.map(|at| format!("{}:{}: ", at.line, at.column)).unwrap_or_default();
                eprintln!("nutcracker: {file}:{place}{reason}");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            verdict("invalid");
            eprintln!("nutcracker: {}", cannot_open(file, &error));
            ExitCode::FAILURE
        }
    }
}

fn cannot_open(file: &str, error: &std::io::Error) -> String {
    format!("conf: failed to open configuration '{file}': {}", text::strerror(error))
}

fn run(options: &Options) -> ExitCode {
    let opened = match open_log(options) {
        Ok(opened) => opened,
        Err(error) => {
            let line = format!("opening log file '{}' failed: {}", options.output, text::strerror(&error));
            eprintln!("{line}");
            predecessor::refuse(&line);
            return ExitCode::FAILURE;
        }
    };
    // The successor of a daemon is one already.
    let detaches = options.daemonize && !predecessor::is_there();
    let ready = match detaches.then(daemon::detach).transpose() {
        Ok(ready) => ready,
        Err(error) => {
            eprintln!("nutcracker: cannot become a daemon: {error}");
            return ExitCode::FAILURE;
        }
    };
    let Ok(log) = opened.install() else { return ExitCode::FAILURE };
    info!(target: ALWAYS, "nutcracker-{} built for {} started on pid {}", text::NUMBER, text::platform(), std::process::id());
    let code = match prepare(options, &log) {
        Ok((control, running, pid_file)) => {
            if let Some(ready) = ready {
                ready.tell();
            }
            let again = options.clone();
            let behavior = FaceBehavior {
                service: ("nutcracker", text::NUMBER),
                interrupted: 1,
                nutcracker: true,
                hangup_reloads: false,
                source: Source::new(Some(Path::new(&options.conf_file)), move || load(&again)),
                watched: None,
            };
            let code = control.run(running, &behavior, &log);
            drop(pid_file);
            code
        }
        Err(reason) => {
            if let Some(reason) = reason {
                error!("{reason}");
                predecessor::refuse(&reason);
            }
            ExitCode::FAILURE
        }
    };
    info!(target: ALWAYS, "done, rabbit done");
    log.flush(Duration::from_secs(2));
    code
}

fn open_log(options: &Options) -> std::io::Result<Opened> {
    let destination = match options.output.as_str() {
        "" => Destination::Stderr,
        path => Destination::File(path.into()),
    };
    let verbosity = Verbosity::new(u64::from(options.verbosity));
    telemetry::log::Options { destination, format: Format::Nutcracker, verbosity, ..Default::default() }
        .open()
}

/// Prepares everything from the configuration file to listening sockets and the pid file. The error is the
/// line to log, if it was not logged already.
fn prepare(
    options: &Options,
    log: &Log,
) -> Result<(Control, start::Running, Option<PidFile>), Option<String>> {
    let file = &options.conf_file;
    let accepted = match parse_file(Path::new(file)) {
        Err(error) => return Err(Some(cannot_open(file, &error))),
        Ok(Err(refusal)) => {
            for line in refusal.reasons.iter().flat_map(|reason| &reason.logged) {
                error!("{line}");
            }
            let reasons: Vec<String> = refusal.reasons.iter().map(ToString::to_string).collect();
            predecessor::refuse(&format!("{file}: {}", reasons.join("; ")));
            // The log may go to the same place; print the reasons first.
            log.flush(Duration::from_secs(2));
            eprintln!("nutcracker: configuration file '{file}' syntax is invalid");
            return Err(None);
        }
        Ok(Ok(accepted)) => accepted,
    };
    doubts(&accepted);
    let control = Control::prepare().map_err(Some)?;
    let admin = environment::admin().map_err(Some)?;
    let running = start::start(&configuration(options, accepted, admin), None)
        .map_err(|error| Some(error.nutcracker()))?;
    for listening in running.listening.all() {
        info!("{} listens on {}", listening.what, listening.address);
    }
    let pid_file = match &options.pid_file {
        Some(path) => match PidFile::write(path) {
            Ok(written) => Some(written),
            Err(error) if predecessor::is_there() => {
                error!("opening pid file '{path}' failed: {}", text::strerror(&error));
                None
            }
            Err(error) => {
                let line = format!("opening pid file '{path}' failed: {}", text::strerror(&error));
                running.stop();
                return Err(Some(line));
            }
        },
        None => None,
    };
    Ok((control, running, pid_file))
}

/// Reads the file again.
fn load(options: &Options) -> Result<Loaded, String> {
    let file = &options.conf_file;
    let accepted = match parse_file(Path::new(file)) {
        Err(error) => return Err(cannot_open(file, &error)),
        Ok(Err(refusal)) => {
            let place = |reason: &config::nutcracker::Reason| {
                reason.position.map(|at| format!(":{}:{}", at.line, at.column)).unwrap_or_default()
            };
            let reasons = refusal.reasons.iter().map(|reason| format!("{file}{}: {reason}", place(reason)));
            return Err(reasons.collect::<Vec<_>>().join("\n"));
        }
        Ok(Ok(accepted)) => accepted,
    };
    let ignored = accepted.ignored.iter();
    let ignored =
        ignored.map(|ignored| format!("pool {}: {} has no effect", ignored.pool, ignored.directive));
    let warnings = ignored.collect();
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let basis = Basis::Nutcracker(short_name(Path::new(file)), text);
    Ok(Loaded { config: configuration(options, accepted, environment::admin()?), warnings, basis })
}

/// Warns of settings that nutcracker accepts silently.
fn doubts(accepted: &Accepted) {
    for ignored in &accepted.ignored {
        warn!(pool = %ignored.pool, "directive {} has no effect", ignored.directive);
    }
    for pool in &accepted.pools {
        for warning in warnings::of_pool(pool, false) {
            if ["hash", "servers", "distribution"].contains(&warning.option) {
                warn!(pool = %pool.name, "{}", warning.text);
            }
        }
    }
}

/// Configuration of a file, with the command line's defaults.
pub(super) fn usual(accepted: Accepted) -> Config {
    configuration(&Options::default(), accepted, None)
}

fn configuration(options: &Options, accepted: Accepted, admin: Option<Admin>) -> Config {
    let listen = Listen::Tcp { host: options.stats_addr.clone(), port: options.stats_port };
    let interval = Duration::from_millis(u64::from(options.stats_interval_ms));
    let usual = native::default(cores());
    Config {
        pools: accepted.pools,
        stats: usual.stats.map(|stats| Stats { listen, interval, ..stats }),
        admin,
        queue: None,
        users: Vec::new(),
        lookup: None,
        ..usual
    }
}
