//! Cargo's metadata of the workspace, and the location of its files.
//!
//! Only the fields of `cargo metadata` that the chores need are read; facts about manifests come from there,
//! not from parsing them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use crate::run::{self, Fault};

/// Root of the repository in which cargo runs this.
///
/// The path at compile time may be that of another checkout when several share a target directory, since
/// cargo considers an xtask that is older than its sources up to date.
pub fn root() -> PathBuf {
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&xtask).parent().expect("xtask is a directory of the root").to_owned()
}

/// The `cargo` that runs this, with the root as its working directory.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    command.current_dir(root());
    command
}

/// Members and all their dependencies, as `cargo metadata` reports them.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    /// Every package of the resolved graph.
    pub packages: Vec<Package>,
    /// Ids of the members.
    pub workspace_members: Vec<String>,
    /// Cargo's target directory.
    pub target_directory: PathBuf,
}

/// One package.
#[derive(Debug, Deserialize)]
pub struct Package {
    /// Unique id.
    pub id: String,
    /// Name as published.
    pub name: String,
    /// Version.
    pub version: String,
    /// SPDX expression.
    pub license: Option<String>,
    /// Path of its Cargo.toml.
    pub manifest_path: PathBuf,
    /// Dependencies in its manifest.
    pub dependencies: Vec<Dependency>,
    /// Targets it builds.
    pub targets: Vec<Target>,
}

/// A dependency in a manifest.
#[derive(Debug, Deserialize)]
pub struct Dependency {
    /// Package name.
    pub name: String,
    /// None, "dev" or "build".
    pub kind: Option<String>,
    /// Directory of one of our own crates.
    pub path: Option<PathBuf>,
}

/// A build target of a package.
#[derive(Debug, Deserialize)]
pub struct Target {
    /// Name.
    pub name: String,
    /// "lib", "bin", "example", …
    pub kind: Vec<String>,
}

impl Metadata {
    /// Runs `cargo metadata`.
    pub fn load() -> Result<Metadata, Fault> {
        let text = run::output(cargo().args(["metadata", "--format-version", "1"]), Duration::from_mins(5))?;
        serde_json::from_str(&text).map_err(|e| format!("cargo metadata: {e}"))
    }

    /// The workspace's own packages, by name without `nuthatch-`.
    pub fn members(&self) -> BTreeMap<&str, &Package> {
        let own = self.packages.iter().filter(|package| self.workspace_members.contains(&package.id));
        own.map(|package| (short_name(&package.name), package)).collect()
    }
}

impl Package {
    /// Directory of its manifest.
    pub fn directory(&self) -> &Path {
        self.manifest_path.parent().expect("a manifest is in a directory")
    }
}

/// Crate name as used in ARCHITECTURE.md.
pub fn short_name(package: &str) -> &str {
    package.strip_prefix("nuthatch-").unwrap_or(package)
}

/// Every Rust file below `directory`, sorted.
pub fn rust_files(directory: &Path) -> Vec<PathBuf> {
    files(directory, &["rs"])
}

/// Files below `directory` with one of these extensions, sorted, without build output and installed packages.
pub fn files(directory: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(directory) else { return found };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "node_modules" {
                found.extend(files(&path, extensions));
            }
        } else if path.extension().is_some_and(|extension| extensions.iter().any(|known| extension == *known))
        {
            found.push(path);
        }
    }
    found.sort();
    found
}
