//! `nuthatch reload`: makes a running process read its configuration again, and prints what has changed.
//!
//! It queries the admin port, which only answers this machine; with `--pid` it sends SIGUSR1,
//! subject to the system's permissions.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use admin::reload::Outcome;
use clap::Args;
use rustix::process::Signal;

use super::lines;
use crate::admin_client::AdminAddress;
use crate::outcome::Deed;
use crate::running_process::{self, RunningProcess};
use crate::stdout::show;

/// Time limit for a reload: reading the file, resolving names, the acknowledgement of each shard.
const PATIENCE: Duration = Duration::from_mins(2);

/// Options of the command.
#[derive(Debug, Args)]
pub struct Reload {
    /// Only print what would change; needs the admin port
    #[arg(long, conflicts_with_all = ["pid", "pid_file"])]
    dry_run: bool,
    #[command(flatten)]
    process: RunningProcess,
}

/// Runs the command.
pub fn main(options: &Reload) -> ExitCode {
    match run(options) {
        Ok(done) => {
            show(format_args!("{done}\n"));
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("nuthatch: not reloaded: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Reload) -> Result<String, String> {
    match options.process.given_id()? {
        Some(process) => running_process::ask(process, Signal::USR1, Deed::Reload),
        None => lines(&ask(options.process.admin(), options.dry_run)?),
    }
}

/// Changes that a reload would make, from the configuration in force in the process behind this admin port to
/// its file, which must be `file`.
///
/// # Errors
/// There is no answer, or a fault, or the process reads another file.
pub fn changes(address: &AdminAddress, file: &Path) -> Result<String, String> {
    let outcome = ask(address, true)?;
    let own = outcome.file.as_deref().map(Path::new);
    let full = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if outcome.ok && own.map(full) != Some(full(file)) {
        let own = own.map_or("no file".into(), |own| own.display().to_string());
        return Err(format!("the process at {} reads {own}, not {}", address.shown(), file.display()));
    }
    lines(&outcome)
}

/// The outcome as the admin port reports it.
fn ask(address: &AdminAddress, dry_run: bool) -> Result<Outcome, String> {
    let path = if dry_run { "/api/reload?dry_run=true" } else { "/api/reload" };
    let answer = address.request("POST", path, PATIENCE)?;
    serde_json::from_str(&answer.body).map_err(|_| {
        format!(
            "{} answers with status {} and no outcome: it is not an admin port of this version",
            address.shown(),
            answer.code
        )
    })
}
