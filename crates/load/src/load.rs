//! The load: its target, its requests, and its limits.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// Protocol of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// RESP2
    Redis,
    /// memcached's text protocol
    Memcache,
}

/// Kind of the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Operation {
    /// Read a key
    Get,
    /// Write a key
    Set,
    /// Read several keys in one request
    Mget,
}

/// A load.
#[derive(Debug, Clone)]
pub struct Load {
    /// Address to connect to.
    pub target: SocketAddr,
    /// Protocol of the target.
    pub protocol: Protocol,
    /// Kind of the requests.
    pub operation: Operation,
    /// Connections at once.
    pub connections: usize,
    /// Requests sent together on a connection.
    pub pipeline: usize,
    /// Requests in total.
    pub requests: u64,
    /// Time after which no more requests are sent. None: no limit.
    pub time: Option<Duration>,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Number of keys requested: `key:000000000000` and so on.
    pub keys: u64,
    /// Keys of one mget.
    pub keys_per_request: usize,
    /// Seed for random keys. None: keys in order.
    pub seed: Option<u64>,
    /// Send on all connections at once, after all have their replies.
    pub burst: bool,
}

/// Options of a command line: what is asked of which target.
#[derive(Debug, Clone, Copy, Args)]
pub struct Traffic {
    /// Address to connect to.
    #[arg(long)]
    pub target: SocketAddr,
    /// Protocol of the target.
    #[arg(long, value_enum, default_value_t = Protocol::Redis)]
    pub protocol: Protocol,
    /// Kind of the requests.
    #[arg(long, value_enum, default_value_t = Operation::Get)]
    pub operation: Operation,
    /// Connections at once.
    #[arg(long, default_value_t = 50)]
    pub connections: usize,
    /// Bytes of a value.
    #[arg(long, default_value_t = 100)]
    pub value_bytes: usize,
    /// Keys that are asked for, chosen at random: key:000000000000 and so on.
    #[arg(long, default_value_t = 10_000)]
    pub keys: u64,
    /// Keys of one mget.
    #[arg(long, default_value_t = 10)]
    pub keys_per_request: usize,
}

impl Traffic {
    /// A load without end, a request at a time on each connection.
    pub fn load(self) -> Load {
        let Traffic { target, protocol, operation, connections, value_bytes, keys, keys_per_request } = self;
        Load {
            target,
            protocol,
            operation,
            connections,
            pipeline: 1,
            requests: u64::MAX,
            time: None,
            value_bytes,
            keys,
            keys_per_request,
            seed: Some(1),
            burst: false,
        }
    }
}
