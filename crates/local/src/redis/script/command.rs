//! Commands that scripts run: `redis.call`, with Redis' rules for what a script may.

use wire::redis::command::flags::NOSCRIPT;
use wire::redis::{Command, Version, encode, lookup};

use crate::{Audience, Published, Store};

/// Steps that a command counts, beside the bytes of its words and of its reply.
pub(super) const STEPS: u64 = 20;
/// An argument that is neither string nor number.
pub(super) const NOT_A_WORD: &[u8] = b"ERR Lua redis lib command arguments must be strings or integers";

/// Messages that a script may publish, as far as somebody receives them.
const PUBLISHED_MAX: usize = 1_000;
const TOO_MANY_PUBLISHED: &[u8] = b"ERR a script publishes at most 1000 messages on the embedded cache";

/// Rules for all commands of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'a> {
    /// True for `EVAL_RO` and for scripts that say so themselves.
    pub(super) reads_only: bool,
    /// A script sees one moment.
    pub(super) now_ms: u64,
    /// Receivers of its messages.
    pub(super) audience: Audience<'a>,
}

/// Runs a command and appends its reply.
pub(super) fn execute(store: &mut Store, words: &[&[u8]], rules: Rules, version: Version, out: &mut Vec<u8>) {
    match check(words, rules) {
        Err(text) => encode::error(out, text.as_bytes()),
        Ok(()) if is_publication(words) => publish(store, words, rules, out),
        Ok(()) => {
            // What would have to wait gets the reply of one that must not.
            if store.execute_redis(words, rules.now_ms, version, out).is_some() {
                encode::null_array(out, version);
            }
        }
    }
}

fn check(words: &[&[u8]], rules: Rules<'_>) -> Result<(), String> {
    let Some(name) = words.first() else {
        return Err("ERR Please specify at least one argument for this redis lib call".to_owned());
    };
    let Some(command) = lookup(name) else {
        return Err("ERR Unknown Redis command called from script".to_owned());
    };
    let command = words.get(1).and_then(|word| command.subcommand(word)).unwrap_or(command);
    if !command.takes(words.len()) {
        return Err("ERR Wrong number of args calling Redis command from script".to_owned());
    }
    if command.flags & NOSCRIPT != 0 {
        return Err("ERR This Redis command is not allowed from script".to_owned());
    }
    if rules.reads_only && command.is_write() {
        return Err("ERR Write commands are not allowed from read-only scripts.".to_owned());
    }
    if waits(command, words) {
        return Err(format!("ERR {} command is not allowed with BLOCK option from scripts", command.name));
    }
    Ok(())
}

fn is_publication(words: &[&[u8]]) -> bool {
    let name = words.first().copied().unwrap_or_default();
    name.eq_ignore_ascii_case(b"publish") || name.eq_ignore_ascii_case(b"spublish")
}

/// `PUBLISH channel message`: for whoever takes it once the script has ended.
fn publish(store: &mut Store, words: &[&[u8]], rules: Rules<'_>, out: &mut Vec<u8>) {
    let &[name, channel, message] = words else { return };
    if store.published.len() >= PUBLISHED_MAX {
        return encode::error(out, TOO_MANY_PUBLISHED);
    }
    let is_sharded = name.len() == b"spublish".len();
    let receivers = (rules.audience.0)(is_sharded, channel);
    if receivers > 0 {
        store.published.push(Published {
            is_sharded,
            is_event: false,
            channel: channel.into(),
            message: message.into(),
        });
    }
    encode::integer(out, i64::try_from(receivers).unwrap_or(i64::MAX));
}

/// True for `XREAD` and `XREADGROUP` with `BLOCK`.
fn waits(command: &Command, words: &[&[u8]]) -> bool {
    let is = |word: &&[u8], other: &str| word.eq_ignore_ascii_case(other.as_bytes());
    let options = words.iter().take_while(|word| !is(word, "streams"));
    matches!(command.name, "xread" | "xreadgroup") && options.skip(1).any(|word| is(word, "block"))
}
