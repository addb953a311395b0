//! `WATCH` of keys of the embedded cache: the session keeps their versions until `EXEC`, `UNWATCH`,
//! `DISCARD`, `RESET` or the end of the client.
//!
//! A transaction is not executed if one of them has changed, has expired or was evicted.

use net::Io;
use wire::redis::Args;

use crate::answer::OK;
use crate::client::Client;
use crate::proxy::Proxy;
use crate::request::embedded::wall_ms;

/// Most keys that a client watches.
const KEYS_MAX: usize = 1024;
const TOO_MANY: &[u8] = b"-ERR a client may watch 1024 keys of the embedded cache at most\r\n";

impl Proxy {
    /// Watches the keys of a request.
    #[cold]
    pub(super) fn watch_embedded<I: Io>(&mut self, io: &mut I, client: &mut Client, args: Args<'_>) {
        let now_ms = wall_ms(io);
        let watched = &mut client.session.stateful().watched_here;
        if watched.len() + args.count_left() > KEYS_MAX {
            client.session.rest();
            return self.give(io, client, TOO_MANY);
        }
        for key in args.skip(1) {
            if watched.iter().all(|(watched, _)| **watched != *key.bytes()) {
                watched.push((key.bytes().into(), self.store.watch(key.bytes(), now_ms)));
            }
        }
        self.give(io, client, OK);
    }

    /// Ends the watch of a client's keys. True if one of them has changed.
    pub(crate) fn end_embedded_watch(&mut self, client: &mut Client, now_ms: u64) -> bool {
        let Some(state) = &mut client.session.state else { return false };
        let mut is_broken = false;
        for (key, version) in std::mem::take(&mut state.watched_here) {
            is_broken |= !self.store.unwatch(&key, version, now_ms);
        }
        client.session.rest();
        is_broken
    }
}

#[cfg(test)]
mod tests {
    use net::{App, ConnId};

    use crate::testing::World;

    const POOL: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"local\"]\n";

    fn send(w: &mut World, client: ConnId, lines: &[&str]) -> String {
        let before = w.sent(client).len();
        for line in lines {
            let mut bytes = Vec::new();
            wire::redis::encode_inline(line.as_bytes(), &mut bytes).unwrap();
            w.receive(client, &bytes);
        }
        w.sent(client)[before..].to_owned()
    }

    #[test]
    fn a_transaction_whose_keys_have_changed_is_not_executed() {
        let mut w = World::new(POOL);
        let (client, other) = (w.accept(0), w.accept(0));
        let same = send(&mut w, client, &["SET k 1", "WATCH k l", "GET k", "MULTI", "INCR k", "EXEC"]);
        assert_eq!(same, "+OK\r\n+OK\r\n$1\r\n1\r\n+OK\r\n+QUEUED\r\n*1\r\n:2\r\n");
        for change in ["SET l x", "DEL k", "RPUSH l x", "FLUSHALL", "EXPIRE k 100"] {
            send(&mut w, other, &["FLUSHALL", "SET k 1"]);
            send(&mut w, client, &["WATCH k l"]);
            send(&mut w, other, &[change]);
            assert_eq!(
                send(&mut w, client, &["MULTI", "SET m 1", "EXEC"]),
                "+OK\r\n+QUEUED\r\n*-1\r\n",
                "{change}"
            );
            assert_eq!(send(&mut w, client, &["GET m"]), "$-1\r\n");
        }
        for end in ["UNWATCH", "RESET"] {
            send(&mut w, client, &["WATCH k l", end]);
            send(&mut w, other, &["SET k other"]);
            let executed = send(&mut w, client, &["MULTI", "EXISTS k", "EXEC"]);
            assert_eq!(executed, "+OK\r\n+QUEUED\r\n*1\r\n:1\r\n", "{end}");
        }
        send(&mut w, client, &["WATCH k"]);
        w.proxy.ended(&mut w.io, client);
        assert!(!w.proxy.store.is_watched(), "nothing is left of a client that has gone");
    }
}
