//! Real clients against real servers, through the release binary: those in Python and JavaScript under
//! pytest, and the crates `tokio-nsq` and `redis`.
//!
//! The tests of the crates are a separate project (`tests/integration/rust_clients`), because of its
//! dependencies. They are fetched if permitted; without them those tests are skipped, and the suite passes
//! only in part.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::context::{Context, Outcome, minutes};
use crate::run::{self, Fault};
use crate::workspace::cargo;

/// Runs both parts, the second even if the first fails.
pub fn run(context: &Context) -> Result<Outcome, Fault> {
    let parts = [("pytest", pytest(context)), ("crates", crates(context))];
    let mut faults = Vec::new();
    let mut skipped = Vec::new();
    for (name, outcome) in parts {
        match outcome {
            Ok(Outcome::Passed) => println!("-- {name}: passed"),
            Ok(Outcome::Partly(why) | Outcome::Skipped(why)) => {
                println!("-- {name}: SKIPPED: {why}");
                skipped.push(format!("{name} ({why})"));
            }
            Err(fault) => faults.push(fault),
        }
    }
    match (faults.is_empty(), skipped.len()) {
        (false, _) => Err(faults.join("; ")),
        (true, 0) => Ok(Outcome::Passed),
        (true, 1) => Ok(Outcome::Partly(skipped.join(", "))),
        (true, _) => Ok(Outcome::Skipped(skipped.join(", "))),
    }
}

/// Tests that run at a time: they wait for servers most of the time.
const AT_A_TIME: usize = 3;

/// Status of pytest for a file that was skipped as a whole.
const NOTHING_TO_RUN: i32 = 5;

/// Runs the files of tests side by side, each with servers of its own.
fn pytest(context: &Context) -> Result<Outcome, Fault> {
    if let Some(why) = &context.tools.no_pytest {
        return Ok(Outcome::Skipped(why.clone()));
    }
    let play = |file: &PathBuf| {
        let mut pytest = context.python();
        // -rs: show why each skipped test was skipped.
        pytest.args(["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"]).arg(file);
        let start = Instant::now();
        let ended = run::taken(&mut pytest, minutes(15))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        print!("-- {name}: {} s\n{}", start.elapsed().as_secs(), ended.output);
        let is_well = ended.status.success() || ended.status.code() == Some(NOTHING_TO_RUN);
        if is_well { Ok(()) } else { Err(format!("{name}: {}", ended.status)) }
    };
    let files = files(&context.root.join("tests/integration"));
    let faults: Vec<Fault> =
        run::side_by_side(&files, AT_A_TIME, play).into_iter().filter_map(Result::err).collect();
    if faults.is_empty() { Ok(Outcome::Passed) } else { Err(faults.join("; ")) }
}

/// The files of tests, in order.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_test = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("test_") && name.ends_with(".py")
    };
    let mut files: Vec<PathBuf> = entries.filter(is_test).collect();
    files.sort();
    files
}

fn crates(context: &Context) -> Result<Outcome, Fault> {
    if !run::is_installed("openssl") {
        return Ok(Outcome::Skipped("openssl is not installed".into()));
    }
    let chore = |words: &[&str]| -> Command {
        let mut command = cargo();
        command.args(words).args([
            "--locked",
            "--manifest-path",
            "tests/integration/rust_clients/Cargo.toml",
        ]);
        if !context.tools.may_install {
            command.arg("--offline");
        }
        command
    };
    if let Err(fault) = run::shown(&mut chore(&["fetch"]), minutes(5)) {
        return Ok(Outcome::Skipped(format!("its crates cannot be fetched: {fault}")));
    }
    let mut test = chore(&["test", "--quiet"]);
    test.arg("--target-dir").arg(context.target.join("test-rust-clients"));
    test.env("NUTHATCH_BIN", context.binary());
    run::shown(&mut test, minutes(15)).map(|()| Outcome::Passed)
}
