//! Load for the benches: the crate `load` with a command line, and its outcome as JSON.
//!
//! Prints one JSON object: requests, errors, seconds, requests per second, p50 and p99 in microseconds.

#![forbid(unsafe_code)]

mod options;

use std::process::ExitCode;

use clap::Parser;
use load::Outcome;
use options::Options;
use serde_json::json;

fn main() -> ExitCode {
    match load::run(&Options::parse().into(), &mut |_| {}) {
        Ok(Outcome { requests, errors, time, latency }) => {
            let seconds = time.as_secs_f64();
            let result = json!({
                "requests": requests,
                "errors": errors,
                "seconds": seconds,
                "requests_per_s": requests as f64 / seconds,
                "p50_us": latency.quantile(0.5),
                "p99_us": latency.quantile(0.99),
            });
            println!("{result}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("loadgen: {error}");
            ExitCode::FAILURE
        }
    }
}
