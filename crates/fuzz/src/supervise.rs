//! Plays rounds in separate processes, so that any abnormal end is a finding: a panic, an abort, a stack
//! overflow, an endless round, or more memory than a few kilobytes of input can justify.
//!
//! After an abnormal end the same rounds are replayed with a trace, which shows the failing round; its input
//! is saved, and play continues with the next round.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::Target;
use crate::rounds::Corpus;

/// Extra time allowed to a player: reading seeds on a slow machine, and one slow round.
const GRACE: Duration = Duration::from_secs(20);
/// Address space of a player in KiB: many times what a few kilobytes of input may need.
const MEMORY_KIB: u64 = 1 << 20;
/// Findings after which a target is stopped.
const FINDINGS_MAX: usize = 3;

/// Targets to play.
#[derive(Debug, Default)]
pub struct Plan {
    /// Targets.
    pub targets: Vec<&'static Target>,
    /// Seconds per target; 0 means 10.
    pub seconds: u64,
    /// First round.
    pub first: u64,
    /// Number of concurrent players; 0 means one per processor.
    pub jobs: usize,
    /// Directory for the input of findings; the working directory if empty.
    pub save: PathBuf,
}

/// Plays the targets and reports the results; true if every guarantee held.
///
/// # Errors
///
/// A player could not be started.
pub fn run(plan: &Plan) -> Result<bool, String> {
    let jobs = match plan.jobs {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        jobs => jobs,
    };
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(target) = plan.targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = one(plan, target);
                    outcomes.lock().expect("no other panic").push(outcome);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().map_err(|e| e.to_string())?;
    let findings: usize = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().sum();
    Ok(findings == 0)
}

/// Plays one target; returns the number of findings.
fn one(plan: &Plan, target: &Target) -> Result<usize, String> {
    let time = Duration::from_secs(if plan.seconds == 0 { 10 } else { plan.seconds });
    let end = Instant::now() + time;
    let mut round = plan.first;
    let mut findings = 0;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match play(target, round, left, None)? {
            Ok(next) => {
                round = next;
                break;
            }
            Err(how) => {
                findings += 1;
                round = 1 + finding(plan, target, round, left, &how)?;
            }
        }
        if findings == FINDINGS_MAX || Instant::now() >= end {
            break;
        }
    }
    let seeds = Corpus::of(target).seed_count();
    let (name, rounds) = (target.name, round - plan.first);
    println!("{name:<18} {rounds:>9} rounds from {seeds} seeds, {findings} findings");
    Ok(findings)
}

/// Finds and reports the failing round, and saves its input.
fn finding(plan: &Plan, target: &Target, first: u64, time: Duration, how: &str) -> Result<u64, String> {
    let directory = if plan.save.as_os_str().is_empty() { Path::new(".") } else { &plan.save };
    std::fs::create_dir_all(directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    let trace = directory.join(format!("{}.trace", target.name));
    // The first run took less than `time` to get there, but tracing is slower.
    let again = play(target, first, 2 * time + GRACE, Some(&trace))?;
    let traced = std::fs::read(&trace).map_err(|e| format!("{}: {e}", trace.display()))?;
    let _ = std::fs::remove_file(&trace);
    let round = <[u8; 8]>::try_from(traced.as_slice()).map_or(first, u64::from_le_bytes);
    let how = again.err().unwrap_or_else(|| format!("{how}, but not again"));
    let file = directory.join(format!("{}-{round}.input", target.name));
    std::fs::write(&file, Corpus::of(target).input(round)).map_err(|e| format!("{}: {e}", file.display()))?;
    println!("FINDING: {} round {round}: {how}; input in {}", target.name, file.display());
    println!("  again: cargo xtask fuzz --replay {} {}", target.name, file.display());
    Ok(round)
}

/// Plays in a separate process; returns the next round, or how the process ended.
fn play(
    target: &Target,
    first: u64,
    time: Duration,
    trace: Option<&Path>,
) -> Result<Result<u64, String>, String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -v {MEMORY_KIB}; ulimit -c 0; exec \"$@\""), "sh"]).arg(program);
    command.args(["--play", target.name, &first.to_string(), &time.as_millis().to_string()]).args(trace);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let child = command.spawn().map_err(|e| format!("sh: {e}"))?;
    ended(child, time + GRACE)
}

fn ended(mut child: Child, limit: Duration) -> Result<Result<u64, String>, String> {
    let end = Instant::now() + limit;
    let status = loop {
        match child.try_wait().map_err(|e| e.to_string())? {
            Some(status) => break status,
            None if Instant::now() >= end => {
                let _ = child.kill();
                let _ = child.wait();
                return Ok(Err(format!("did not end within {} s", limit.as_secs())));
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let mut text = String::new();
    if let Some(mut pipe) = child.stdout.take() {
        std::io::Read::read_to_string(&mut pipe, &mut text).map_err(|e| e.to_string())?;
    }
    Ok(match text.trim().parse() {
        Ok(next) if status.success() => Ok(next),
        _ => Err(status.to_string()),
    })
}
