//! Options of the generator: its target and the load.

use std::net::SocketAddr;

use clap::{Args, Parser, ValueEnum};
use load::{Load, Operation, Protocol};

#[derive(Debug, Parser)]
#[command(about = "Load for the benches of nuthatch")]
pub struct Options {
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
    #[arg(long, value_enum, default_value_t = Work::Load)]
    pub work: Work,
    #[command(flatten)]
    pub tls: Tls,
}

/// Work of the generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Work {
    /// Connections stay, and send requests.
    Load,
    /// Connections come and go, with a request each.
    Handshakes,
    /// Connections stay and send nothing.
    Idle,
}

/// TLS towards the target.
#[derive(Debug, Clone, Copy, Args)]
pub struct Tls {
    /// Speak TLS.
    #[arg(long)]
    pub tls: bool,
    /// Speak TLS 1.2, not 1.3.
    #[arg(long, requires = "tls")]
    pub tls12: bool,
    /// Resume sessions.
    #[arg(long, requires = "tls")]
    pub resume: bool,
}

impl From<Options> for Load {
    fn from(options: Options) -> Load {
        Load {
            target: options.target,
            protocol: options.protocol,
            operation: options.operation,
            connections: options.connections,
            pipeline: options.pipeline,
            requests: options.requests,
            time: None,
            value_bytes: options.value_bytes,
            keys: options.keys,
            keys_per_request: options.keys_per_request,
            seed: Some(options.seed),
            burst: options.burst,
        }
    }
}
