//! Options of the generator: its target and the load.

use clap::{Args, Parser, ValueEnum};
use load::{Load, Traffic};

#[derive(Debug, Parser)]
#[command(about = "Load for the benches of nuthatch")]
pub struct Options {
    #[command(flatten)]
    traffic: Traffic,
    /// Requests sent together on a connection.
    #[arg(long, default_value_t = 1)]
    pipeline: usize,
    /// Requests in all.
    #[arg(long, default_value_t = 100_000)]
    requests: u64,
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
            pipeline: options.pipeline,
            requests: options.requests,
            seed: Some(options.seed),
            burst: options.burst,
            ..options.traffic.load()
        }
    }
}
