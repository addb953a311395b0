//! `nuthatch reload`: has a running process read its configuration again, and prints what has changed.
//!
//! It asks the admin port, which answers this machine only; with `--pid` it sends SIGUSR1, as whoever may send a signal may.

use std::process::ExitCode;
use std::time::Duration;

use admin::reload::Outcome;
use clap::Args;
use rustix::process::Signal;

use super::lines;
use crate::outcome::Deed;
use crate::running_process::{self, RunningProcess};
use crate::stdout::show;

/// Time a reload may take: reading the file, names that are resolved, each shard's acknowledgement.
const PATIENCE: Duration = Duration::from_secs(120);

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
        None => lines(&asked(&options.process, options.dry_run)?),
    }
}

/// The outcome as the admin port tells it.
fn asked(process: &RunningProcess, dry_run: bool) -> Result<Outcome, String> {
    let address = process.admin();
    let path = if dry_run { "/api/reload?dry_run=true" } else { "/api/reload" };
    let answer = address.request("POST", path, PATIENCE)?;
    serde_json::from_str(&answer.body).map_err(|_| {
        format!(
            "{} answers with status {} and no outcome: it is no admin port of this version",
            address.shown(),
            answer.code
        )
    })
}
