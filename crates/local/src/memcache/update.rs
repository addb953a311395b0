//! `set`, `add`, `replace`, `append`, `prepend`, `cas`: text commands that store a data block.
//!
//! ```text
//! set key flags exptime bytes [noreply]        cas key flags exptime bytes unique [noreply]
//! ```

use super::exptime::deadline_ms;
use super::item::{self, Item, Mode, Outcome};
use super::number::{signed_32, unsigned, unsigned_32};
use super::refusal::{BAD_FORMAT, Refusal};
use super::request::Request;
use crate::store::Attributes;

/// Longest data block that memcached would count.
pub(super) const DATA_BYTES_MAX: i32 = i32::MAX - 2;

pub(super) fn set(request: &mut Request<'_>) -> Result<(), Refusal> {
    update(request, Mode::Set)
}

pub(super) fn add(request: &mut Request<'_>) -> Result<(), Refusal> {
    update(request, Mode::Add)
}

pub(super) fn replace(request: &mut Request<'_>) -> Result<(), Refusal> {
    update(request, Mode::Replace)
}

pub(super) fn append(request: &mut Request<'_>) -> Result<(), Refusal> {
    update(request, Mode::Append)
}

pub(super) fn prepend(request: &mut Request<'_>) -> Result<(), Refusal> {
    update(request, Mode::Prepend)
}

pub(super) fn cas(request: &mut Request<'_>) -> Result<(), Refusal> {
    update(request, Mode::Cas)
}

fn update(request: &mut Request<'_>, mode: Mode) -> Result<(), Refusal> {
    request.unless_noreply(|request| {
        let (item, length) = read(request, mode)?;
        let now_ms = request.now_ms();
        item::check_size(request.store, &item, length, now_ms, mode == Mode::Set)?;
        if length != request.data.len() {
            return Err("CLIENT_ERROR bad data chunk");
        }
        let answer = match item::store(request.store, mode, item, now_ms) {
            Outcome::Stored(_) => "STORED",
            Outcome::NotStored => "NOT_STORED",
            Outcome::Exists => "EXISTS",
            Outcome::NotFound => "NOT_FOUND",
        };
        request.answer(answer)
    })
}

/// The item described by the line, and the announced length of the data block.
fn read<'r>(request: &Request<'r>, mode: Mode) -> Result<(Item<'r>, usize), Refusal> {
    let words = &request.words;
    let key = request.key()?;
    let flags = unsigned_32(words.get(2)).ok_or(BAD_FORMAT)?;
    let exptime = signed_32(words.get(3)).ok_or(BAD_FORMAT)?;
    let length = signed_32(words.get(4)).ok_or(BAD_FORMAT)?;
    let cas = if mode == Mode::Cas { unsigned(words.get(5)).ok_or(BAD_FORMAT)? } else { 0 };
    let length = length_of(length)?;
    let deadline_ms = deadline_ms(exptime, request.now_s);
    let attributes = Attributes { flags: Some(flags), deadline_ms, key_base64: false };
    Ok((Item { key, value: request.data, attributes, cas, or_stale: false }, length))
}

/// Checks the length of a data block.
pub(super) fn length_of(given: i32) -> Result<usize, Refusal> {
    if given > DATA_BYTES_MAX {
        return Err(BAD_FORMAT);
    }
    usize::try_from(given).map_err(|_| BAD_FORMAT)
}
