//! `tidy.toml`: permitted exceptions to the rules, with reasons.
//!
//! An exception without a reason is refused here; one that is no longer needed is reported by its check.
//! Unknown keys are refused, so that a misspelt one does not go unnoticed.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::run::Fault;

/// Content of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exceptions {
    /// Files longer than the limit: path and reason.
    #[serde(default)]
    pub long_files: BTreeMap<String, String>,
    /// Crates whose modules still name each other in a circle: name and reason.
    #[serde(default)]
    pub circles: BTreeMap<String, String>,
    /// Dependencies with a licence that is not on the list: name and reason.
    #[serde(default)]
    pub licences: BTreeMap<String, String>,
}

impl Exceptions {
    /// Reads the file. A missing file means no exceptions.
    pub fn load(path: &Path) -> Result<Exceptions, Fault> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Exceptions::default()),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        let exceptions: Exceptions = toml::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        let all = exceptions.long_files.iter().chain(&exceptions.circles).chain(&exceptions.licences);
        match all.into_iter().find(|(_, reason)| reason.trim().is_empty()) {
            Some((name, _)) => Err(format!("{}: {name} has no reason", path.display())),
            None => Ok(exceptions),
        }
    }
}
