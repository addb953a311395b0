//! Traces that commands leave beside their replies, in both: events of keys, and values as `DUMP` writes
//! them.

use nuthatch_local::Store;
use wire::redis::Version;

use crate::redis::{Peer, now_ms};
use crate::support::printable;

/// Every event of every key, new keys included.
const LETTERS: &[u8] = b"KEAn";

/// A client of the real server that hears of its events.
pub struct Ears {
    peer: Peer,
}

impl Ears {
    /// Makes both tell, and listens.
    pub fn open(socket: &std::path::Path, store: &mut Store) -> Ears {
        let mut peer = Peer::connect(socket, Version::Resp2);
        let set = [&b"CONFIG"[..], b"SET", b"notify-keyspace-events", LETTERS];
        assert_eq!(peer.ask(&owned(&set)), b"+OK\r\n");
        let mut reply = Vec::new();
        store.execute_redis(&set, now_ms(), Version::Resp2, &mut reply);
        assert_eq!(reply, b"+OK\r\n");
        peer.ask(&owned(&[b"PSUBSCRIBE", b"__key*"]));
        Ears { peer }
    }

    /// Asserts that both have told the same since the last call: channels and messages, in their order.
    pub fn compare(&mut self, store: &mut Store, context: &str) {
        let told =
            store.take_published().into_iter().map(|one| (one.channel.into_vec(), one.message.into_vec()));
        let shown = |events: Vec<(Vec<u8>, Vec<u8>)>| -> Vec<String> {
            events
                .iter()
                .map(|(channel, message)| format!("{} {}", printable(channel), printable(message)))
                .collect()
        };
        let (want, got) = (shown(self.peer.messages()), shown(told.collect()));
        assert!(want == got, "{context}\n redis tells: {want:?}\n local tells: {got:?}");
    }
}

fn owned(args: &[&[u8]]) -> Vec<Vec<u8>> {
    args.iter().map(|arg| arg.to_vec()).collect()
}

/// The body of a bulk string; None for null.
fn body(reply: &[u8]) -> Option<Vec<u8>> {
    let end = reply.iter().position(|byte| *byte == b'\n')?;
    (!reply.starts_with(b"$-1") && !reply.starts_with(b"_")).then(|| reply[end + 1..reply.len() - 2].to_vec())
}

/// Requests that show a value of a type.
fn shows(kind: &str) -> &'static [&'static [&'static str]] {
    match kind {
        "+string\r\n" => &[&["GET"]],
        "+list\r\n" => &[&["LRANGE", "0", "-1"]],
        "+set\r\n" => &[&["SCARD"], &["SMISMEMBER", "x", "1", "", "ma", "-7", "100", "12345678901"]],
        "+hash\r\n" => &[&["HLEN"], &["HMGET", "x", "1", "", "ma", "-7", "100", "y", "z", "m"]],
        "+zset\r\n" => &[&["ZRANGE", "0", "-1", "WITHSCORES"]],
        "+stream\r\n" => &[&["XRANGE", "-", "+"], &["XINFO GROUPS"], &["XPENDING", "g"], &["XPENDING", "h"]],
        other => panic!("{other}"),
    }
}

fn shown(words: &[&str], key: &[u8], mut ask: impl FnMut(&[Vec<u8>]) -> Vec<u8>) -> Vec<u8> {
    let mut args: Vec<Vec<u8>> = words[0].split(' ').map(|word| word.as_bytes().to_vec()).collect();
    args.push(key.to_vec());
    args.extend(words[1..].iter().map(|word| word.as_bytes().to_vec()));
    ask(&args)
}

/// Carries the real server's values to an embedded cache and back, and asserts that they are the same.
pub fn carry(peer: &mut Peer, keys: &[&str], context: &str) {
    let mut store = Store::new(64 << 20);
    let mut local = |args: &[Vec<u8>]| {
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let mut reply = Vec::new();
        store.execute_redis(&args, now_ms(), Version::Resp2, &mut reply);
        reply
    };
    for key in keys.iter().map(|key| key.as_bytes()) {
        let Some(payload) = body(&peer.ask(&owned(&[b"DUMP", key]))) else { continue };
        let kind = String::from_utf8_lossy(&peer.ask(&owned(&[b"TYPE", key]))).into_owned();
        let context = format!("{context}, {kind} {}: {}", printable(key), printable(&payload));
        assert_eq!(local(&owned(&[b"RESTORE", key, b"0", &payload])), b"+OK\r\n", "{context}");
        let again = body(&local(&owned(&[b"DUMP", key]))).expect("it is there");
        let back = peer.ask(&owned(&[b"RESTORE", b"back", b"0", &again, b"REPLACE"]));
        assert_eq!(back, b"+OK\r\n", "{context}, then {}", printable(&again));
        for show in shows(&kind) {
            let want = shown(show, key, |args| peer.ask(args));
            let unsigned =
                |reply: &[u8]| String::from_utf8_lossy(reply).replace("$2\r\n-0\r\n", "$1\r\n0\r\n");
            for got in [shown(show, key, &mut local), shown(show, b"back", |args| peer.ask(args))] {
                let is_error = want.starts_with(b"-") && got.starts_with(b"-");
                assert!(
                    is_error || unsigned(&want) == unsigned(&got),
                    "{context}: {show:?}\n{}\n{}",
                    printable(&want),
                    printable(&got)
                );
            }
        }
    }
    peer.ask(&owned(&[b"DEL", b"back"]));
}
