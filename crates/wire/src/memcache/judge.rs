//! The Redis command by which access rules judge a memcached request: one set of rules covers both protocols.

use std::sync::LazyLock;

use super::command::COMMANDS;
use super::{Command, Request};
use crate::redis;
use crate::redis::command::{Side, named};

type Judged = Option<(&'static redis::Command, Side)>;

static JUDGED: LazyLock<[Judged; COMMANDS.len()]> = LazyLock::new(|| {
    let resolved = |at: usize| COMMANDS[at].judged.and_then(|(name, side)| Some((named(name)?, side)));
    std::array::from_fn(resolved)
});

/// Flags with which `mg` changes or creates its item.
const MG_WRITES: &[u8] = b"NRT";

impl Request {
    /// The equivalent Redis command and its use of each key. None: always allowed.
    #[inline]
    pub fn judged(&self) -> Option<(&'static redis::Command, Side)> {
        let changes = self.command() == Command::MetaGet && self.flags().has_any(MG_WRITES);
        JUDGED[if changes { Command::Gat } else { self.command() } as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memcache::{Limits, RequestScanner, Route, Scan};

    #[test]
    fn what_is_served_is_judged() {
        for row in &COMMANDS {
            let is_free = matches!(row.route, Route::Refused(_)) || matches!(row.name, "quit" | "mn");
            assert_eq!(JUDGED[row.command as usize].is_none(), is_free, "{}", row.name);
            assert_eq!(row.judged.is_none(), is_free, "{}", row.name);
        }
    }

    #[test]
    fn requests() {
        for (line, expected) in [
            ("get a b\r\n", Some(("get", Side::READ))),
            ("gats 10 a\r\n", Some(("getex", Side::BOTH))),
            ("set a 0 0 1\r\nx\r\n", Some(("set", Side::WRITE))),
            ("cas a 0 0 1 5\r\nx\r\n", Some(("set", Side::WRITE))),
            ("prepend a 0 0 1\r\nx\r\n", Some(("append", Side::WRITE))),
            ("incr a 1\r\n", Some(("incr", Side::BOTH))),
            ("decr a 1\r\n", Some(("decr", Side::BOTH))),
            ("touch a 1\r\n", Some(("expire", Side::WRITE))),
            ("delete a\r\n", Some(("del", Side::WRITE))),
            ("mg a v t\r\n", Some(("get", Side::READ))),
            ("mg a v T30\r\n", Some(("getex", Side::BOTH))),
            ("mg a N30 v\r\n", Some(("getex", Side::BOTH))),
            ("mg a R30 v\r\n", Some(("getex", Side::BOTH))),
            ("ms a 1\r\nx\r\n", Some(("set", Side::WRITE))),
            ("md a\r\n", Some(("del", Side::WRITE))),
            ("ma a\r\n", Some(("incrby", Side::BOTH))),
            ("me a\r\n", Some(("get", Side::READ))),
            ("flush_all\r\n", Some(("flushall", Side::WRITE))),
            ("stats\r\n", Some(("info", Side::NONE))),
            ("stats reset\r\n", Some(("config|resetstat", Side::NONE))),
            ("version\r\n", Some(("ping", Side::NONE))),
            ("verbosity 1\r\n", Some(("config|set", Side::NONE))),
            ("mn\r\n", None),
            ("quit\r\n", None),
        ] {
            let Scan::Done(request) = RequestScanner::new().scan(line.as_bytes(), &Limits::default()) else {
                panic!("{line}")
            };
            assert_eq!(request.judged().map(|(command, side)| (command.name, side)), expected, "{line}");
        }
    }
}
