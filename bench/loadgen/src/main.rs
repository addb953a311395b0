//! Load for the benches.
//!
//! Opens many connections from one thread and keeps a pipeline full on each: it sends `--pipeline` requests
//! in one write, waits for all their replies, and sends the next. With `--burst` every connection waits until
//! all have their replies, so that requests reach the proxy in bursts. Every reply is scanned to its end and
//! its kind is checked; anything but the reply that the operation asks for counts as an error.
//!
//! Prints one JSON object: requests, errors, seconds, requests per second, p50 and p99 in microseconds.

#![forbid(unsafe_code)]

mod load;
mod options;
mod reply;
mod request;

use std::process::ExitCode;

use clap::Parser;
use options::Options;

fn main() -> ExitCode {
    let options = Options::parse();
    match load::run(&options) {
        Ok(result) => {
            println!("{result}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("loadgen: {error}");
            ExitCode::FAILURE
        }
    }
}
