//! Options common to all loads: their time limit and the report format.

use std::time::Duration;

use clap::Args;

/// Limits and output, which all loads have.
#[derive(Debug, Clone, Copy, Args)]
pub struct Common {
    /// Seconds after which it ends, 3600 at most
    #[arg(long, short = 's', default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl Common {
    /// Time after which the load ends.
    pub(super) fn time(self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}
