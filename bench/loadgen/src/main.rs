//! Load for the benches: the crate `load` with a command line, and its result as JSON.
//!
//! `--work handshakes` opens a connection for each request instead; `--work idle` leaves its connections
//! idle. With `--tls` all of them speak TLS.
//!
//! Prints one JSON object: requests, errors, seconds, requests per second, p50 and p99 in microseconds.

#![forbid(unsafe_code)]

mod handshakes;
mod idle;
mod options;
mod tls;

use std::io;
use std::process::ExitCode;

use clap::Parser;
use load::{Load, Outcome, Transport};
use options::{Options, Work};
use serde_json::{Value, json};
use tls::Secure;

fn main() -> ExitCode {
    let options = Options::parse();
    let (work, tls) = (options.work, options.tls);
    let load = Load::from(options);
    let done = match work {
        Work::Load => stay(&load, tls),
        Work::Handshakes => handshakes::run(&load, tls),
        Work::Idle => idle::run(&load, tls),
    };
    match done {
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

/// Runs persistent connections, each with a full pipeline.
fn stay(load: &Load, tls: options::Tls) -> io::Result<Value> {
    let quiet = &mut |_| {};
    let Outcome { requests, errors, time, latency } = match tls::config(tls)? {
        None => load::run(load, quiet)?,
        Some(config) => {
            let open = &mut || {
                let transport: Box<dyn Transport> = Box::new(Secure::open(load.target, &config)?);
                Ok(transport)
            };
            load::run_over(load, open, quiet)?
        }
    };
    let seconds = time.as_secs_f64();
    Ok(json!({
        "requests": requests,
        "errors": errors,
        "seconds": seconds,
        "requests_per_s": requests as f64 / seconds,
        "p50_us": latency.quantile(0.5),
        "p99_us": latency.quantile(0.99),
    }))
}
