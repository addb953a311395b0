//! Runs other programs, with their output shown or captured, under a time limit.
//!
//! Each program gets its own process group, so that its children end with it at the time limit.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Reason a chore failed, as text for people.
pub type Fault = String;

/// A program that has ended.
pub struct Ended {
    /// Standard output, including standard error if requested.
    pub output: String,
    /// Exit status.
    pub status: ExitStatus,
}

/// Runs `command` and shows its output as it arrives.
pub fn shown(command: &mut Command, limit: Duration) -> Result<(), Fault> {
    let status = wait(start(command)?, limit).map_err(|why| format!("{}: {why}", name(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", name(command))) }
}

/// Runs `command` and captures its standard output; standard error is shown as it arrives.
pub fn taken(command: &mut Command, limit: Duration) -> Result<Ended, Fault> {
    let mut child = start(command.stdout(Stdio::piped()))?;
    let mut pipe = child.stdout.take().expect("standard output is piped");
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).map(|_| String::from_utf8_lossy(&bytes).into_owned())
    });
    let status = wait(child, limit).map_err(|why| format!("{}: {why}", name(command)))?;
    let output = reader.join().expect("the reader does not panic").map_err(|e| e.to_string())?;
    Ok(Ended { output, status })
}

/// Standard output of a program that must succeed.
pub fn output(command: &mut Command, limit: Duration) -> Result<String, Fault> {
    let ended = taken(command, limit)?;
    if ended.status.success() {
        Ok(ended.output)
    } else {
        Err(format!("{}: {}", name(command), ended.status))
    }
}

/// Runs `play` on every item, at most `at_a_time` of them at once; the results are in the order of the items.
pub fn side_by_side<'a, T: Sync, R: Send>(
    items: &'a [T],
    at_a_time: usize,
    play: impl Fn(&'a T) -> R + Sync,
) -> Vec<R> {
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..at_a_time.min(items.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { return };
                    let result = play(item);
                    results.lock().expect("no other panic").push((at, result));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("no panic");
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

/// True if a program of that name is on the path or in Debian's directories for daemons.
pub fn is_installed(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':').chain(["/usr/sbin", "/sbin"]).any(|dir| std::path::Path::new(dir).join(program).is_file())
}

/// False if `NUTHATCH_NO_INSTALL` forbids installing missing programs.
pub fn may_install() -> bool {
    std::env::var_os("NUTHATCH_NO_INSTALL").is_none_or(|value| value == "0" || value.is_empty())
}

fn start(command: &mut Command) -> Result<Child, Fault> {
    command.stdin(Stdio::null()).process_group(0).spawn().map_err(|e| format!("{}: {e}", name(command)))
}

fn wait(mut child: Child, limit: Duration) -> Result<ExitStatus, Fault> {
    let end = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if Instant::now() >= end => {
                // The group has the id of its first process.
                let group = format!("-{}", child.id());
                let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
                let _ = child.wait();
                return Err(format!("did not end within {} s", limit.as_secs()));
            }
            Ok(None) => thread::sleep(Duration::from_millis(20)),
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn name(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_secs(20);

    #[test]
    fn output_is_taken_and_status_told() {
        assert_eq!(output(Command::new("echo").arg("a b"), SHORT).unwrap(), "a b\n");
        assert!(output(&mut Command::new("false"), SHORT).unwrap_err().starts_with("false: "));
        assert!(shown(&mut Command::new("/no/such/program"), SHORT).is_err());
    }

    #[test]
    fn what_a_program_started_ends_with_it() {
        // Standard output stays open until the inner sleep ends, so this returns in time only if the group
        // was killed.
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & sleep 600"]);
        let fault = output(&mut command, Duration::from_millis(100)).unwrap_err();
        assert!(fault.contains("did not end within"), "{fault}");
    }

    #[test]
    fn side_by_side_keeps_the_order() {
        let items: Vec<u64> = (0..20).collect();
        let waits = |n: &u64| {
            thread::sleep(Duration::from_millis(20 - n));
            *n
        };
        assert_eq!(side_by_side(&items, 4, waits), items);
        assert!(side_by_side(&[0u64; 0], 4, waits).is_empty());
    }

    #[test]
    fn programs_are_found() {
        assert!(is_installed("sh"));
        assert!(!is_installed("no-such-program"));
    }
}
