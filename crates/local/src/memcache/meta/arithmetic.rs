//! `ma key flags …`: add to or subtract from a number; with `N`, create it if absent.
//!
//! The default step (`D`) is 1, the default direction (`M`) is up. `J` is the first value of a created
//! number, which is answered without adding to it.

use super::super::arithmetic::{Direction, Sum, add};
use super::super::refusal::Refusal;
use super::super::request::Request;
use super::flags::{Flags, check_line};
use super::{write_key, write_left, write_number, write_opaque, write_without_item};
use crate::entry::{Entry, NEVER};
use crate::store::Attributes;

pub(in super::super) fn run(request: &mut Request<'_>) -> Result<(), Refusal> {
    check_line(request, "CLIENT_ERROR options flags too long")?;
    let flags = Flags::parse(request, 2).map_err(|_| "CLIENT_ERROR invalid or duplicate flag")?;
    let direction = match flags.mode {
        None | Some(b'I' | b'+') => Direction::Up,
        Some(b'D' | b'-') => Direction::Down,
        Some(_) => return Err("CLIENT_ERROR invalid mode for ma M token"),
    };
    let (now_s, now_ms) = (request.now_s, request.now_ms());
    let (delta, cas) = (flags.delta.unwrap_or(1), flags.cas.unwrap_or(0));
    let (number, created) = match add(request.store, &flags.key, direction, delta, cas, now_ms)? {
        Sum::Is(_) if flags.quiet => (None, false),
        Sum::Is(number) => (Some(number), false),
        Sum::Exists => return write_without_item(request.out, "EX", &flags.key, &flags),
        Sum::NotFound if flags.vivify_ms.is_none() => {
            return write_without_item(request.out, "NF", &flags.key, &flags);
        }
        Sum::NotFound => {
            let attributes = Attributes { flags: Some(0), deadline_ms: NEVER, key_base64: flags.key_base64 };
            let number = flags.initial.to_string();
            let stored = request.store.put(&flags.key, number.as_bytes(), attributes, now_ms);
            stored.map_err(|_| "SERVER_ERROR Out of memory allocating new item")?;
            (Some(flags.initial), true)
        }
    };
    let out = &mut *request.out;
    let written = request.store.change_item(&flags.key, 0, now_ms, |entry| {
        let start = out.len();
        write_item(out, entry, number.unwrap_or(0), created, &flags, now_s)?;
        if number.is_none() {
            out.truncate(start);
        }
        Ok(())
    });
    written.unwrap_or(Ok(()))
}

/// Writes the number and applies the flags, both in the order of the flags.
fn write_item(
    out: &mut Vec<u8>,
    entry: &mut Entry,
    number: u64,
    created: bool,
    flags: &Flags<'_>,
    now_s: u64,
) -> Result<(), Refusal> {
    let number = number.to_string();
    if flags.value {
        out.extend_from_slice(format!("VA {}", number.len()).as_bytes());
    } else {
        out.extend_from_slice(b"HD");
    }
    for flag in flags.iter() {
        match flag.first().copied().unwrap_or(0) {
            b'c' => write_number(out, 'c', entry.cas()),
            b't' => write_left(out, entry, now_s),
            b'T' => entry.deadline_ms = flags.deadline_ms.unwrap_or(NEVER),
            b'N' if created => entry.deadline_ms = flags.vivify_ms.unwrap_or(NEVER),
            b'O' => write_opaque(out, flag)?,
            b'k' => write_key(out, &flags.key, flags.key_base64),
            _ => {}
        }
    }
    out.extend_from_slice(b"\r\n");
    if flags.value {
        out.extend_from_slice(number.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    Ok(())
}
