//! `nuthatch bench`: a load on a Redis or memcached server, a proxy, or a queue, with rates, percentiles and
//! a picture of the latencies.
//!
//! Every load ends after a number of seconds or of requests. `get` and `mget` only read; `set` and `--fill`
//! write keys named `key:000000000000` and so on; queue loads publish to a topic of their own. Exit statuses:
//! 0 done; 1 the load could not run, or replies were wrong; 2 wrong command line.

mod report;
mod common;
mod meter;

mod cache;
mod queue;

use clap::Subcommand;

use crate::operator::Failure;
use crate::progress::grouped;
use report::Report;

/// Target of a load.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Load on a Redis server, or a pool of them
    Redis(cache::Cache),
    /// Load on a memcached server, or a pool of them
    Memcache(cache::Cache),
    /// Load on a queue: messages published and consumed
    Nsq(queue::Queue),
}

/// Runs the load and prints its report.
///
/// # Errors
///
/// Text for standard error, and the exit status.
pub fn run(bench: Bench) -> Result<(), Failure> {
    let (reports, common, note) = match bench {
        Bench::Redis(options) => (options.run(load::Protocol::Redis)?, options.common(), String::new()),
        Bench::Memcache(options) => (options.run(load::Protocol::Memcache)?, options.common(), String::new()),
        Bench::Nsq(options) => (options.run()?, options.common(), options.note()),
    };
    let text = if common.json {
        report::json(&reports)
    } else {
        reports.iter().map(Report::text).chain([note]).collect::<String>()
    };
    // A closed pipe is not an error.
    let _ = crate::print(text);
    match reports.iter().map(|report| report.errors).sum() {
        0 => Ok(()),
        errors => Err(Failure::refused(format!("{} replies were errors", grouped(errors)))),
    }
}
