//! Replies of a memcached server. No request may be quiet: a proxy that shares connections must not pass that
//! on.

use super::{Backend, Mood, Watch};
use crate::memcache::{Reply, parse_request};
use crate::tamper::Tamper;
use crate::value;

/// Executes the request at the front of `input`, if complete; returns its length.
pub(super) fn work(
    input: &[u8],
    backend: &mut Backend,
    watch: &mut Watch<'_>,
    reply: &mut Vec<u8>,
) -> Result<Option<usize>, String> {
    let Some(((words, data), used)) = parse_request(input)? else { return Ok(None) };
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    if words.iter().skip(2).any(|w| matches!(*w, b"noreply" | b"q")) && words[0] != b"get" {
        return Err(format!("'{}' asks for silence", words.join(&b' ').escape_ascii()));
    }
    let answer = match words[0] {
        b"version" if backend.mood == Mood::Loading => Reply::line("SERVER_ERROR starting"),
        b"version" => Reply::line("VERSION 1.6.18"),
        b"flush_all" => Reply::line("OK"),
        _ => execute(&words, data.as_deref(), backend, watch)?,
    };
    answer.write(reply);
    Ok(Some(used))
}

fn execute(
    words: &[&[u8]],
    data: Option<&[u8]>,
    backend: &mut Backend,
    watch: &mut Watch<'_>,
) -> Result<Reply, String> {
    let reads = matches!(words[0], b"get" | b"gets" | b"mg");
    let keys = if matches!(words[0], b"get" | b"gets") { &words[1..] } else { &words[1..2] };
    let mut uids: Vec<u64> = keys.iter().filter_map(|key| value::uid_of_key(key)).collect();
    if let Some(data) = data {
        uids.push(value::written_by(keys[0], data)?);
    }
    watch.oracle.served(backend.pool, watch.index, keys, &uids, reads);
    if !reads && !uids.is_empty() && watch.plan.strikes(Tamper::RepeatWrite) {
        watch.oracle.served(backend.pool, watch.index, keys, &uids, reads);
    }
    if backend.mood == Mood::Loading || backend.is_busy() {
        return Ok(Reply::Line([b"SERVER_ERROR BUSY the server is, key:", keys[0]].concat()));
    }
    let opaque = words.iter().skip(2).find(|w| w.first() == Some(&b'O')).copied().unwrap_or_default();
    let header = |code: &str| Reply::Line([code.as_bytes(), b" ", opaque].concat());
    Ok(match (words[0], data) {
        (b"get" | b"gets", _) => {
            Reply::Blocks(keys.iter().filter_map(|key| Some((key.to_vec(), backend.get(key)?))).collect())
        }
        (b"mg", _) => match backend.get(keys[0]) {
            Some(value) => Reply::Va { value, flags: [b"k", keys[0], b" ", opaque].concat() },
            None => Reply::line("EN"),
        },
        (b"delete", _) => Reply::line(if backend.delete(keys[0]) { "DELETED" } else { "NOT_FOUND" }),
        (b"add", Some(_)) if backend.get(keys[0]).is_some() => Reply::line("NOT_STORED"),
        (b"set" | b"add", Some(data)) => {
            backend.set(keys[0], data);
            Reply::line("STORED")
        }
        (b"ms", Some(data)) => {
            backend.set(keys[0], data);
            header("HD")
        }
        _ => return Err(format!("'{}'", words.join(&b' ').escape_ascii())),
    })
}
