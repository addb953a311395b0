//! `nuthatch run`: the native daemon, in the foreground.
//!
//! Without a configuration it serves on loopback over the embedded cache. Standard output shows the listening
//! addresses and one command to try; everything else goes to the log.

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use config::checked::Config;
use config::show::Basis;
use config::{FileKind, Severity, native};
use telemetry::log::{Destination, Log, Options};
use telemetry::{error, info};

use super::source::Source;
use crate::config_watch::Watched;
use crate::control::{Control, FaceBehavior};
use crate::log_level::{format, verbosity};
use crate::reload;
use crate::reload::source::{Loaded, short_name};
use crate::start::{self, Running};
use crate::start_error::StartError;
use crate::stdout::show;
use crate::upgrade::predecessor;
use crate::version::VERSION;

/// Runs with a file, or with the defaults.
pub fn main(file: Option<&Path>) -> ExitCode {
    let watched = file.filter(|path| path.as_os_str() != "-").map(Watched::begin);
    let Some(config) = configuration(file) else { return ExitCode::FAILURE };
    let log = match open_log(&config) {
        Ok(log) => log,
        Err(text) => return refuse(&text),
    };
    if let Some(queue) = &config.queue
        && let Err(error) = make_private_dir(&queue.data_path)
    {
        let text = format!("[queue] data_path: cannot make {}: {error}", queue.data_path.display());
        return refuse(&text);
    }
    let started = Control::prepare()
        .map_err(StartError::Other)
        .and_then(|control| Ok((control, start::start(&config, None)?)));
    let (control, running) = match started {
        Ok(started) => started,
        Err(fault) => {
            let text = fault.native();
            if config.log.file.is_some() {
                eprintln!("nuthatch: {text}");
            }
            error!("{text}");
            predecessor::refuse(&text);
            log.flush(Duration::from_secs(2));
            return ExitCode::FAILURE;
        }
    };
    greet(&running, config.queue.as_ref().map(|queue| queue.data_path.as_path()));
    info!(threads = config.threads as u64, version = VERSION, "started");
    let behavior = FaceBehavior {
        service: ("nuthatch", env!("CARGO_PKG_VERSION")),
        interrupted: 0,
        nutcracker: false,
        hangup_reloads: true,
        source: again(file),
        watched,
    };
    let code = control.run(running, &behavior, &log);
    info!("stopped");
    log.flush(Duration::from_secs(2));
    code
}

/// Reports why the start failed.
fn refuse(text: &str) -> ExitCode {
    eprintln!("nuthatch: {text}");
    predecessor::refuse(text);
    ExitCode::FAILURE
}

/// The configuration, if it has no errors; all faults go to standard error.
fn configuration(file: Option<&Path>) -> Option<Config> {
    let Some(path) = file else { return Some(native::default(cores())) };
    if path.as_os_str() == "-" && predecessor::is_there() {
        refuse("the configuration came from standard input, which cannot be read again: restart instead");
        return None;
    }
    let source = match Source::read(path) {
        Ok(source) => source,
        Err(error) => {
            refuse(&format!("{}: {error}", path.display()));
            return None;
        }
    };
    let shown = &source.name;
    if source.kind != FileKind::Native {
        let (kind, command) = (source.kind.name(), source.kind.command(&path.display().to_string()));
        eprintln!("nuthatch: {shown} is a {kind}, not a nuthatch.toml; run it with: {command}");
        predecessor::refuse(&format!("{shown} is a {kind}, not a nuthatch.toml"));
        eprintln!("nuthatch: or make a nuthatch.toml of it: nuthatch convert {}", path.display());
        return None;
    }
    let report = native::check_bytes(&source.bytes, cores());
    for fault in &report.faults {
        eprint!("{}", source.show(fault));
    }
    if report.config.is_none() {
        let errors = report.faults.iter().filter(|fault| fault.severity == Severity::Error);
        let shown_errors: Vec<String> = errors.map(|fault| fault.show(shown).to_string()).collect();
        predecessor::refuse(&shown_errors.join("\n"));
        let count = shown_errors.len();
        eprintln!("nuthatch: not started: {count} error{} in {shown}", if count == 1 { "" } else { "s" });
    }
    report.config
}

/// Source that reads the file again.
fn again(file: Option<&Path>) -> reload::source::Source {
    let Some(path) = file.map(Path::to_owned) else {
        return reload::source::Source::none(
            "the process was started without a configuration file: start it with run -c FILE",
        );
    };
    if path.as_os_str() == "-" {
        return reload::source::Source::none(
            "the configuration came from standard input, which cannot be read again",
        );
    }
    let file = path.clone();
    reload::source::Source::new(Some(&file), move || load(&path))
}

fn load(path: &Path) -> Result<Loaded, String> {
    let source = Source::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    if source.kind != FileKind::Native {
        return Err(format!("{} is a {}, not a nuthatch.toml", source.name, source.kind.name()));
    }
    let report = native::check_bytes(&source.bytes, cores());
    let shown = |severity: Severity| {
        let faults = report.faults.iter().filter(move |fault| fault.severity == severity);
        faults.map(|fault| fault.show(&source.name).to_string()).collect::<Vec<_>>()
    };
    match &report.config {
        None => Err(shown(Severity::Error).join("\n")),
        Some(config) => Ok(Loaded {
            config: config.clone(),
            warnings: shown(Severity::Warning),
            basis: Basis::Native(short_name(path), String::from_utf8_lossy(&source.bytes).into_owned()),
        }),
    }
}

/// The default of `threads`.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn open_log(config: &Config) -> Result<Log, String> {
    let destination = match &config.log.file {
        Some(path) => Destination::File(path.clone()),
        None => Destination::Stderr,
    };
    let shown = match &destination {
        Destination::File(path) => path.display().to_string(),
        Destination::Stderr => "standard error".into(),
    };
    let options = Options {
        destination,
        format: format(config.log.format),
        verbosity: verbosity(config.log.level),
        ..Options::default()
    };
    options.open().and_then(|log| log.install()).map_err(|error| format!("cannot log to {shown}: {error}"))
}

/// Creates a directory and its parents, if missing, for its owner only: messages are private.
fn make_private_dir(path: &Path) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    }
}

/// Prints the listening addresses, the directory of the messages, and one command to try.
fn greet(running: &Running, data_path: Option<&Path>) {
    show(format_args!("nuthatch {VERSION}\n"));
    let width = running.listening.all().map(|listening| listening.address.len()).max().unwrap_or(0);
    for listening in running.listening.all() {
        show(format_args!("  {:<width$}  {}\n", listening.address, listening.what));
    }
    if let Some(path) = data_path {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        show(format_args!("messages are kept in {}\n", path.display()));
    }
    let redis = running.listening.all().find(|listening| listening.what.starts_with("redis"));
    if let Some(try_it) = redis.and_then(|redis| redis_cli(&redis.address)) {
        show(format_args!("try: {try_it} set k v\n"));
    }
}

/// The command that connects to a Redis pool at `address`.
fn redis_cli(address: &str) -> Option<String> {
    if address.starts_with('/') {
        return Some(format!("redis-cli -s {}", address.split(' ').next()?));
    }
    let (host, port) = address.rsplit_once(':')?;
    Some(match host {
        "127.0.0.1" | "0.0.0.0" => format!("redis-cli -p {port}"),
        host => format!("redis-cli -h {} -p {port}", host.trim_matches(['[', ']'])),
    })
}

#[cfg(test)]
mod tests {
    use super::redis_cli;

    #[test]
    fn the_line_to_try() {
        for (address, command) in [
            ("127.0.0.1:22121", "redis-cli -p 22121"),
            ("10.0.0.1:1", "redis-cli -h 10.0.0.1 -p 1"),
            ("[::1]:1", "redis-cli -h ::1 -p 1"),
            ("/tmp/r.sock 0660", "redis-cli -s /tmp/r.sock"),
        ] {
            assert_eq!(redis_cli(address).as_deref(), Some(command));
        }
    }
}
