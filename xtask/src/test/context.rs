//! The context in which suites run, and their outcome.
//!
//! A suite is a function from a [`Context`] to an [`Outcome`]; its faults are texts for people.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::install::Tools;

/// Outcome of a suite that did not fail.
pub enum Outcome {
    /// All of it passed.
    Passed,
    /// Everything that ran passed; the text names what was skipped, and why.
    Partly(String),
    /// Not run, with the reason.
    Skipped(String),
}

/// Resources of suites.
pub struct Context {
    /// Root of the repository.
    pub root: PathBuf,
    /// Cargo's target directory.
    pub target: PathBuf,
    /// Servers and clients.
    pub tools: Tools,
}

impl Context {
    /// The release binary.
    pub fn binary(&self) -> PathBuf {
        self.target.join("release/nuthatch")
    }

    /// Python in the prepared environment, to run a script.
    pub fn python(&self) -> Command {
        let mut command = Command::new(&self.tools.python);
        command.current_dir(&self.root).env("NUTHATCH_BIN", self.binary()).env("PYTHONUNBUFFERED", "1");
        if let Some(modules) = &self.tools.node_modules {
            command.env("NUTHATCH_NODE_MODULES", modules);
        }
        command
    }
}

/// A time limit of `n` minutes.
pub fn minutes(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}
