//! A toy.
//!
//! It says so.

use std::process::ExitCode;

/// Runs it.
pub fn main(arguments: Vec<String>) -> ExitCode {
    println!("toy {}", arguments.len());
    ExitCode::SUCCESS
}
