//! Telling of keys that change, expire or are evicted, and the search for those that have expired.

use super::Store;
use crate::events::{Class, Told};
use crate::published::Published;

/// Messages of events that may wait to be taken; further ones are lost.
const WAITING_MAX: usize = 100_000;
/// Entries that are looked at in one go of [`Store::sweep`],
const LOOK: usize = 200;
/// and in all goes of one call, while many of them have expired.
const LOOK_MAX: usize = 20_000;

impl Store {
    /// The events that are told, in Redis' letters (`notify-keyspace-events`).
    pub fn events(&self) -> String {
        self.told.letters()
    }

    pub(crate) fn set_events(&mut self, told: Told) {
        self.told = told;
    }

    /// True if the ends of keys are told: they have to be looked for, by [`Store::sweep`].
    pub fn tells_of_ends(&self) -> bool {
        self.told.has(Class::EXPIRED)
    }

    /// True if events are told.
    #[inline]
    pub(crate) fn tells(&self) -> bool {
        self.told.is_any()
    }

    /// Tells of an event of a key.
    #[cold]
    pub(crate) fn tell(&mut self, class: Class, event: &str, key: &[u8]) {
        if !self.told.has(class) || self.published.len() >= WAITING_MAX {
            return;
        }
        for (channel, message) in self.told.messages(event, key) {
            self.published.push(Published {
                is_sharded: false,
                is_event: true,
                channel: channel.into(),
                message: message.into(),
            });
        }
    }

    /// Tells of a change of a key, and of its end if nothing is left of it.
    #[cold]
    pub(crate) fn tell_change(&mut self, class: Class, event: &str, key: &[u8]) {
        self.tell(class, event, key);
        if self.keyspace.find(key).is_none() {
            self.tell(Class::GENERIC, "del", key);
        }
    }

    /// Takes out an expired entry.
    pub(super) fn expire_at(&mut self, at: usize) {
        self.counters.expired += 1;
        let entry = self.take_at(at);
        if let Some(entry) = entry.filter(|_| self.tells()) {
            self.tell(Class::EXPIRED, "expired", entry.key());
        }
    }

    /// Takes out some of the entries that have expired: a few are looked at, and more while many have.
    /// Called now and then, it finds each.
    pub fn sweep(&mut self, now_ms: u64) {
        for _ in 0..LOOK_MAX / LOOK {
            let mut found = 0;
            for _ in 0..LOOK.min(self.keyspace.len()) {
                // Backwards, so that what fills a gap has been looked at.
                self.swept =
                    self.swept.min(self.keyspace.len()).checked_sub(1).unwrap_or(self.keyspace.len() - 1);
                if !self.keyspace.at(self.swept).is_live(now_ms) {
                    self.expire_at(self.swept);
                    found += 1;
                }
            }
            if found * 4 < LOOK {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use wire::redis::Version;

    use super::*;

    fn told(store: &mut Store) -> Vec<String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let all = store.take_published().into_iter();
        all.map(|one| {
            format!("{} {}", text(&one.channel).trim_start_matches("__keyevent@0__:"), text(&one.message))
        })
        .collect()
    }

    fn run(store: &mut Store, now_ms: u64, requests: &[&str]) -> Vec<String> {
        for request in requests {
            let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
            store.execute_redis(&args, now_ms, Version::Resp2, &mut Vec::new());
        }
        told(store)
    }

    #[test]
    fn every_end_is_told_once() {
        let mut store = Store::new(1 << 20);
        store.set_events(Told::parse(b"ExeA").unwrap());
        for key in 0..1000 {
            run(&mut store, 0, &[&format!("SET k{key} v PX {}", 1 + key % 50)]);
        }
        run(&mut store, 0, &["SET stays v", "SET later v PX 500"]);
        let mut ends = 0;
        for now_ms in 0..200 {
            store.sweep(now_ms);
            ends += told(&mut store).iter().filter(|event| event.starts_with("expired k")).count();
        }
        assert_eq!((ends, store.len()), (1000, 2));
        assert_eq!(run(&mut store, 501, &["GET later"]), ["expired later"]);
    }

    #[test]
    fn messages_that_nobody_takes_are_bounded() {
        let mut store = Store::new(1 << 20);
        store.set_events(Told::parse(b"EA").unwrap());
        for _ in 0..WAITING_MAX + 10 {
            store.tell(Class::GENERIC, "del", b"k");
        }
        assert_eq!(store.take_published().len(), WAITING_MAX);
        assert!(run(&mut store, 0, &["CONFIG SET notify-keyspace-events x", "SET k v"]).is_empty());
    }

    #[test]
    fn a_change_that_leaves_nothing_is_an_end() {
        let mut store = Store::new(1 << 20);
        run(&mut store, 0, &["CONFIG SET notify-keyspace-events EA"]);
        let cases: [(&[&str], &[&str]); 12] = [
            (&["RPUSH l a b", "RPOP l", "LPOP l"], &["rpush l", "rpop l", "lpop l", "del l"]),
            (&["SADD s a", "SADD s a", "SREM s b", "SREM s a"], &["sadd s", "srem s", "del s"]),
            (
                &["SET k v EX 10", "PERSIST k", "PERSIST k", "DEL k k"],
                &["set k", "expire k", "persist k", "del k"],
            ),
            (
                &["ZADD z 1 a", "ZADD z 1 a", "ZINCRBY z 1 a", "ZPOPMIN z"],
                &["zadd z", "zincr z", "zpopmin z", "del z"],
            ),
            (&["HSET h f v", "HSET h f w", "HDEL h f"], &["hset h", "hset h", "hdel h", "del h"]),
            (&["SET a v", "RENAME a b", "COPY b c"], &["set a", "rename_from a", "rename_to b", "copy_to c"]),
            (&["EXPIRE b -1", "GETDEL c"], &["del b", "del c"]),
            (&["RPUSH x a", "LMOVE x y LEFT RIGHT"], &["rpush x", "rpush y", "lpop x", "del x"]),
            (&["SADD p a", "SMOVE p q a"], &["sadd p", "srem p", "del p", "sadd q"]),
            (&["SINTERSTORE q q none", "SINTERSTORE q q none"], &["del q"]),
            (&["INCR n", "APPEND n 1", "SETRANGE n 0 2"], &["incrby n", "append n", "setrange n"]),
            (&["XADD t 1-1 f v", "XDEL t 1-1", "XDEL t 1-1"], &["xadd t", "xdel t"]),
        ];
        for (requests, events) in cases {
            assert_eq!(run(&mut store, 0, requests), events, "{requests:?}");
        }
    }
}
