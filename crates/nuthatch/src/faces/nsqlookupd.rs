//! nsqlookupd 1.3.0: its flags, its file, its texts and exit statuses.
//!
//! 0: version, help, SIGINT, SIGTERM. 2: a bad flag. 1: any fatal error.

use std::process::ExitCode;

use config::checked::{Config, Lookup};
use config::go_flags::GoValues;
use config::native;
use config::nsqd::version_line;
use config::nsqlookupd::{self, Manner};
use telemetry::log::Verbosity;

use super::environment;
use super::nsq_daemon::{Daemon, end, logged, refuse_as};
use crate::log_level::verbosity;
use crate::reload::source::Source;

const NAME: &str = "nsqlookupd";
/// Answer to a reload request.
const NOT_AGAIN: &str = "nsqlookupd does not read its file again: start it anew";

/// Runs the face; `arguments` do not include the program's name.
pub fn main(arguments: Vec<String>) -> ExitCode {
    let values = match nsqlookupd::PROGRAM.from_arguments(&arguments) {
        Ok(values) => values,
        Err(exit) => return end(exit, "[nsqlookupd] "),
    };
    let manner = nsqlookupd::manner(&values);
    if verbosity(manner.log_level) >= Verbosity::INFO {
        eprintln!("{}", logged(&manner.log_prefix, "INFO", &version_line(NAME)));
    }
    match nsqlookupd::check(&values) {
        Ok(settings) => run(settings, &manner),
        Err(reason) => refuse_as(NAME, &reason, &manner.log_prefix),
    }
}

/// Starts the lookup and runs it until a signal.
fn run(settings: Lookup, manner: &Manner) -> ExitCode {
    let Manner { log_level: level, log_prefix: prefix } = manner;
    let daemon = Daemon {
        name: NAME,
        section: "lookup",
        prefix,
        level: *level,
        last_line: None,
        source: Source::none(NOT_AGAIN),
    };
    daemon.run(configuration(settings), None, &GoValues::new())
}

/// The lookup alone, and the admin port if the environment sets one.
fn configuration(settings: Lookup) -> Result<Config, String> {
    let admin = environment::admin()?;
    Ok(Config {
        pools: Vec::new(),
        stats: None,
        admin,
        queue: None,
        users: environment::users()?,
        lookup: Some(Lookup { snapshot: environment::lookup_snapshot(), ..settings }),
        ..native::default(1)
    })
}
