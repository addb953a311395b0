//! nsqadmin 1.3.0: its flags, its file, its texts and exit statuses.
//!
//! 0: version, help, SIGINT, SIGTERM. 2: a bad flag. 1: any fatal error.

use std::process::ExitCode;

use config::checked::Config;
use config::native;
use config::nsqadmin::{self, Nsqadmin};
use config::nsqd::version_line;
use telemetry::log::Verbosity;

use super::environment;
use super::nsq_daemon::{Daemon, end, logged, refuse_as};
use crate::log_level::verbosity;
use crate::nsqadmin::verify;
use crate::reload::source::Source;

const NAME: &str = "nsqadmin";
/// Answer to a reload request.
const NOT_AGAIN: &str = "nsqadmin does not read its file again: start it anew";

/// Runs the face; `arguments` do not include the program's name.
pub fn main(arguments: Vec<String>) -> ExitCode {
    let values = match nsqadmin::PROGRAM.from_arguments(&arguments) {
        Ok(values) => values,
        Err(exit) => return end(exit, "[nsqadmin] "),
    };
    let (level, prefix) = nsqadmin::logging(&values);
    let checked = nsqadmin::check_with(&values, environment::fleet_admins())
        .and_then(|settings| verify(&settings).map(|()| settings));
    let settings = match checked {
        Ok(settings) => Nsqadmin { http_names: environment::http_names(), ..settings },
        Err(reason) => return refuse_as(NAME, &reason, &prefix),
    };
    if verbosity(level) >= Verbosity::INFO {
        eprintln!("{}", logged(&prefix, "INFO", &version_line(NAME)));
    }
    match nsqadmin::listen(&values) {
        Ok(http) => {
            let daemon = Daemon {
                name: NAME,
                section: "nsqadmin",
                prefix: &prefix,
                level,
                last_line: None,
                source: Source::none(NOT_AGAIN),
            };
            daemon.run(configuration(Nsqadmin { http, ..settings }), None, &values)
        }
        Err(reason) => refuse_as(NAME, &reason, &prefix),
    }
}

/// nsqadmin alone, and the admin port if the environment sets one.
fn configuration(settings: Nsqadmin) -> Result<Config, String> {
    let admin = environment::admin()?;
    let nothing = Config { pools: Vec::new(), stats: None, queue: None, lookup: None, ..native::default(1) };
    Ok(Config { admin, users: environment::users()?, nsqadmin: Some(settings), ..nothing })
}
