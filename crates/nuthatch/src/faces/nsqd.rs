//! nsqd 1.3.0: its flags, its file, its texts and exit statuses.
//!
//! 0: version, help, SIGINT, SIGTERM. 2: a bad flag. 1: any fatal error.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use config::checked::{Admin, Config, Queue};
use config::go_flags::{Exit, GoValues};
use config::native;
use config::nsqd::{self, Nsqd, Refusal};
use config::show::Basis;
use telemetry::log::Verbosity;

use super::environment;
use super::nsq_daemon::{Daemon, end, logged, refuse_as};
use crate::log_level::verbosity;
use crate::queue_service::{DataPath, verify_tls};
use crate::reload::source::{Loaded, Source, short_name};
use crate::upgrade::predecessor;

/// Runs the face; `arguments` do not include the program's name.
pub fn main(arguments: Vec<String>) -> ExitCode {
    let values = match nsqd::from_arguments(&arguments) {
        Ok(values) => values,
        Err(exit) => return end(exit, "[nsqd] "),
    };
    let prefix = values.text("log-prefix");
    // nsqd does not create its directory, and locks it before anything else;
    // in an upgrade the lock comes last.
    let directory = if predecessor::is_there() {
        None
    } else {
        match DataPath::lock(&data_path(&values)) {
            Ok(directory) => Some(directory),
            Err(error) => return refuse(&error.nsqd(&values), prefix),
        }
    };
    match nsqd::check(&values) {
        Err(Refusal { text, after_banner, .. }) => {
            if let Some(node_id) = after_banner {
                banner(prefix, node_id);
            }
            refuse(&text, prefix)
        }
        Ok(settings) => match verify_tls(&settings.queue) {
            Ok(()) => run(settings, directory, again(&values, arguments)),
            Err(reason) => refuse(&reason, prefix),
        },
    }
}

/// Reports why nsqd does not start.
fn refuse(reason: &str, prefix: &str) -> ExitCode {
    refuse_as("nsqd", reason, prefix)
}

/// Starts the queue and runs it until a signal.
fn run(settings: Nsqd, directory: Option<DataPath>, source: Source) -> ExitCode {
    let (prefix, level) = (settings.log_prefix.clone(), settings.log_level);
    if verbosity(level) >= Verbosity::INFO {
        banner(&prefix, settings.queue.node_id);
    }
    let flags = settings.queue.nsqd_flags.clone();
    let daemon = Daemon {
        name: "nsqd",
        section: "queue",
        prefix: &prefix,
        level,
        last_line: Some("NSQ: bye"),
        source,
    };
    daemon.run(configuration(settings.queue), directory, &flags)
}

/// The file that the arguments name, for reloads with the same arguments.
fn again(values: &GoValues, arguments: Vec<String>) -> Source {
    let file = Some(values.text("config")).filter(|file| !file.is_empty()).map(Path::new);
    Source::new(file, move || load(&arguments))
}

/// Reads the file that the arguments name again.
fn load(arguments: &[String]) -> Result<Loaded, String> {
    let values = match nsqd::from_arguments(arguments) {
        Ok(values) => values,
        Err(Exit::Answer(text) | Exit::Usage(_, text) | Exit::Plain(text) | Exit::Fatal(text)) => {
            return Err(text);
        }
    };
    let settings = nsqd::check(&values).map_err(|Refusal { text, .. }| text)?;
    verify_tls(&settings.queue)?;
    let file = Some(values.text("config")).filter(|file| !file.is_empty()).map(Path::new);
    let text = |file: &Path| (short_name(file), std::fs::read_to_string(file).unwrap_or_default());
    let basis = Basis::Nsqd(arguments.to_vec(), file.map(text));
    Ok(Loaded { config: configuration(settings.queue)?, warnings: Vec::new(), basis })
}

/// The queue alone, and the admin port and users if the environment sets them.
fn configuration(queue: Queue) -> Result<Config, String> {
    Ok(Config { users: environment::users()?, ..alone(queue, environment::admin()?) })
}

/// A configuration with the queue alone, and perhaps the admin port.
pub(super) fn alone(queue: Queue, admin: Option<Admin>) -> Config {
    Config { pools: Vec::new(), stats: None, admin, queue: Some(queue), ..native::default(1) }
}

/// The directory of the messages, as a full path; the working directory by default.
fn data_path(values: &GoValues) -> PathBuf {
    match values.text("data-path") {
        "" => std::env::current_dir().unwrap_or_else(|_| ".".into()),
        path => path.into(),
    }
}

fn banner(prefix: &str, node_id: u16) {
    eprintln!("{}", logged(prefix, "INFO", &nsqd::version_line("nsqd")));
    eprintln!("{}", logged(prefix, "INFO", &format!("ID: {node_id}")));
}
