//! `me key [b]`: an item's metadata, for people.
//!
//! `cls` is the slab class that memcached would use for the item.

use std::io::Write as _;

use wire::memcache::base64;

use super::super::exptime::left_s;
use super::super::item::{CHUNK_BYTES_MAX, size};
use super::super::refusal::{BAD_FORMAT, Refusal};
use super::super::request::Request;

pub(in super::super) fn run(request: &mut Request<'_>) -> Result<(), Refusal> {
    if request.words.count() < 2 {
        return Err(BAD_FORMAT);
    }
    let mut key = request.key()?.to_vec();
    if request.words.get(2) == b"b" {
        key = base64::decode(&key).ok_or(BAD_FORMAT)?;
    }
    let (now_s, now_ms) = (request.now_s, request.now_ms());
    request.store.commands.metas += 1;
    let Some(entry) = request.store.peek_item(&key, now_ms) else {
        return request.answer("EN");
    };
    let out = &mut *request.out;
    out.extend_from_slice(b"ME ");
    if entry.key_base64 {
        base64::encode(&key, out);
    } else {
        out.extend_from_slice(&key);
    }
    // memcached prints the remaining time as a negative number, and -1 for never.
    let end = left_s(entry, now_s).map_or(-1, |left| -(left as i64));
    let idle_s = now_s.saturating_sub(u64::from(entry.accessed_s));
    let fetched = if entry.fetched { "yes" } else { "no" };
    let bytes = size(key.len(), entry.text().len(), entry.flags());
    let (cas, class) = (entry.cas(), slab_class(bytes));
    // Writing to a Vec cannot fail.
    let _ = write!(out, " exp={end} la={idle_s} cas={cas} fetch={fetched} cls={class} size={bytes}\r\n");
    Ok(())
}

/// memcached's default slab classes: from 96 bytes, each a quarter larger, rounded up to 8, up to half a
/// megabyte.
fn slab_class(size: usize) -> usize {
    let mut class = 1;
    let mut chunk: usize = 96;
    while chunk < size && (chunk as f64) < CHUNK_BYTES_MAX as f64 / 1.25 {
        chunk = ((chunk as f64 * 1.25) as usize).next_multiple_of(8);
        class += 1;
    }
    class
}

#[cfg(test)]
mod tests {
    use super::slab_class;

    #[test]
    fn classes_as_memcached_prints_them() {
        for (size, class) in [(67, 1), (96, 1), (97, 2), (120, 2), (121, 3), (1_048_062, 39)] {
            assert_eq!(slab_class(size), class, "{size}");
        }
    }
}
