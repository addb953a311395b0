//! Scripts: `EVAL`, `EVALSHA`, their read-only forms, and `SCRIPT`.
//!
//! A script runs on the thread of its store, in one piece, and has limits therefore: steps, time, memory
//! (`script/budget.rs`, `script/engine.rs`). Scripts are kept by the sha of their source; at most
//! [`SCRIPTS_MAX`] of them, with [`SOURCE_BYTES_MAX`] together: the one that was not used for longest goes
//! first, and who asks for it gets `NOSCRIPT`, as after a restart of Redis.

mod bits;
mod budget;
mod command;
mod context;
mod engine;
mod json;
mod msgpack;
mod native;
mod packing;
mod pattern;
mod reply;
mod strings;
mod value;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;

use mlua::Function;
use sha1::{Digest, Sha1};
use wire::redis::encode;

use super::call::Call;
use super::fault::Fault;
use super::integer::integer;
use engine::{Engine, Run};

/// Most scripts that are kept.
pub const SCRIPTS_MAX: usize = 1_024;
/// Most bytes of source that are kept, and of one script.
pub const SOURCE_BYTES_MAX: usize = 4 << 20;

/// A script's name: the sha1 of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Name([u8; 20]);

impl Name {
    fn of(sha: &[u8; 20]) -> Name {
        Name(*sha)
    }

    /// From forty hexadecimal digits, of either case.
    fn parse(text: &[u8]) -> Option<Name> {
        let digits = std::str::from_utf8(text).ok().filter(|text| text.len() == 40)?;
        let digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(digits)?;
        let mut sha = [0; 20];
        for (at, byte) in sha.iter_mut().enumerate() {
            *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        Some(Name(sha))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The scripts of a store, and the interpreter once there is one.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    kept: HashMap<Name, Script>,
    source_bytes: usize,
    /// Counts uses, to know which one was last.
    uses: u64,
    // Last, since functions of the scripts live in it.
    engine: Option<Engine>,
}

#[derive(Debug)]
struct Script {
    function: Function,
    source_bytes: usize,
    /// It says itself that it writes nothing (`#!lua flags=no-writes`).
    reads_only: bool,
    last_use: u64,
}

impl Scripts {
    fn engine(&mut self) -> Result<&mut Engine, Fault> {
        if self.engine.is_none() {
            self.engine = Some(Engine::new().map_err(|error| Fault::Text(format!("ERR {error}")))?);
        }
        Ok(self.engine.as_mut().expect("it was made"))
    }

    /// Keeps a script; compiles it if it is new.
    fn keep(&mut self, source: &[u8]) -> Result<Name, Fault> {
        let name = Name(Sha1::digest(source).into());
        if self.kept.contains_key(&name) {
            return Ok(name);
        }
        if source.len() > SOURCE_BYTES_MAX {
            return Err(Fault::Text(format!("ERR a script has at most {SOURCE_BYTES_MAX} bytes")));
        }
        let (reads_only, body) = head(source)?;
        let function = self.engine()?.compile(&body).map_err(|message| {
            Fault::Text(format!("ERR Error compiling script (new function): {message}"))
        })?;
        while self.kept.len() >= SCRIPTS_MAX || self.source_bytes + source.len() > SOURCE_BYTES_MAX {
            let oldest = self.kept.iter().min_by_key(|(_, script)| script.last_use).map(|(name, _)| *name);
            let Some(gone) = oldest.and_then(|name| self.kept.remove(&name)) else { break };
            self.source_bytes -= gone.source_bytes;
        }
        self.uses += 1;
        self.source_bytes += source.len();
        let script = Script { function, source_bytes: source.len(), reads_only, last_use: self.uses };
        self.kept.insert(name, script);
        Ok(name)
    }
}

/// The flags of a first line such as `#!lua flags=no-writes`, and the source without it. Its line end stays,
/// so that lines keep their numbers.
fn head(source: &[u8]) -> Result<(bool, std::borrow::Cow<'_, [u8]>), Fault> {
    let Some(rest) = source.strip_prefix(b"#!") else { return Ok((false, source.into())) };
    let end = memchr::memchr(b'\n', rest).ok_or(Fault::Other("ERR Invalid script shebang"))?;
    let line = String::from_utf8_lossy(&rest[..end]);
    let mut words = line.split_ascii_whitespace();
    let engine = words.next().unwrap_or_default();
    if engine != "lua" {
        return Err(Fault::Text(format!("ERR Unexpected engine in script shebang: #!{engine}")));
    }
    let mut reads_only = false;
    for word in words {
        let Some(flags) = word.strip_prefix("flags=") else {
            return Err(Fault::Text(format!("ERR Unknown lua shebang option: {word}")));
        };
        for flag in flags.split(',').filter(|flag| !flag.is_empty()) {
            match flag {
                "no-writes" => reads_only = true,
                "allow-oom" | "allow-stale" | "no-cluster" | "allow-cross-slot-keys" => {}
                other => return Err(Fault::Text(format!("ERR Unexpected flag in script shebang: {other}"))),
            }
        }
    }
    Ok((reads_only, rest[end..].into()))
}

/// `EVAL source numkeys key … argument …`
pub(super) fn eval(call: &mut Call<'_>) -> Result<(), Fault> {
    run(call, false, Scripts::keep)
}

/// `EVAL_RO source numkeys key … argument …`
pub(super) fn eval_ro(call: &mut Call<'_>) -> Result<(), Fault> {
    run(call, true, Scripts::keep)
}

/// `EVALSHA sha numkeys key … argument …`
pub(super) fn evalsha(call: &mut Call<'_>) -> Result<(), Fault> {
    run(call, false, |_, sha| Name::parse(sha).ok_or(NO_SCRIPT))
}

/// `EVALSHA_RO sha numkeys key … argument …`
pub(super) fn evalsha_ro(call: &mut Call<'_>) -> Result<(), Fault> {
    run(call, true, |_, sha| Name::parse(sha).ok_or(NO_SCRIPT))
}

const NO_SCRIPT: Fault = Fault::Other("NOSCRIPT No matching script. Please use EVAL.");

fn run(
    call: &mut Call<'_>,
    reads_only: bool,
    find: impl FnOnce(&mut Scripts, &[u8]) -> Result<Name, Fault>,
) -> Result<(), Fault> {
    let keys = integer(call.arg(2))?;
    let words = call.args.get(3..).unwrap_or_default();
    let keys = usize::try_from(keys).map_err(|_| Fault::Other("ERR Number of keys can't be negative"))?;
    let (keys, arguments) = words.split_at_checked(keys).ok_or(Fault::NUMKEYS_ARGS)?;
    // Out of the store while it runs: a script changes the store, and runs no script.
    let mut scripts = std::mem::take(&mut call.store.scripts).unwrap_or_default();
    let found = find(&mut scripts, call.arg(1)).and_then(|name| {
        let Scripts { kept, uses, engine, .. } = &mut *scripts;
        let (Some(script), Some(engine)) = (kept.get_mut(&name), engine) else { return Err(NO_SCRIPT) };
        *uses += 1;
        script.last_use = *uses;
        let run = Run {
            function: &script.function,
            name: &name.to_string(),
            keys,
            arguments,
            reads_only: reads_only || script.reads_only,
            now_ms: call.now_ms,
            version: call.version,
            audience: call.audience,
        };
        engine.run(call.store, &run, call.out);
        Ok(())
    });
    call.store.scripts = Some(scripts);
    found
}

/// `SCRIPT LOAD | EXISTS | FLUSH | KILL`
pub(super) fn script(call: &mut Call<'_>) -> Result<(), Fault> {
    let what = call.arg(1).to_ascii_lowercase();
    let words = call.args.get(2..).unwrap_or_default();
    match (what.as_slice(), words) {
        (b"load", [source]) => {
            let scripts = call.store.scripts.get_or_insert_default();
            let name = scripts.keep(source)?;
            encode::bulk(call.out, name.to_string().as_bytes());
            Ok(())
        }
        (b"exists", [_, ..]) => {
            encode::array(call.out, words.len());
            for sha in words {
                let kept = call.store.scripts.as_ref().map(|scripts| &scripts.kept);
                let name = Name::parse(sha);
                let is_kept = kept.zip(name).is_some_and(|(kept, name)| kept.contains_key(&name));
                encode::integer(call.out, i64::from(is_kept));
            }
            Ok(())
        }
        (b"flush", [] | [_]) => {
            let how = words.first().map(|how| how.to_ascii_lowercase());
            if !matches!(how.as_deref(), None | Some(b"sync" | b"async")) {
                return Err(Fault::Other("ERR SCRIPT FLUSH only support SYNC|ASYNC option"));
            }
            call.store.scripts = None;
            call.ok()
        }
        // One runs in one piece: no other command finds it running.
        (b"kill", []) => Err(Fault::Other("NOTBUSY No scripts in execution right now.")),
        _ => Err(Fault::unsupported(&[b"script ", call.arg(1)].concat())),
    }
}
