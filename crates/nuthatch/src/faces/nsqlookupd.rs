//! nsqlookupd 1.3.0: its flags, its file, its texts and exit statuses.
//!
//! 0: version, help, SIGINT, SIGTERM. 2: a bad flag. 1: anything that is fatal.

use std::process::ExitCode;
use std::time::Duration;

use config::checked::{Config, Lookup};
use config::go_flags::{Exit, GoValues};
use config::native;
use config::nsqd::version_line;
use config::nsqlookupd::{self, Manner};
use telemetry::log::{Format, Options, Verbosity};

use super::environment;
use super::nsqd::{end, logged};
use crate::control::{Control, Manners};
use crate::log_level::verbosity;
use crate::start;
use crate::start_error::StartError;

const NAME: &str = "nsqlookupd";

/// Runs the face; `arguments` do not include the program's name.
pub fn main(arguments: Vec<String>) -> ExitCode {
    let values = match nsqlookupd::PROGRAM.from_arguments(&arguments) {
        Ok(values) => values,
        Err(exit) => return end(exit, "[nsqlookupd] "),
    };
    let manner = nsqlookupd::manner(&values);
    let talkative = verbosity(manner.log_level) >= Verbosity::INFO;
    if talkative {
        eprintln!("{}", logged(&manner.log_prefix, "INFO", &version_line(NAME)));
    }
    match nsqlookupd::check(&values) {
        Ok(settings) => run(settings, &manner, talkative),
        Err(reason) => fatal(&reason, &manner.log_prefix),
    }
}

/// Starts the lookup and runs it until a signal ends it.
fn run(settings: Lookup, manner: &Manner, talkative: bool) -> ExitCode {
    let prefix = &manner.log_prefix;
    // There is one log, and it lasts as long as the process.
    let format = Format::Nsqd(Box::leak(prefix.clone().into_boxed_str()));
    let options = Options { verbosity: verbosity(manner.log_level), format, ..Options::default() };
    let log = match options.open().and_then(|opened| opened.install()) {
        Ok(log) => log,
        Err(error) => return end(Exit::Fatal(error.to_string()), prefix),
    };
    let started = configuration(settings).map_err(StartError::Other).and_then(|config| {
        let control = Control::prepare()?;
        Ok((control, start::start(&config, None)?))
    });
    let (control, running) = match started {
        Ok(started) => started,
        Err(error) => return fatal(&error.nsqd(&GoValues::new()), prefix),
    };
    for listening in running.listening.iter().filter(|_| talkative) {
        let name = listening.what.strip_prefix("lookup, ").unwrap_or(&listening.what);
        eprintln!("{}", logged(prefix, "INFO", &format!("{name}: listening on {}", listening.address)));
    }
    let manners = Manners { service: (NAME, config::nsqd::VERSION), interrupted: 0, nutcracker: false };
    let code = control.run(running, &manners, &log);
    log.flush(Duration::from_secs(2));
    code
}

/// The lookup alone, and the admin port if the environment asks for one.
fn configuration(settings: Lookup) -> Result<Config, String> {
    let admin = environment::admin()?;
    Ok(Config {
        pools: Vec::new(),
        stats: None,
        admin,
        queue: None,
        lookup: Some(settings),
        ..native::default(1)
    })
}

fn fatal(reason: &str, prefix: &str) -> ExitCode {
    end(Exit::Fatal(format!("failed to instantiate {NAME} - {reason}")), prefix)
}
