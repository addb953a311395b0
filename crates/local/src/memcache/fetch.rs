//! `get`, `gets`, `gat`, `gats`: values of many keys, in the requested order; and `touch`.
//!
//! ```text
//! VALUE key flags bytes [cas unique] CRLF data CRLF        for each key that is there
//! END CRLF
//! ```

use std::io::Write as _;

use wire::memcache::KEY_BYTES_MAX;

use super::exptime::deadline_ms;
use super::number::signed_32;
use super::refusal::{BAD_FORMAT, Refusal};
use super::request::Request;
use crate::entry::Entry;

const BAD_EXPTIME: Refusal = "CLIENT_ERROR invalid exptime argument";

/// `get key …`
pub(super) fn get(request: &mut Request<'_>) -> Result<(), Refusal> {
    fetch(request, false, None)
}

/// `gets key …`
pub(super) fn gets(request: &mut Request<'_>) -> Result<(), Refusal> {
    fetch(request, true, None)
}

/// `gat exptime key …`
pub(super) fn gat(request: &mut Request<'_>) -> Result<(), Refusal> {
    fetch_and_touch(request, false)
}

/// `gats exptime key …`
pub(super) fn gats(request: &mut Request<'_>) -> Result<(), Refusal> {
    fetch_and_touch(request, true)
}

fn fetch_and_touch(request: &mut Request<'_>, with_cas: bool) -> Result<(), Refusal> {
    let exptime = signed_32(request.words.get(1)).ok_or(BAD_EXPTIME)?;
    fetch(request, with_cas, Some(deadline_ms(exptime, request.now_s)))
}

/// Appends every value, and sets a new deadline for each key if `end` is given. A key that is too long fails
/// the whole request.
fn fetch(request: &mut Request<'_>, with_cas: bool, end: Option<u64>) -> Result<(), Refusal> {
    let now_ms = request.now_ms();
    let first = if end.is_some() { 2 } else { 1 };
    for key in request.words.all().skip(first) {
        if key.len() > KEY_BYTES_MAX {
            return Err(BAD_FORMAT);
        }
        let out = &mut *request.out;
        let found = request.store.change_item(key, 0, now_ms, |entry| {
            if let Some(end) = end {
                entry.deadline_ms = end;
            }
            entry.fetched = true;
            entry.accessed_s = (now_ms / 1000) as u32;
            write_value(out, key, entry, with_cas);
        });
        if end.is_some() {
            request.store.commands.touches.note(found.is_some());
        } else {
            request.store.counters.gets += 1;
            request.store.counters.get_hits += u64::from(found.is_some());
        }
    }
    request.answer("END")
}

fn write_value(out: &mut Vec<u8>, key: &[u8], entry: &Entry, with_cas: bool) {
    out.reserve(key.len() + entry.text().len() + 64);
    out.extend_from_slice(b"VALUE ");
    out.extend_from_slice(key);
    // Writing to a Vec cannot fail.
    let _ = write!(out, " {} {}", entry.flags(), entry.text().len());
    if with_cas {
        let _ = write!(out, " {}", entry.cas());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(entry.text());
    out.extend_from_slice(b"\r\n");
}

/// `touch key exptime [noreply]`
pub(super) fn touch(request: &mut Request<'_>) -> Result<(), Refusal> {
    request.unless_noreply(|request| {
        let key = request.key()?;
        let exptime = signed_32(request.words.get(2)).ok_or(BAD_EXPTIME)?;
        let (end, now_ms) = (deadline_ms(exptime, request.now_s), request.now_ms());
        let touched = request.store.change_item(key, 0, now_ms, |entry| {
            entry.deadline_ms = end;
            entry.fetched = true;
            entry.accessed_s = (now_ms / 1000) as u32;
        });
        request.store.commands.touches.note(touched.is_some());
        request.answer(if touched.is_some() { "TOUCHED" } else { "NOT_FOUND" })
    })
}
