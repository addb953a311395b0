//! Starting real servers, and seeded dice.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A server that is stopped at the end of the test, on failure too.
pub struct Server {
    child: Child,
}

impl Server {
    /// Starts a program; `set_up` tells it where to listen. None, with a message, if it is not installed.
    pub fn start(program: &str, args: &[&str], set_up: impl FnOnce(&mut Command)) -> Option<Server> {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        set_up(&mut command);
        match command.spawn() {
            Ok(child) => Some(Server { child }),
            Err(error) => {
                eprintln!("SKIPPED: {program} does not start: {error}");
                None
            }
        }
    }

    /// Reads the server's output until a line holds `text`.
    pub fn wait_for(&mut self, text: &str) {
        let stdout = self.child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn std::io::Read + Send>);
        let stderr = self.child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn std::io::Read + Send>);
        let mut lines = BufReader::new(stdout.or(stderr).expect("one of its outputs is a pipe"));
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert_ne!(lines.read_line(&mut line).expect("text"), 0, "the server ended before it was ready");
        }
        // Keep reading, so that it never blocks on its output.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The seeds to run: `SEED=n` replays one, `STREAMS=n` runs the first n, else the first `count`.
pub fn seeds(count: u64) -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("STREAMS").unwrap_or(count),
    }
}

/// A small generator (splitmix64): the same seed gives the same throws.
pub struct Dice {
    state: u64,
}

impl Dice {
    /// Creates dice from a seed.
    pub fn new(seed: u64) -> Dice {
        Dice { state: seed }
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    /// True once in `throws` throws on average.
    pub fn one_in(&mut self, throws: u64) -> bool {
        self.below(throws) == 0
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}

/// Bytes for display: text unchanged, the rest escaped, long runs cut.
pub fn printable(bytes: &[u8]) -> String {
    const SHOWN: usize = 400;
    let mut text = String::new();
    for byte in bytes.iter().take(SHOWN) {
        let _ = write!(text, "{}", byte.escape_ascii());
    }
    if bytes.len() > SHOWN {
        let _ = write!(text, "... ({} bytes)", bytes.len());
    }
    format!("\"{text}\"")
}
