//! `cargo xtask test`: the whole test suite, with real servers and clients where they are available.
//!
//! Suites run in the order of [`SUITES`]; a failure does not stop the others, and the last lines list the
//! suites that passed, failed or were skipped, with reasons. Missing tools are installed first if that needs
//! no questions (see [`install`]); `NUTHATCH_NO_INSTALL=1` forbids it.
//!
//! Python suites get `NUTHATCH_BIN`, the release binary, and `NUTHATCH_NODE_MODULES`, the JavaScript clients.

mod context;
mod golden;
mod install;
mod integration;
mod packages;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use context::{Context, Outcome, minutes};
use install::Tools;

use crate::run::{self, Fault};
use crate::workspace::{Metadata, cargo, root};
use crate::{docs, fuzz, tidy};

struct Suite {
    name: &'static str,
    what: &'static str,
    run: fn(&Context) -> Result<Outcome, Fault>,
    /// True if it needs servers, clients and the release binary.
    is_live: bool,
}

/// Seconds that each fuzz target is played.
const FUZZ_SECONDS: u64 = 3;

const fn still(name: &'static str, what: &'static str, run: fn(&Context) -> Result<Outcome, Fault>) -> Suite {
    Suite { name, what, run, is_live: false }
}

const fn live(name: &'static str, what: &'static str, run: fn(&Context) -> Result<Outcome, Fault>) -> Suite {
    Suite { name, what, run, is_live: true }
}

const SUITES: [Suite; 15] = [
    still("fmt", "formatting", |_| passed(cargo().args(["fmt", "--all", "--check"]), minutes(5))),
    still("clippy", "lints, as errors", |_| {
        passed(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]), minutes(30))
    }),
    still("tidy", "layers, lengths, dependencies, licences", |_| tidy::run().map(|()| Outcome::Passed)),
    still("docs", "generated docs are fresh, links between items of code lead somewhere", |_| {
        docs::run(docs::Mode::Check).and_then(|()| docs::of_crates()).map(|()| Outcome::Passed)
    }),
    still("unit", "cargo test over the workspace", |_| {
        passed(cargo().args(["test", "--workspace"]), minutes(40))
    }),
    live("build", "the release binary", |_| {
        passed(cargo().args(["build", "--release", "--package", "nuthatch"]), minutes(40))
    }),
    still("fuzz", "every decoder under mutated input, short form", |_| {
        let short = ["--seconds".to_owned(), FUZZ_SECONDS.to_string()];
        fuzz::play(fuzz::Build::Release, &short).map(|()| Outcome::Passed)
    }),
    live("instructions", "instructions per request, counted by callgrind", instructions),
    live("golden", "captures from the original programs", golden::run),
    live("integration", "real servers and real clients", integration::run),
    live("pages", "documentation: commands, configurations, links, spelling", packages::pages),
    live(
        "packages",
        "the Debian package, the static binary and the image, on machines of their own",
        packages::run,
    ),
    live(
        "differential",
        "random streams and every command, through nutcracker and through nuthatch",
        |context| scripts(context, "differential", 2),
    ),
    live("soak", "faults under load, short form", |context| scripts(context, "soak", 1)),
    // Processes that start, die and recover: the disk and the clock are waited for.
    live("crash", "kill -9 under load, short form", |context| scripts(context, "crash", 3)),
];

/// Runs the named suites, or all.
pub fn run(names: &[&str]) -> Result<(), Fault> {
    if names == ["--list"] {
        for suite in &SUITES {
            println!("{:<12} {}", suite.name, suite.what);
        }
        return Ok(());
    }
    if let Some(name) = names.iter().find(|name| !SUITES.iter().any(|suite| suite.name == **name)) {
        return Err(format!("test: no suite {name}; cargo xtask test --list names them"));
    }
    let chosen: Vec<&Suite> =
        SUITES.iter().filter(|suite| names.is_empty() || names.contains(&suite.name)).collect();
    let target = Metadata::load()?.target_directory;
    let root = root();
    let tools = if chosen.iter().any(|suite| suite.is_live) {
        install::prepare(&root, &target)
    } else {
        Tools::default()
    };
    let context = Context { root, target, tools };

    let mut lines = Vec::new();
    let mut failed = Vec::new();
    let mut skipped = 0;
    for suite in chosen {
        println!("\n== {}: {}", suite.name, suite.what);
        let start = Instant::now();
        let outcome = if suite.is_live && suite.name != "build" && !context.binary().is_file() {
            Err("there is no release binary".to_owned())
        } else {
            (suite.run)(&context)
        };
        let word = match outcome {
            Ok(Outcome::Passed) => "passed".to_owned(),
            Ok(Outcome::Partly(why)) => {
                skipped += 1;
                format!("passed, but SKIPPED: {why}")
            }
            Ok(Outcome::Skipped(why)) => {
                skipped += 1;
                format!("SKIPPED: {why}")
            }
            Err(fault) => {
                failed.push(suite.name);
                format!("FAILED: {}", fault.trim_end())
            }
        };
        println!("== {}: {word}", suite.name);
        lines.push(format!("{:<12} {:>4} s  {word}", suite.name, start.elapsed().as_secs()));
    }
    println!("\n{}", lines.join("\n"));
    println!("{} suites: {} failed, {skipped} skipped in whole or in part", lines.len(), failed.len());
    for missing in &context.tools.missing {
        println!("not installed: {missing}");
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("test: failed: {}", failed.join(", "))) }
}

fn passed(command: &mut Command, limit: Duration) -> Result<Outcome, Fault> {
    run::shown(command, limit).map(|()| Outcome::Passed)
}

/// Counts instructions and compares them with the baselines in `bench/`.
fn instructions(context: &Context) -> Result<Outcome, Fault> {
    if !run::is_installed("valgrind") {
        return Ok(Outcome::Skipped("valgrind is not installed".into()));
    }
    passed(context.python().arg("bench/instructions_bench.py"), minutes(5))
}

/// Runs every script of `tests/KIND` as `SCRIPT --short`, so many of them at once; each is shown when it has
/// ended.
fn scripts(context: &Context, kind: &str, at_a_time: usize) -> Result<Outcome, Fault> {
    let directory = context.root.join("tests").join(kind);
    let found = scripts_of(&directory);
    if found.is_empty() {
        return Ok(Outcome::Skipped(format!("there is no script in tests/{kind}")));
    }
    if !run::is_installed("python3") {
        return Ok(Outcome::Skipped("python3 is not installed".into()));
    }
    let play = |script: &PathBuf| {
        let start = Instant::now();
        let ended = run::taken(context.python().arg(script).arg("--short"), minutes(10))?;
        let name = script.strip_prefix(&context.root).unwrap_or(script).display().to_string();
        print!("-- {name}: {} s\n{}", start.elapsed().as_secs(), ended.output);
        if ended.status.success() { Ok(()) } else { Err(format!("{name}: {}", ended.status)) }
    };
    let outcomes = run::side_by_side(&found, at_a_time, play);
    let faults: Vec<Fault> = outcomes.into_iter().filter_map(Result::err).collect();
    if faults.is_empty() { Ok(Outcome::Passed) } else { Err(faults.join("; ")) }
}

/// Scripts to run: `*.py` except modules for import, whose names start with an underscore or end in `lib`.
fn scripts_of(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let is_script = |path: &PathBuf| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        path.extension().is_some_and(|extension| extension == "py")
            && !stem.starts_with('_')
            && !stem.ends_with("lib")
    };
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_script).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_but_not_libraries() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b.py", "a.py", "crashlib.py", "_x.py", "c.txt"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        let names: Vec<_> = scripts_of(directory.path())
            .iter()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["a.py", "b.py"]);
        assert!(scripts_of(&directory.path().join("none")).is_empty());
    }

    #[test]
    fn an_unknown_suite_is_refused() {
        assert!(run(&["nonsense"]).unwrap_err().contains("nonsense"));
    }
}
