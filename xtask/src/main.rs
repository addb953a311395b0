//! The project's development tasks, as `cargo xtask CHORE`.
//!
//! ```text
//! tidy   layers, unsafe code, file lengths, dependencies and licences      (seconds)
//! docs   render what is generated from code; --check only compares
//! ci     fmt, clippy, tidy, docs --check                                   (a minute)
//! test   everything: ci, cargo test, golden captures, real clients, soak   (minutes)
//! fuzz   every decoder under mutated input, for some seconds                (as long as said)
//! sim    seeds of the simulator, any number of them                         (as long as said)
//! package  the Debian package and the static binary                         (minutes)
//! bench  run the benches against the rivals; arguments go to bench/
//! ```

#![forbid(unsafe_code)]

mod run;
mod workspace;

mod tidy;

mod docs;

mod test;

mod bench;

mod package;

mod fuzz;

mod sim;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask CHORE [ARGUMENTS]

  tidy                 check layers, unsafe code, file lengths, dependencies, licences
  docs [--check]       render docs that are generated from code, or fail if one is stale
  ci                   formatting, lints, tidy, docs --check
  test [SUITE]...      the whole test run, or the suites named; --list names them
  fuzz [TARGET] [SECONDS]
                       play one fuzz target, or each, for so long (10 s); --list names them
  sim [cache|cluster|queue] [--from N] [--seeds N]
                       play seeds of the simulator (1000 from 0 on); what fails is printed with how to replay it
  package [deb|static] [--profile PROFILE]
                       build the Debian package (needs cargo-deb), the static binary and the context of its image
  bench WHAT [ARGS]    WHAT is proxy, tls, floor, placement, queue, single or instructions; bench WHAT --help tells more
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["tidy"] => tidy::run(),
        ["docs"] => docs::run(docs::Mode::Write),
        ["docs", "--check"] => docs::run(docs::Mode::Check),
        ["ci"] => test::run(&["fmt", "clippy", "tidy", "docs"]),
        ["test", suites @ ..] => test::run(suites),
        ["fuzz", words @ ..] => fuzz::run(words),
        ["sim", words @ ..] => sim::run(words),
        ["package", words @ ..] => package::run(words),
        ["bench", what, rest @ ..] => bench::run(what, rest),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{}", fault.trim_end());
            ExitCode::FAILURE
        }
    }
}
