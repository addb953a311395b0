//! `nuthatch health`: what the admin port says of a running process, as an exit status. For health checks of
//! containers, in which there is no other program that could ask.
//!
//! Exit statuses: 0 well; 1 not, and standard output says why; 2 the command line is wrong; 3 nobody answers.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::running_process::AdminAddress;
use crate::stdout::show;

/// Exit status if nobody answers.
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
