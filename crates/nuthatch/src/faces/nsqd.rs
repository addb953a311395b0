//! nsqd 1.3.0: its flags, its file, its texts and exit statuses.
//!
//! 0: version, help, SIGINT, SIGTERM. 2: a bad flag. 1: anything that is fatal.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use config::checked::{Admin, Config};
use config::go_flags::{Exit, GoValue, GoValues};
use config::native;
use config::nsqd::{self, Nsqd, Refusal};
use telemetry::log::{Format, Options, Verbosity};

use super::environment;
use crate::applet::show;
use crate::control::{Control, Manners};
use crate::log_level::verbosity;
use crate::messages::{DataPath, verify_tls};
use crate::start;
use crate::start_error::StartError;

/// Runs the face; `arguments` do not include the program's name.
pub fn main(arguments: Vec<String>) -> ExitCode {
    let values = match nsqd::from_arguments(&arguments) {
        Ok(values) => values,
        Err(exit) => return end(exit, "[nsqd] "),
    };
    let prefix = prefix(&values);
    // nsqd does not make its directory, and takes it before it looks at anything else.
    let directory = match DataPath::lock(&data_path(&values)) {
        Ok(directory) => directory,
        Err(error) => return refuse(&error.nsqd(&values), &prefix),
    };
    match nsqd::check(&values) {
        Err(Refusal { text, after_banner, .. }) => {
            if let Some(node_id) = after_banner {
                banner(&prefix, node_id);
            }
            refuse(&text, &prefix)
        }
        Ok(settings) => match verify_tls(&settings) {
            Ok(()) => run(settings, directory),
            Err(reason) => refuse(&reason, &prefix),
        },
    }
}

/// Says why nsqd does not start.
fn refuse(reason: &str, prefix: &str) -> ExitCode {
    end(Exit::Fatal(format!("failed to instantiate nsqd - {reason}")), prefix)
}

/// Starts the queue and runs it until a signal ends it.
fn run(settings: Nsqd, directory: DataPath) -> ExitCode {
    let prefix = settings.log_prefix.clone();
    let verbosity = verbosity(settings.log_level);
    let talkative = verbosity >= Verbosity::INFO;
    if talkative {
        banner(&prefix, settings.node_id);
    }
    // There is one log, and it lasts as long as the process.
    let format = Format::Nsqd(Box::leak(prefix.clone().into_boxed_str()));
    let options = Options { verbosity, format, ..Options::default() };
    let log = match options.open().and_then(|opened| opened.install()) {
        Ok(log) => log,
        Err(error) => return end(Exit::Fatal(error.to_string()), &prefix),
    };
    let flags = settings.flags.clone();
    let started = configuration(settings).map_err(StartError::Other).and_then(|config| {
        let control = Control::prepare()?;
        Ok((control, start::start(&config, Some(directory))?))
    });
    let (control, running) = match started {
        Ok(started) => started,
        Err(error) => {
            // What was logged before comes before it.
            log.flush(Duration::from_secs(2));
            return refuse(&error.nsqd(&flags), &prefix);
        }
    };
    for listening in running.listening.iter().filter(|_| talkative) {
        let name = match listening.what.as_str() {
            "queue" => "TCP",
            other => other.strip_prefix("queue, ").unwrap_or(other),
        };
        eprintln!("{}", logged(&prefix, "INFO", &format!("{name}: listening on {}", listening.address)));
    }
    let manners = Manners { service: ("nsqd", nsqd::VERSION), interrupted: 0, nutcracker: false };
    let code = control.run(running, &manners, &log);
    telemetry::info!("NSQ: bye");
    log.flush(Duration::from_secs(2));
    code
}

/// The queue alone, and the admin port if the environment asks for one.
fn configuration(settings: Nsqd) -> Result<Config, String> {
    Ok(alone(settings, environment::admin()?))
}

/// The queue and nothing else but, perhaps, the admin port.
pub(super) fn alone(settings: Nsqd, admin: Option<Admin>) -> Config {
    Config { pools: Vec::new(), stats: None, admin, queue: Some(settings), ..native::default(1) }
}

/// The directory of the messages: the working directory, by its full path, if no other is named.
fn data_path(values: &GoValues) -> PathBuf {
    match values.get("data-path") {
        Some(GoValue::Text(path)) if !path.is_empty() => path.into(),
        _ => std::env::current_dir().unwrap_or_else(|_| ".".into()),
    }
}

fn prefix(values: &GoValues) -> String {
    match values.get("log-prefix") {
        Some(GoValue::Text(prefix)) => prefix.clone(),
        _ => String::new(),
    }
}

fn banner(prefix: &str, node_id: u16) {
    eprintln!("{}", logged(prefix, "INFO", &nsqd::version_line("nsqd")));
    eprintln!("{}", logged(prefix, "INFO", &format!("ID: {node_id}")));
}

/// Prints what has to be printed; the exit status.
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
