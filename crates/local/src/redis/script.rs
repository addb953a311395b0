//! Scripts: `EVAL`, `EVALSHA`, their read-only forms, and `SCRIPT`.
//!
//! A script runs on the thread of its store, in one piece, and has limits therefore: steps, time, memory
//! (`lua/budget.rs`, `lua/engine.rs`).

mod command;
mod reply;
mod run;
#[cfg(test)]
mod tests;

use wire::redis::encode;

use super::call::Call;
use super::fault::Fault;
use super::integer::integer;
use crate::lua::Name;
use crate::scripts::Scripts;
use run::Run;

/// `EVAL source numkeys key … argument …`
pub(super) fn eval(call: &mut Call<'_>) -> Result<(), Fault> {
    run(call, false, keep)
}

/// `EVAL_RO source numkeys key … argument …`
pub(super) fn eval_ro(call: &mut Call<'_>) -> Result<(), Fault> {
    run(call, true, keep)
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

fn keep(scripts: &mut Scripts, source: &[u8]) -> Result<Name, Fault> {
    scripts.keep(source).map_err(Fault::Text)
}

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
        let (script, engine) = scripts.take_up(name).ok_or(NO_SCRIPT)?;
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
        run::run(engine, call.store, &run, call.out);
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
            let name = keep(scripts, source)?;
            encode::bulk(call.out, name.to_string().as_bytes());
            Ok(())
        }
        (b"exists", [_, ..]) => {
            encode::array(call.out, words.len());
            for sha in words {
                let scripts = call.store.scripts.as_ref();
                let is_kept =
                    scripts.zip(Name::parse(sha)).is_some_and(|(scripts, name)| scripts.keeps(name));
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
