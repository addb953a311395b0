//! Source of a process's configuration: each face reads its own file in its own way.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::checked::Config;
use config::show::Basis;

/// A configuration, read and checked.
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Warnings about legal values, a line each.
    pub warnings: Vec<String>,
    /// The text behind it.
    pub basis: Basis,
}

/// Name of a file, for places in it.
pub fn short_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// The configuration source of a process.
#[derive(Clone)]
pub struct Source {
    /// The file, by its full path; None if there is none.
    pub file: Option<PathBuf>,
    read: Arc<dyn Fn() -> Result<Loaded, String> + Send + Sync>,
}

impl Source {
    /// A configuration that `read` reads, from `file` if there is one. The
    /// error lists the faults, one per line.
    pub fn new(
        file: Option<&Path>,
        read: impl Fn() -> Result<Loaded, String> + Send + Sync + 'static,
    ) -> Source {
        let file = file.map(|file| std::path::absolute(file).unwrap_or_else(|_| file.to_owned()));
        Source { file, read: Arc::new(read) }
    }

    /// A configuration that cannot be read again.
    pub fn none(reason: &'static str) -> Source {
        Source::new(None, move || Err(reason.to_owned()))
    }

    /// Reads the configuration again. May block.
    ///
    /// # Errors
    /// The faults, a line each.
    pub fn read(&self) -> Result<Loaded, String> {
        (self.read)()
    }
}
