//! `md key flags …`: remove an item, or (`I`) keep it as stale until a client has refilled it.
//!
//! With `C` only the item with that cas unique is removed. All flag errors get the same answer, as in
//! memcached for this command and for `ma`.

use super::super::refusal::Refusal;
use super::super::request::Request;
use super::flags::{Flags, check_line};
use super::{OPAQUE_BYTES_MAX, OPAQUE_TOO_LONG, write_without_item};

pub(in super::super) fn run(request: &mut Request<'_>) -> Result<(), Refusal> {
    check_line(request, "CLIENT_ERROR options flags too long")?;
    let flags = Flags::parse(request, 2).map_err(|_| "CLIENT_ERROR invalid or duplicate flag")?;
    if flags.iter().any(|flag| flag.first() == Some(&b'O') && flag.len() > OPAQUE_BYTES_MAX) {
        return Err(OPAQUE_TOO_LONG);
    }
    let code = delete(request, &flags);
    if code == "HD" && flags.quiet {
        return Ok(());
    }
    write_without_item(request.out, code, &flags.key, &flags)
}

fn delete(request: &mut Request<'_>, flags: &Flags<'_>) -> &'static str {
    let now_ms = request.now_ms();
    let store = &mut *request.store;
    let Some(entry) = store.peek_item(&flags.key, now_ms) else {
        store.commands.deletes.note(false);
        return "NF";
    };
    if flags.cas.is_some_and(|cas| cas != entry.cas()) {
        return "EX";
    }
    if !flags.invalidate {
        store.remove(&flags.key, now_ms);
        store.commands.deletes.note(true);
        return "HD";
    }
    let cas = store.cas_next();
    store.change_item(&flags.key, 0, now_ms, |entry| {
        entry.deadline_ms = flags.deadline_ms.unwrap_or(entry.deadline_ms);
        entry.stale = true;
        // The next client may win the right to refill.
        entry.token_sent = false;
        entry.set_cas(cas);
    });
    "HD"
}
