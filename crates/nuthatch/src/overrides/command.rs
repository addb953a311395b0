//! `nuthatch server` and `nuthatch log-level`: make a running process eject, drain or return a server, change
//! its weight, or log more or less.
//!
//! They send requests to the admin port, which accepts changes from this machine only.

use std::process::ExitCode;
use std::time::Duration;

use admin::reload::Outcome;
use clap::{Args, Subcommand};
use wire::percent::encode_query;

use crate::admin_client::AdminAddress;
use crate::stdout::show;

/// Time limit for a change: the acknowledgement of each shard.
const PATIENCE: Duration = Duration::from_mins(1);

/// `nuthatch server`.
#[derive(Debug, Args)]
pub struct ServerCommand {
    #[command(subcommand)]
    change: Change,
}

#[derive(Debug, Subcommand)]
enum Change {
    /// Take a server out of the ring: its keys go to the others; its connections stay
    Eject(Target),
    /// Take a server out of the ring, and close its connections once they owe nothing
    Drain(Target),
    /// Take a server back into the ring, also one that has failed, without waiting for a probe
    Return(Target),
    /// Give a server another weight; without one that of the file
    Weight {
        #[command(flatten)]
        target: Target,
        /// The weight
        #[arg(value_name = "WEIGHT", value_parser = clap::value_parser!(u32).range(1..))]
        weight: Option<u32>,
    },
}

#[derive(Debug, Args)]
struct Target {
    /// Name of the pool
    #[arg(value_name = "POOL")]
    pool: String,
    /// Name of the server, as the page shows it
    #[arg(value_name = "SERVER")]
    server: String,
    #[command(flatten)]
    admin: AdminAddress,
}

/// `nuthatch log-level`.
#[derive(Debug, Args)]
pub struct LogLevelCommand {
    /// debug, info, warn, error or fatal
    #[arg(value_name = "LEVEL")]
    level: String,
    #[command(flatten)]
    admin: AdminAddress,
}

/// Runs `nuthatch server`.
pub fn server(options: &ServerCommand) -> ExitCode {
    let (change, target, weight) = match &options.change {
        Change::Eject(target) => ("eject", target, None),
        Change::Drain(target) => ("drain", target, None),
        Change::Return(target) => ("return", target, None),
        Change::Weight { target, weight } => ("weight", target, *weight),
    };
    let (pool, server) = (encode_query(target.pool.as_bytes()), encode_query(target.server.as_bytes()));
    let weight = weight.map(|weight| format!("&weight={weight}")).unwrap_or_default();
    ask(&target.admin, &format!("/api/server/{change}?pool={pool}&server={server}{weight}"))
}

/// Runs `nuthatch log-level`.
pub fn log_level(options: &LogLevelCommand) -> ExitCode {
    ask(&options.admin, &format!("/api/log/level?level={}", encode_query(options.level.as_bytes())))
}

fn ask(admin: &AdminAddress, path: &str) -> ExitCode {
    match outcome(admin, path) {
        Ok(Outcome { ok: true, changes, warnings, .. }) => {
            for warning in &warnings {
                eprintln!("nuthatch: warning: {warning}");
            }
            let lines = if changes.is_empty() { vec!["nothing changes".to_owned()] } else { changes };
            show(format_args!("{}\n", lines.join("\n")));
            ExitCode::SUCCESS
        }
        Ok(Outcome { error, .. }) => failed(&error.unwrap_or_default()),
        Err(reason) => failed(&reason),
    }
}

fn outcome(admin: &AdminAddress, path: &str) -> Result<Outcome, String> {
    let answer = admin.request("POST", path, PATIENCE)?;
    serde_json::from_str(&answer.body).map_err(|_| {
        let (address, code) = (admin.shown(), answer.code);
        format!(
            "{address} answers with status {code} and no outcome: it is not an admin port of this version"
        )
    })
}

fn failed(reason: &str) -> ExitCode {
    eprintln!("nuthatch: nothing has changed: {reason}");
    ExitCode::FAILURE
}
