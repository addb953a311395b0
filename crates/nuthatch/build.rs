//! Passes the program the commit it is built from, if known.
//!
//! `NUTHATCH_COMMIT` in the environment wins (packagers build from archives),
//! then git; otherwise there is none.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=NUTHATCH_COMMIT");
    for name in ["HEAD", "logs/HEAD"] {
        // Cargo treats a missing file as changed.
        if let Some(path) = git(&["rev-parse", "--git-path", name]).filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let commit = std::env::var("NUTHATCH_COMMIT").ok().or_else(|| git(&["rev-parse", "--short=9", "HEAD"]));
    let version = env!("CARGO_PKG_VERSION");
    let shown = match commit.filter(|commit| !commit.is_empty()) {
        Some(commit) => format!("{version} ({commit})"),
        None => version.to_owned(),
    };
    println!("cargo::rustc-env=NUTHATCH_VERSION={shown}");
}

/// The line that git prints, if it succeeds.
fn git(arguments: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
