//! The first arguments of a request and its key, read from its beginning, for logs.
//!
//! Only the beginning of a request is kept until its reply; what is not in it is not known.

use config::checked::Protocol;
use telemetry::{Cut, SlowRequest};
use wire::redis::{Beginning, lookup};

/// Arguments among which a key is looked for.
const LOOKED_AT: usize = 4;

/// The first arguments of a request, the number of the others, and the place of its key.
pub(super) type Arguments = (Vec<Cut>, usize, Option<usize>);

/// The first arguments of a request.
pub(super) fn first(protocol: Protocol, beginning: &[u8]) -> Arguments {
    match protocol {
        Protocol::Redis => of_redis(beginning),
        Protocol::Memcache => of_memcache(beginning),
    }
}

/// The bytes of the first key that are at hand, and its length.
pub(super) fn key(protocol: Protocol, beginning: &[u8]) -> Option<(&[u8], usize)> {
    match protocol {
        Protocol::Redis => {
            let (mut names, mut lens, mut count) = ([&b""[..]; LOOKED_AT], [0; LOOKED_AT], 0);
            for (bytes, len) in Beginning::of(beginning)?.take(LOOKED_AT) {
                (names[count], lens[count]) = (bytes, len);
                count += 1;
            }
            let at = key_place(&names[..count])?;
            Some((names[at], lens[at]))
        }
        Protocol::Memcache => {
            let mut words = words(beginning);
            let key = words.nth(memcache_key_at(words.clone().next()?))?;
            Some((key, key.len()))
        }
    }
}

fn key_place(names: &[&[u8]]) -> Option<usize> {
    let command = lookup(names.first()?)?;
    let subcommand = names.get(1).and_then(|name| command.subcommand(name));
    subcommand.unwrap_or(command).keys.first_at(names)
}

fn of_redis(beginning: &[u8]) -> Arguments {
    let Some(mut rest) = Beginning::of(beginning) else { return Default::default() };
    let first: Vec<(&[u8], usize)> = rest.by_ref().take(SlowRequest::ARGUMENTS_MAX).collect();
    let names: Vec<&[u8]> = first.iter().map(|(bytes, _)| *bytes).collect();
    (first.iter().map(|(bytes, len)| Cut::of(bytes, *len)).collect(), rest.left(), key_place(&names))
}

fn of_memcache(beginning: &[u8]) -> Arguments {
    let mut words = words(beginning);
    let first: Vec<&[u8]> = words.by_ref().take(SlowRequest::ARGUMENTS_MAX).collect();
    let key_at = first.first().map(|name| memcache_key_at(name)).filter(|at| *at < first.len());
    (first.iter().map(|word| Cut::of(word, word.len())).collect(), words.count(), key_at)
}

/// Words of the command line.
fn words(beginning: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let line = beginning.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    line.split(|byte| *byte == b' ').filter(|word| !word.is_empty())
}

fn memcache_key_at(name: &[u8]) -> usize {
    if name.starts_with(b"gat") { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::lines;

    #[test]
    fn arguments_are_found_in_the_beginning_of_a_request() {
        let long = "k".repeat(300);
        let big = lines(&[&format!("set {long} v")]);
        let (arguments, more, key_at) = of_redis(&big[..128]);
        assert_eq!((arguments[1].bytes.len(), arguments[1].more, more, key_at), (64, 236, 1, Some(1)));
        assert_eq!(
            key(Protocol::Redis, &big[..128]).map(|(bytes, len)| (bytes.len(), len)),
            Some((109, 300))
        );
        for (request, key_at) in [
            ("mget a b", Some(1)),
            ("eval x 1 k", Some(3)),
            ("eval x 0", None),
            ("object encoding k", Some(2)),
            ("xread streams k 0", None),
            ("publish c m", None),
            ("nonsense k", None),
        ] {
            assert_eq!(of_redis(&lines(&[request])).2, key_at, "{request}");
            let word = key_at.and_then(|at| request.split(' ').nth(at)).map(str::as_bytes);
            assert_eq!(key(Protocol::Redis, &lines(&[request])).map(|(bytes, _)| bytes), word, "{request}");
        }
        let many = lines(&["mget a b c d e f g h i j"]);
        let (arguments, more, _) = of_redis(&many);
        assert_eq!((arguments.len(), more), (8, 3));
        for (line, words, key_at, found) in [
            (&b"set k 0 0 1\r\nx\r\n"[..], 5, Some(1), Some(&b"k"[..])),
            (b"gat 10 a b\r\n", 4, Some(2), Some(b"a")),
            (b"version\r\n", 1, None, None),
            (b"", 0, None, None),
        ] {
            let (arguments, _, at) = of_memcache(line);
            assert_eq!((arguments.len(), at), (words, key_at), "{line:?}");
            assert_eq!(key(Protocol::Memcache, line).map(|(bytes, _)| bytes), found, "{line:?}");
        }
    }
}
