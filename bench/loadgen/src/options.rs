//! The options of the generator: where it sends to, and the load.

use std::net::SocketAddr;

use clap::{Parser, ValueEnum};

/// Protocol of the generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    Redis,
    Memcache,
}

/// Its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Operation {
    Get,
    Set,
    /// Several keys in one request.
    Mget,
}

#[derive(Debug, Parser)]
#[command(about = "Load for the benches of nuthatch")]
pub struct Options {
    /// Address to connect to.
    #[arg(long)]
    pub target: SocketAddr,
    #[arg(long, value_enum)]
    pub protocol: Protocol,
    #[arg(long, value_enum)]
    pub operation: Operation,
    /// Connections at once.
    #[arg(long, default_value_t = 50)]
    pub connections: usize,
    /// Requests sent together on a connection.
    #[arg(long, default_value_t = 1)]
    pub pipeline: usize,
    /// Requests in all.
    #[arg(long, default_value_t = 100_000)]
    pub requests: u64,
    /// Bytes of a value.
    #[arg(long, default_value_t = 100)]
    pub value_bytes: usize,
    /// Keys that are asked for, chosen at random: key:000000000000 and so on.
    #[arg(long, default_value_t = 10_000)]
    pub keys: u64,
    /// Keys of one mget.
    #[arg(long, default_value_t = 10)]
    pub keys_per_request: usize,
    /// Seed of the choice of keys.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Send on all connections at once, when all have their replies.
    #[arg(long)]
    pub burst: bool,
}
