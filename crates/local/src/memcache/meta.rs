//! The meta commands `mg`, `ms`, `md`, `ma`, `me`: one key, and flags of one character each.
//!
//! ```text
//! mg key flags …          HD flags … | VA bytes flags … CRLF data | EN
//! ms key bytes flags …    HD | NS | EX | NF, flags …
//! md key flags …          HD | EX | NF, flags …
//! ma key flags …          HD | VA bytes … CRLF number | EX | NF, flags …
//! me key [b]              ME key name=value … | EN
//! ```
//! Flags are answered in the order of the request.

pub(super) mod arithmetic;
pub(super) mod debug;
pub(super) mod delete;
mod flags;
pub(super) mod get;
pub(super) mod set;

use std::io::Write as _;

use wire::memcache::base64;

use super::exptime::left_s;
use super::refusal::Refusal;
use crate::entry::Entry;
use flags::Flags;

/// Longest opaque, with its `O`.
const OPAQUE_BYTES_MAX: usize = 32;
const OPAQUE_TOO_LONG: Refusal = "CLIENT_ERROR opaque token too long";

/// ` kKEY`, and ` b` after it if the key is in base64.
fn write_key(out: &mut Vec<u8>, key: &[u8], in_base64: bool) {
    out.extend_from_slice(b" k");
    if in_base64 {
        base64::encode(key, out);
        out.extend_from_slice(b" b");
    } else {
        out.extend_from_slice(key);
    }
}

/// ` O…` as received.
fn write_opaque(out: &mut Vec<u8>, opaque: &[u8]) -> Result<(), Refusal> {
    if opaque.len() > OPAQUE_BYTES_MAX {
        return Err(OPAQUE_TOO_LONG);
    }
    out.push(b' ');
    out.extend_from_slice(opaque);
    Ok(())
}

/// ` xN`
fn write_number(out: &mut Vec<u8>, flag: char, number: u64) {
    // Writing to a Vec cannot fail.
    let _ = write!(out, " {flag}{number}");
}

/// ` tN`, remaining seconds; -1 if it never expires.
fn write_left(out: &mut Vec<u8>, entry: &Entry, now_s: u64) {
    match left_s(entry, now_s) {
        Some(left) => write_number(out, 't', left),
        None => out.extend_from_slice(b" t-1"),
    }
}

/// An answer without an item: its code, then the flags about the request itself.
fn write_without_item(out: &mut Vec<u8>, code: &str, key: &[u8], flags: &Flags<'_>) -> Result<(), Refusal> {
    out.extend_from_slice(code.as_bytes());
    for flag in flags.iter() {
        match flag {
            [b'O', ..] => write_opaque(out, flag)?,
            [b'k', ..] => write_key(out, key, flags.key_base64),
            _ => {}
        }
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}
