//! `ms key bytes flags …`: store an item, in any of the modes of the text commands.
//!
//! `M` selects the mode: `S`et, `E` (add), `R`eplace, `A`ppend, `P`repend. On any error after the length was
//! parsed, the data block is removed from the stream and replaced by the error line, with `q` or without.

use super::super::item::{self, Item, Mode, Outcome};
use super::super::number::signed_32;
use super::super::refusal::{BAD_FORMAT, Refusal};
use super::super::request::Request;
use super::super::update::length_of;
use super::flags::{self, Flags};
use super::{OPAQUE_BYTES_MAX, OPAQUE_TOO_LONG, write_key, write_number, write_opaque};
use crate::entry::NEVER;
use crate::store::Attributes;

pub(in super::super) fn run(request: &mut Request<'_>) -> Result<(), Refusal> {
    request.key()?;
    if request.words.count() == 2 {
        return Err(BAD_FORMAT);
    }
    flags::check_line(request, "CLIENT_ERROR options flags too long")?;
    let length = length_of(signed_32(request.words.get(2)).ok_or(BAD_FORMAT)?)?;
    let flags = Flags::parse(request, 3)?;
    let mode = mode(&flags)?;
    if flags.iter().any(|flag| flag.first() == Some(&b'O') && flag.len() > OPAQUE_BYTES_MAX) {
        return Err(OPAQUE_TOO_LONG);
    }
    let now_ms = request.now_ms();
    let deadline_ms = flags.deadline_ms.unwrap_or(NEVER);
    let attributes =
        Attributes { flags: Some(flags.client_flags), deadline_ms, key_base64: flags.key_base64 };
    let item = Item {
        key: &flags.key,
        value: request.data,
        attributes,
        cas: flags.cas.unwrap_or(0),
        or_stale: flags.invalidate,
    };
    item::check_size(request.store, &item, length, now_ms, true)?;
    if length != request.data.len() {
        return Err("CLIENT_ERROR bad data chunk");
    }
    let outcome = item::store(request.store, mode, item, now_ms);
    if flags.quiet && matches!(outcome, Outcome::Stored(_)) {
        return Ok(());
    }
    write_outcome(request.out, outcome, &flags)
}

/// With a cas unique, set and replace become cas.
fn mode(flags: &Flags<'_>) -> Result<Mode, Refusal> {
    let mode = match flags.mode {
        None | Some(b'S') => Mode::Set,
        Some(b'E') => Mode::Add,
        Some(b'A') => Mode::Append,
        Some(b'P') => Mode::Prepend,
        Some(b'R') => Mode::Replace,
        Some(_) => return Err("CLIENT_ERROR invalid mode for ms M token"),
    };
    let compares = flags.cas.is_some() && matches!(mode, Mode::Set | Mode::Replace);
    Ok(if compares { Mode::Cas } else { mode })
}

fn write_outcome(out: &mut Vec<u8>, outcome: Outcome, flags: &Flags<'_>) -> Result<(), Refusal> {
    let (code, cas) = match outcome {
        Outcome::Stored(cas) => (b"HD", cas),
        Outcome::NotStored => (b"NS", 0),
        Outcome::Exists => (b"EX", 0),
        Outcome::NotFound => (b"NF", 0),
    };
    out.extend_from_slice(code);
    for flag in flags.iter() {
        match flag.first().copied().unwrap_or(0) {
            b'O' => write_opaque(out, flag)?,
            b'k' => write_key(out, &flags.key, flags.key_base64),
            b'c' => write_number(out, 'c', cas),
            _ => {}
        }
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}
