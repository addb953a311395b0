//! Real clients against real servers, through the release binary: those in Python and JavaScript under
//! pytest, and the `tokio-nsq` crate.
//!
//! The crate's test is a separate project (`tests/integration/tokio_nsq`), because of its dependencies. They
//! are fetched if permitted; without them the test is skipped, and the suite passes only in part.

use std::process::Command;

use super::context::{Context, Outcome, minutes};
use crate::run::{self, Fault};
use crate::workspace::cargo;

/// Runs both parts, the second even if the first fails.
pub fn run(context: &Context) -> Result<Outcome, Fault> {
    let parts = [("pytest", pytest(context)), ("tokio-nsq", tokio_nsq(context))];
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

fn pytest(context: &Context) -> Result<Outcome, Fault> {
    if let Some(why) = &context.tools.no_pytest {
        return Ok(Outcome::Skipped(why.clone()));
    }
    let mut pytest = context.python();
    // -rs: show why each skipped test was skipped.
    pytest.args(["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "tests/integration"]);
    run::shown(&mut pytest, minutes(15)).map(|()| Outcome::Passed)
}

fn tokio_nsq(context: &Context) -> Result<Outcome, Fault> {
    if !run::is_installed("openssl") {
        return Ok(Outcome::Skipped("openssl is not installed".into()));
    }
    let chore = |words: &[&str]| -> Command {
        let mut command = cargo();
        command.args(words).args(["--locked", "--manifest-path", "tests/integration/tokio_nsq/Cargo.toml"]);
        if !context.tools.may_install {
            command.arg("--offline");
        }
        command
    };
    if let Err(fault) = run::shown(&mut chore(&["fetch"]), minutes(5)) {
        return Ok(Outcome::Skipped(format!("its crates cannot be fetched: {fault}")));
    }
    let mut test = chore(&["test", "--quiet"]);
    test.arg("--target-dir").arg(context.target.join("test-tokio-nsq"));
    test.env("NUTHATCH_BIN", context.binary());
    run::shown(&mut test, minutes(15)).map(|()| Outcome::Passed)
}
