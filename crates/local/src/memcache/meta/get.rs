//! `mg key flags …`: fetch an item, and prevent a stampede of refills.
//!
//! The first client to meet a missing item (`N`), one about to expire (`R`) or a stale one gets `W`: it has
//! won the right to refill; the others get `Z`. `X` marks a stale item.

use super::super::refusal::Refusal;
use super::super::request::Request;
use super::flags::Flags;
use super::{write_key, write_left, write_number, write_opaque, write_without_item};
use crate::entry::{Entry, NEVER};
use crate::store::Attributes;

pub(in super::super) fn run(request: &mut Request<'_>) -> Result<(), Refusal> {
    let flags = Flags::of(request, 2, "CLIENT_ERROR options flags are too long")?;
    let (now_s, now_ms) = (request.now_s, request.now_ms());
    let store = &mut *request.store;
    let missing = store.peek_item(&flags.key, now_ms).is_none();
    if flags.deadline_ms.is_some() {
        store.commands.touches.note(!missing);
    } else {
        store.counters.gets += 1;
        store.counters.get_hits += u64::from(!missing);
    }
    if missing && flags.vivify_ms.is_some() {
        let attributes = Attributes { flags: Some(0), deadline_ms: NEVER, key_base64: flags.key_base64 };
        store.put(&flags.key, b"", attributes, now_ms).map_err(|_| "SERVER_ERROR out of memory")?;
    }
    let out = &mut *request.out;
    let found = store.change_item(&flags.key, 0, now_ms, |entry| {
        // Flags that show earlier use, or change the item, delay the bump; and then an error prevents it.
        let bump_late =
            flags.iter().any(|flag| matches!(flag.first(), Some(b'h' | b'l' | b'N' | b'R' | b'T')));
        let bump = |entry: &mut Entry| {
            entry.fetched |= !flags.no_bump;
            entry.accessed_s = if flags.no_bump { entry.accessed_s } else { now_s as u32 };
        };
        if !bump_late {
            bump(entry);
        }
        write_item(out, entry, &flags, missing, now_s)?;
        bump(entry);
        Ok(())
    });
    if let Some(result) = found {
        return result;
    }
    let start = request.out.len();
    write_without_item(request.out, "EN", &flags.key, &flags)?;
    if flags.quiet {
        request.out.truncate(start);
    }
    Ok(())
}

/// Writes the item and applies the flags, both in the order of the flags.
fn write_item(
    out: &mut Vec<u8>,
    entry: &mut Entry,
    flags: &Flags<'_>,
    created: bool,
    now_s: u64,
) -> Result<(), Refusal> {
    let mut won = false;
    if flags.value {
        out.extend_from_slice(format!("VA {}", entry.text().len()).as_bytes());
    } else {
        out.extend_from_slice(b"HD");
    }
    for flag in flags.iter() {
        match flag.first().copied().unwrap_or(0) {
            b'T' => entry.deadline_ms = flags.deadline_ms.unwrap_or(NEVER),
            b'N' if created => {
                entry.deadline_ms = flags.vivify_ms.unwrap_or(NEVER);
                won = true;
            }
            b'R' => won |= !entry.token_sent && !created && ends_before(entry, flags.recache_ms),
            b's' => write_number(out, 's', entry.text().len() as u64),
            b't' => write_left(out, entry, now_s),
            b'c' => write_number(out, 'c', entry.cas()),
            b'f' => write_number(out, 'f', u64::from(entry.flags())),
            b'l' => write_number(out, 'l', now_s.saturating_sub(u64::from(entry.accessed_s))),
            b'h' => write_number(out, 'h', u64::from(entry.fetched)),
            b'O' => write_opaque(out, flag)?,
            b'k' => write_key(out, &flags.key, entry.key_base64),
            _ => {}
        }
    }
    write_token(out, entry, won);
    out.extend_from_slice(b"\r\n");
    if flags.value {
        out.extend_from_slice(entry.text());
        out.extend_from_slice(b"\r\n");
    }
    Ok(())
}

/// `Z` if another client refills, `X` if the item is stale, `W` if this client must refill.
fn write_token(out: &mut Vec<u8>, entry: &mut Entry, mut won: bool) {
    if entry.token_sent {
        out.extend_from_slice(b" Z");
    }
    if entry.stale {
        out.extend_from_slice(b" X");
        won |= !entry.token_sent;
    }
    if won {
        out.extend_from_slice(b" W");
        entry.token_sent = true;
    }
}

/// True if the item expires before that time; 0 in the flag, and an item without a deadline, mean never.
fn ends_before(entry: &Entry, recache_ms: Option<u64>) -> bool {
    entry.deadline_ms != NEVER
        && recache_ms.is_some_and(|recache_ms| recache_ms != NEVER && entry.deadline_ms < recache_ms)
}
