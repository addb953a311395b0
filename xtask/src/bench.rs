//! `cargo xtask bench proxy|cache|tls|floor|queue|single|placement|instructions|tools|upgrade|reload|pubsub|`
//! `|cluster|engine|stateful`: builds the programs to measure, then runs a script of `bench/`.
//!
//! The harness itself is Python, standard library only: it starts rivals and servers, drives the load, reads
//! CPU time and memory from /proc, and prints tables. The load generator, where speed matters, is Rust.

use std::process::Command;
use std::time::Duration;

use crate::run::{self, Fault};
use crate::workspace::{cargo, root};

const BENCHES: [&str; 15] = [
    "proxy",
    "cache",
    "tls",
    "floor",
    "placement",
    "queue",
    "single",
    "instructions",
    "tools",
    "upgrade",
    "reload",
    "pubsub",
    "cluster",
    "engine",
    "stateful",
];

/// Longest run of a bench.
const LIMIT: Duration = Duration::from_hours(6);

/// Runs `bench/WHAT_bench.py` with the given arguments, on release builds of nuthatch and the load generator.
pub fn run(what: &str, arguments: &[&str]) -> Result<(), Fault> {
    let script = root().join("bench").join(format!("{what}_bench.py"));
    if !BENCHES.contains(&what) || !script.is_file() {
        return Err(format!("bench: no {what}; there are {}", BENCHES.join(", ")));
    }
    if !arguments.iter().any(|argument| ["--help", "-h", "--list"].contains(argument)) {
        for package in ["nuthatch", "loadgen"] {
            run::shown(cargo().args(["build", "--release", "--package", package]), Duration::from_hours(1))?;
        }
        if what == "engine" {
            let program =
                ["build", "--release", "--package", "nuthatch-engine", "--example", "jetstream_load"];
            run::shown(cargo().args(program), Duration::from_hours(1))?;
        }
    }
    run::shown(Command::new("python3").arg(script).args(arguments).current_dir(root()), LIMIT)
}
