//! Scanner for replies: finds their end and checks their kind.
//!
//! Independent of the codecs of `wire`, which this load measures and tests.

use crate::load::{Operation, Protocol};

/// One whole reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// Length in bytes.
    pub bytes: usize,
    /// True if it is of the kind that the operation expects.
    pub is_good: bool,
}

/// Reply at the start of `bytes`, if complete.
pub fn next(protocol: Protocol, operation: Operation, bytes: &[u8]) -> Option<Reply> {
    match protocol {
        Protocol::Redis => {
            let length = redis_end(bytes)?;
            let is_good = match operation {
                Operation::Get => bytes[0] == b'$',
                Operation::Set => bytes.starts_with(b"+OK"),
                Operation::Mget => bytes[0] == b'*',
            };
            Some(Reply { bytes: length, is_good })
        }
        Protocol::Memcache => memcache(operation, bytes),
    }
}

/// Line at the start of `bytes` without its end, and the length including it.
fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    Some((bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]), end + 1))
}

fn number(text: &[u8]) -> i64 {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(-1)
}

fn redis_end(bytes: &[u8]) -> Option<usize> {
    let (first, mut at) = line(bytes)?;
    match first.first() {
        Some(b'$') => {
            if let Ok(length) = usize::try_from(number(&first[1..])) {
                at += length + 2;
            }
        }
        Some(b'*') => {
            for _ in 0..number(&first[1..]).max(0) {
                at += redis_end(bytes.get(at..)?)?;
            }
        }
        _ => {}
    }
    (at <= bytes.len()).then_some(at)
}

fn memcache(operation: Operation, bytes: &[u8]) -> Option<Reply> {
    let mut at = 0;
    loop {
        let (text, length) = line(bytes.get(at..)?)?;
        at += length;
        if !text.starts_with(b"VALUE ") {
            let expected: &[u8] = if operation == Operation::Set { b"STORED" } else { b"END" };
            return Some(Reply { bytes: at, is_good: text == expected });
        }
        let value_bytes = text.split(|&byte| byte == b' ').nth(3).map_or(0, number).max(0);
        at += usize::try_from(value_bytes).unwrap_or(0) + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_end_where_they_should_and_not_before() {
        use Operation::{Get, Mget, Set};
        use Protocol::{Memcache, Redis};
        for (protocol, operation, bytes, is_good) in [
            (Redis, Get, "$3\r\nabc\r\n", true),
            (Redis, Get, "$-1\r\n", true),
            (Redis, Get, "-ERR no\r\n", false),
            (Redis, Set, "+OK\r\n", true),
            (Redis, Set, "-ERR no\r\n", false),
            (Redis, Mget, "*2\r\n$1\r\na\r\n$-1\r\n", true),
            (Redis, Mget, "*0\r\n", true),
            (Memcache, Get, "VALUE k 0 3\r\nabc\r\nEND\r\n", true),
            (Memcache, Get, "END\r\n", true),
            (Memcache, Mget, "VALUE k 0 3\r\nabc\r\nVALUE l 0 5\r\nE\r\nND\r\nEND\r\n", true),
            (Memcache, Mget, "SERVER_ERROR down\r\n", false),
            (Memcache, Set, "STORED\r\n", true),
            (Memcache, Set, "ERROR\r\n", false),
        ] {
            let bytes = bytes.as_bytes();
            for end in 0..bytes.len() {
                assert_eq!(next(protocol, operation, &bytes[..end]), None, "{bytes:?} to {end}");
            }
            let more = [bytes, b"$1\r\n"].concat();
            assert_eq!(next(protocol, operation, &more), Some(Reply { bytes: bytes.len(), is_good }));
        }
    }
}
