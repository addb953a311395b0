//! Packages: linter results, and behaviour on a separate machine. Also the pages of the documentation,
//! followed step by step.
//!
//! The Debian package is made of the release binary. The static one is built without optimisation, which
//! would take minutes more: what is tested is that it needs nothing of the system below it.
//!
//! `tests/packages` and `tests/pages` have the scripts. Lines after `SKIPPED:` name steps that did not run;
//! they are reported at the end.

use std::path::Path;

use super::context::{Context, Outcome, minutes};
use crate::package::{self, Place};
use crate::run::{self, Fault};

/// Builds the packages and the context of the image, and runs every script.
pub fn run(context: &Context) -> Result<Outcome, Fault> {
    for program in ["dpkg-deb", "dpkg-shlibdeps", "xz", "python3"] {
        if !run::is_installed(program) {
            return Ok(Outcome::Skipped(format!("{program} is not installed")));
        }
    }
    if let Err(why) = package::cargo_deb(&context.target) {
        return Ok(Outcome::Skipped(why));
    }
    let place = Place { target: context.target.clone(), profile: "release".into() };
    let deb = package::deb(&place)?;
    package::add_musl_target();
    let place = Place { profile: "quick".into(), ..place };
    let static_binary = package::static_binary(&place)?;

    let mut skipped = Vec::new();
    if static_binary.libc != "musl" {
        skipped.push("the static binary has glibc in it: no musl-gcc, or no target for musl".to_owned());
    }
    let (archive, image) = (static_binary.archive, place.output());
    let scripts = [
        ("lint.py", &deb),
        ("deb.py", &deb),
        ("systemd.py", &deb),
        ("static.py", &archive),
        ("image.py", &image),
    ];
    for (script, argument) in scripts {
        skipped.extend(script_run(context, &format!("tests/packages/{script}"), Some(argument))?);
    }
    Ok(if skipped.is_empty() { Outcome::Passed } else { Outcome::Partly(skipped.join("; ")) })
}

/// Follows every page of the documentation.
pub fn pages(context: &Context) -> Result<Outcome, Fault> {
    if !run::is_installed("python3") {
        return Ok(Outcome::Skipped("python3 is not installed".into()));
    }
    let skipped = script_run(context, "tests/pages/pages.py", None)?;
    Ok(if skipped.is_empty() { Outcome::Passed } else { Outcome::Partly(skipped.join("; ")) })
}

/// Runs a script; returns the steps it skipped.
fn script_run(context: &Context, script: &str, argument: Option<&Path>) -> Result<Vec<String>, Fault> {
    println!("-- {script}");
    let mut command = context.python();
    command.arg(script).args(argument);
    let ended = run::taken(&mut command, minutes(5))?;
    print!("{}", ended.output);
    if !ended.status.success() {
        return Err(format!("{script}: {}", ended.status));
    }
    let reasons = ended.output.lines().filter_map(|line| line.strip_prefix("SKIPPED: "));
    Ok(reasons.map(str::to_owned).collect())
}
