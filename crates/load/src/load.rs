//! The load: its target, its requests, and its limits.

use std::net::SocketAddr;
use std::time::Duration;

use clap::ValueEnum;

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
