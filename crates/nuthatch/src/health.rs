//! `nuthatch health`: the health reported by a running process's admin port, as an exit status. For health
//! checks of containers that have no other HTTP client.
//!
//! Exit statuses: 0 healthy; 1 not, with the reason on standard output; 2 bad command line; 3 no answer.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::admin_client::AdminAddress;
use crate::stdout::show;

/// Exit status without an answer.
const NOBODY: u8 = 3;

/// Options of the command.
#[derive(Debug, Args)]
pub struct Health {
    /// Question: does anything fail, can anything be served, does the process answer at all
    #[arg(value_enum, default_value_t = Question::Health)]
    question: Question,
    #[command(flatten)]
    admin: AdminAddress,
}

/// Questions that the admin port answers with yes or no.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Question {
    /// Nothing fails
    Health,
    /// Something can be served
    Ready,
    /// The process answers
    Live,
}

/// Runs the command.
pub fn main(options: &Health) -> ExitCode {
    let path = match options.question {
        Question::Health => "/health",
        Question::Ready => "/ready",
        Question::Live => "/live",
    };
    match options.admin.get(path) {
        Ok(answer) => {
            show(&answer.body);
            if answer.code == 200 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(reason) => {
            eprintln!("nuthatch: {reason}");
            ExitCode::from(NOBODY)
        }
    }
}
