//! Loads on caches: their options, and running them.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use clap::{Args, ValueEnum};
use load::{Load, Operation, Outcome, Progress, Protocol};

use super::common::Common;
use super::meter::Meter;
use super::report::Report;
use crate::operator::Failure;

/// Longest time allowed for filling.
const FILL_MOST: Duration = Duration::from_mins(10);
/// Requests sent together while filling.
const FILL_PIPELINE: usize = 64;

/// Options of a load on a cache.
#[derive(Debug, Args)]
pub struct Cache {
    /// Server or proxy [default: 127.0.0.1:22121, for memcache 127.0.0.1:22122]
    #[arg(long, short = 'a', value_name = "HOST:PORT")]
    address: Option<String>,
    /// Kind of the requests
    #[arg(long, short = 'o', value_enum, default_value_t = Operation::Get)]
    operation: Operation,
    /// Write every key once before
    #[arg(long)]
    fill: bool,
    /// Connections at once
    #[arg(long, short = 'c', default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    connections: u64,
    /// Requests sent together on a connection
    #[arg(long, short = 'P', default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pipeline: u64,
    /// Requests after which it ends, if the seconds are not over before
    #[arg(long, short = 'n', value_parser = clap::value_parser!(u64).range(1..=1_000_000_000_000))]
    requests: Option<u64>,
    /// Bytes of a value
    #[arg(long, short = 'd', default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    value_bytes: u64,
    /// Keys, of which each request takes one at random
    #[arg(long, short = 'k', default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    keys: u64,
    /// Keys of one mget
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    keys_per_request: u64,
    /// Send on all connections at once, when all have their replies
    #[arg(long)]
    burst: bool,
    #[command(flatten)]
    common: Common,
}

impl Cache {
    pub(super) fn common(&self) -> Common {
        self.common
    }

    /// Fills the cache if that is wanted, then runs the load.
    pub(super) fn run(&self, protocol: Protocol) -> Result<Vec<Report>, Failure> {
        let (address, target) = self.target(protocol)?;
        let load = self.load(protocol, target);
        if self.fill {
            let outcome = watched(&filling(&load), "keys written", &address)?;
            if outcome.errors > 0 {
                return Err(Failure::refused(format!(
                    "{address} does not take all keys: {} errors",
                    outcome.errors
                )));
            }
        }
        let Outcome { requests, errors, time, latency } = watched(&load, "requests", &address)?;
        let name = |value: &dyn Fn() -> Option<clap::builder::PossibleValue>| {
            value().map(|value| value.get_name().to_owned()).unwrap_or_default()
        };
        let title = format!(
            "{} {} at {address}: {} connections, pipeline {}, {} keys, values of {} bytes",
            name(&|| protocol.to_possible_value()),
            name(&|| self.operation.to_possible_value()),
            self.connections,
            self.pipeline,
            self.keys,
            self.value_bytes,
        );
        Ok(vec![Report { title, what: "requests", count: requests, errors, time, latency }])
    }

    fn target(&self, protocol: Protocol) -> Result<(String, SocketAddr), Failure> {
        let default = if protocol == Protocol::Redis { "127.0.0.1:22121" } else { "127.0.0.1:22122" };
        let address = self.address.clone().unwrap_or_else(|| default.to_owned());
        let mut found = address
            .to_socket_addrs()
            .map_err(|error| Failure::refused(format!("{address} is no address of a server: {error}")))?;
        let target = found.next().ok_or_else(|| Failure::refused(format!("{address} has no address")))?;
        Ok((address, target))
    }

    fn load(&self, protocol: Protocol, target: SocketAddr) -> Load {
        Load {
            target,
            protocol,
            operation: self.operation,
            connections: self.connections as usize,
            pipeline: self.pipeline as usize,
            requests: self.requests.unwrap_or(u64::MAX),
            time: Some(self.common.time()),
            value_bytes: self.value_bytes as usize,
            keys: self.keys,
            keys_per_request: self.keys_per_request as usize,
            seed: Some(1),
            burst: self.burst,
        }
    }
}

/// The load that writes every key of `load` once.
fn filling(load: &Load) -> Load {
    Load {
        operation: Operation::Set,
        pipeline: FILL_PIPELINE,
        requests: load.keys,
        time: Some(FILL_MOST),
        seed: None,
        burst: false,
        ..load.clone()
    }
}

fn watched(load: &Load, what: &str, address: &str) -> Result<Outcome, Failure> {
    let mut meter = Meter::default();
    let most = load.time.unwrap_or_default();
    let outcome =
        load::run(load, &mut |Progress { requests, time, .. }| meter.show(what, requests, time, most));
    Meter::end();
    outcome.map_err(|error| Failure::refused(format!("no load on {address}: {error}")))
}
