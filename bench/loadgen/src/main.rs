//! Load for the benches.
//!
//! Opens many connections from one thread and keeps a pipeline full on each: it sends `--pipeline` requests in one
//! write, waits for all their replies, and sends the next. With `--burst` every connection waits until all have
//! their replies, so that requests reach the proxy in bursts. Every reply is scanned to its end and its kind is
//! checked; anything but the reply that the operation asks for counts as an error.
//!
//! Prints one JSON object: requests, errors, seconds, requests per second, p50 and p99 in microseconds.

#![forbid(unsafe_code)]

mod load;
mod reply;
mod request;

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

/// Protocol of the generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Protocol {
    Redis,
    Memcache,
}

/// Its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Operation {
    Get,
    Set,
    /// Several keys in one request.
    Mget,
}

#[derive(Debug, Parser)]
#[command(about = "Load for the benches of nuthatch")]
struct Options {
    /// Address to connect to.
    #[arg(long)]
    target: SocketAddr,
    #[arg(long, value_enum)]
    protocol: Protocol,
    #[arg(long, value_enum)]
    operation: Operation,
    /// Connections at once.
    #[arg(long, default_value_t = 50)]
    connections: usize,
    /// Requests sent together on a connection.
    #[arg(long, default_value_t = 1)]
    pipeline: usize,
    /// Requests in all.
    #[arg(long, default_value_t = 100_000)]
    requests: u64,
    /// Bytes of a value.
    #[arg(long, default_value_t = 100)]
    value_bytes: usize,
    /// Keys that are asked for, chosen at random: key:000000000000 and so on.
    #[arg(long, default_value_t = 10_000)]
    keys: u64,
    /// Keys of one mget.
    #[arg(long, default_value_t = 10)]
    keys_per_request: usize,
    /// Seed of the choice of keys.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Send on all connections at once, when all have their replies.
    #[arg(long)]
    burst: bool,
}

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
