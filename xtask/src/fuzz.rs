//! `cargo xtask fuzz [TARGET] [SECONDS]`: plays rounds of one target or of all, on stable Rust.
//!
//! The work is done by `crates/fuzz`, built fast but with overflow checks and debug assertions. Findings go
//! to `target/fuzz-findings`. Other arguments (`--replay`, `--round`, `--from`, `--list`) are passed on.

use std::time::Duration;

use crate::run::{self, Fault};
use crate::workspace::{Metadata, cargo};

/// Longest run.
const LIMIT: Duration = Duration::from_hours(24);

/// Build of the player.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// With every check; needs a separate build.
    Checked,
    /// As the release binary, whose dependencies are already built.
    Release,
}

/// Runs the player with the arguments of the command line.
pub fn run(words: &[&str]) -> Result<(), Fault> {
    play(Build::Checked, &arguments(words))
}

/// Runs the player with these arguments.
pub fn play(build: Build, arguments: &[String]) -> Result<(), Fault> {
    let profile = if build == Build::Checked { "fuzz" } else { "release" };
    let save = Metadata::load()?.target_directory.join("fuzz-findings");
    let mut command = cargo();
    command.args(["run", "--quiet", "--package", "nuthatch-fuzz", "--profile", profile, "--"]);
    if !arguments.iter().any(|word| ["--list", "--replay", "--round"].contains(&word.as_str())) {
        command.arg("--save").arg(save);
    }
    run::shown(command.args(arguments), LIMIT)
}

/// Converts `[TARGET] [SECONDS]` to the player's arguments; anything with an option is passed on unchanged.
fn arguments(words: &[&str]) -> Vec<String> {
    let is_seconds = |word: &str| word.parse::<u64>().is_ok();
    match words {
        [seconds] if is_seconds(seconds) => vec!["--seconds".into(), (*seconds).into()],
        [target, seconds] if is_seconds(seconds) && !target.starts_with('-') => {
            vec!["--seconds".into(), (*seconds).into(), (*target).into()]
        }
        words => words.iter().map(|word| (*word).to_owned()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_short() {
        for (words, expected) in [
            (&[][..], &[][..]),
            (&["60"], &["--seconds", "60"]),
            (&["http"], &["http"]),
            (&["http", "60"], &["--seconds", "60", "http"]),
            (&["--round", "http", "60"], &["--round", "http", "60"]),
            (&["--from", "60"], &["--from", "60"]),
        ] {
            assert_eq!(arguments(words), expected, "{words:?}");
        }
    }
}
