//! `nuthatch-fuzz [--seconds S] [--from ROUND] [--jobs N] [--save DIRECTORY] [TARGET]...`: plays rounds of
//! the targets named, or of all.
//!
//! ```text
//! --list                    names them
//! --replay TARGET FILE      gives a saved input to a target
//! --round TARGET ROUND      writes the input of a round to standard output
//! --play TARGET ROUND MS [TRACE]   (for the supervisor) plays in this process; each round is written to TRACE first
//! ```

#![forbid(unsafe_code)]

use std::io::Write;
use std::os::unix::fs::FileExt;
use std::process::ExitCode;
use std::time::Duration;

use nuthatch_fuzz::rounds::{self, Corpus};
use nuthatch_fuzz::supervise::{self, Plan};
use nuthatch_fuzz::{TARGETS, Target, target};

const USAGE: &str =
    "usage: nuthatch-fuzz [--seconds S] [--from ROUND] [--jobs N] [--save DIRECTORY] [TARGET]...
       nuthatch-fuzz --list | --replay TARGET FILE | --round TARGET ROUND";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["--list"] => {
            for target in TARGETS {
                println!("{:<18} {}", target.name, target.what);
            }
            Ok(true)
        }
        ["--replay", name, file] => replay(name, file),
        ["--round", name, round] => show(name, round),
        ["--play", name, round, time, trace @ ..] => play(name, round, time, trace.first().copied()),
        options => plan(options).and_then(|plan| supervise::run(&plan)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

fn known(name: &str) -> Result<&'static Target, String> {
    target(name).ok_or_else(|| format!("no target {name}; --list names them"))
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is no number\n{USAGE}"))
}

fn replay(name: &str, file: &str) -> Result<bool, String> {
    let input = std::fs::read(file).map_err(|e| format!("{file}: {e}"))?;
    (known(name)?.body)(&input);
    println!("{name}: held");
    Ok(true)
}

fn show(name: &str, round: &str) -> Result<bool, String> {
    let input = Corpus::of(known(name)?).input(number(round)?);
    std::io::stdout().write_all(&input).map_err(|e| e.to_string())?;
    Ok(true)
}

fn play(name: &str, round: &str, time: &str, trace: Option<&str>) -> Result<bool, String> {
    let trace = trace.map(std::fs::File::create).transpose().map_err(|e| e.to_string())?;
    let note = |round: u64| {
        if let Some(file) = &trace {
            let _ = file.write_all_at(&round.to_le_bytes(), 0);
        }
    };
    println!("{}", rounds::play(known(name)?, number(round)?, Duration::from_millis(number(time)?), note));
    Ok(true)
}

fn plan(options: &[&str]) -> Result<Plan, String> {
    let mut plan = Plan::default();
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        let mut value = || rest.next().copied().ok_or_else(|| USAGE.to_owned());
        match *option {
            "--seconds" => plan.seconds = number(value()?)?,
            "--from" => plan.first = number(value()?)?,
            "--jobs" => plan.jobs = number(value()?)?.max(1) as usize,
            "--save" => plan.save = value()?.into(),
            name if !name.starts_with('-') => plan.targets.push(known(name)?),
            _ => return Err(USAGE.to_owned()),
        }
    }
    if plan.targets.is_empty() {
        plan.targets = TARGETS.iter().collect();
    }
    Ok(plan)
}
