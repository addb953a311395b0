//! The source of a process's configuration: each face reads its own file in its own way.

use std::sync::Arc;

use config::checked::Config;

/// A configuration that was read and checked.
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Doubts about values that are legal, a line each.
    pub warnings: Vec<String>,
}

/// Reads the configuration again, on a thread that may wait. The error is what is wrong with it, in lines.
pub type Source = Arc<dyn Fn() -> Result<Loaded, String> + Send + Sync>;

/// A configuration that cannot be read again.
pub fn none(reason: &'static str) -> Source {
    Arc::new(move || Err(reason.to_owned()))
}
