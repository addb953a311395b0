//! memcached on the embedded cache: the text protocol and the meta commands, as memcached 1.6.18 answers
//! them.
//!
//! One table holds the commands, the number of words on their lines, and their functions. The caller has
//! already cut the line and its data block out of the stream; malformed commands get an error, never a panic.
//! `noreply` and the meta flag `q` are honoured as in memcached: a line with a wrong number of words is
//! answered nevertheless.

#[allow(clippy::unnecessary_wraps, reason = "a table of functions: most can fail")]
mod admin;
mod arithmetic;
pub(crate) mod counters;
mod delete;
mod exptime;
mod fetch;
mod item;
mod meta;
mod number;
mod refusal;
#[allow(clippy::unnecessary_wraps, reason = "a table of functions: most can fail")]
mod request;
mod stats;
mod update;

use crate::Store;
use refusal::Refusal;
use request::{Request, Words};

pub use admin::VERSION;

/// A row of the table of commands.
struct Command {
    name: &'static str,
    /// Fewest words on the line, including the name.
    words_min: usize,
    /// Most words on the line, including the name.
    words_max: usize,
    run: fn(&mut Request<'_>) -> Result<(), Refusal>,
}

const ANY: usize = usize::MAX;

const fn row(
    name: &'static str,
    words_min: usize,
    words_max: usize,
    run: fn(&mut Request<'_>) -> Result<(), Refusal>,
) -> Command {
    Command { name, words_min, words_max, run }
}

/// Every command of the embedded cache, sorted by name.
static COMMANDS: &[Command] = &[
    row("add", 5, 6, update::add),
    row("append", 5, 6, update::append),
    row("cas", 6, 7, update::cas),
    row("decr", 3, 4, arithmetic::decr),
    row("delete", 2, 4, delete::delete),
    row("flush_all", 1, 3, admin::flush_all),
    row("gat", 2, ANY, fetch::gat),
    row("gats", 2, ANY, fetch::gats),
    row("get", 2, ANY, fetch::get),
    row("gets", 2, ANY, fetch::gets),
    row("incr", 3, 4, arithmetic::incr),
    row("ma", 2, ANY, meta::arithmetic::run),
    row("md", 2, ANY, meta::delete::run),
    row("me", 1, ANY, meta::debug::run),
    row("mg", 2, ANY, meta::get::run),
    row("mn", 1, ANY, admin::noop),
    row("ms", 2, ANY, meta::set::run),
    row("prepend", 5, 6, update::prepend),
    row("quit", 1, ANY, admin::quit),
    row("replace", 5, 6, update::replace),
    row("set", 5, 6, update::set),
    row("stats", 1, ANY, stats::run),
    row("touch", 3, 4, fetch::touch),
    row("verbosity", 2, 3, admin::verbosity),
    row("version", 1, ANY, admin::version),
];

/// Names of the commands of the embedded cache, sorted.
pub fn commands() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|command| command.name)
}

impl Store {
    /// Runs one memcached command and appends its reply; none if the command suppresses it.
    ///
    /// `line` is the command line without its line end, `data` the data block without its line end (empty for
    /// commands that have none). `now_s` is wall-clock time, seconds since 1970.
    pub fn execute_memcache(&mut self, line: &[u8], data: &[u8], now_s: u64, out: &mut Vec<u8>) {
        self.tick(now_s.saturating_mul(1000));
        let start = out.len();
        let mut request = Request { store: self, words: Words::of(line), data, now_s, out, noreply: false };
        if let Err(refusal) = run(&mut request) {
            out.truncate(start);
            out.extend_from_slice(refusal.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

fn run(request: &mut Request<'_>) -> Result<(), Refusal> {
    const UNKNOWN: Refusal = "ERROR";
    let name = request.words.get(0);
    let found =
        COMMANDS.binary_search_by(|command| command.name.as_bytes().cmp(name)).map_err(|_| UNKNOWN)?;
    let command = COMMANDS.get(found).ok_or(UNKNOWN)?;
    let words = request.words.count();
    if words < command.words_min || words > command.words_max {
        return Err(UNKNOWN);
    }
    (command.run)(request)
}

#[cfg(test)]
mod tests;
