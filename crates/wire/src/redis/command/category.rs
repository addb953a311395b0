//! The command categories of Redis' access control lists (`@read`, `@dangerous` …), shown by `COMMAND INFO`
//! and `COMMAND LIST FILTERBY ACLCAT`.
//!
//! Most follow from the flags and nearly all others from the group; one table has the rest. A test compares
//! every command with a running redis-server.

use super::{Command, flags};

static NAMES: [&str; 21] = [
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

/// Commands whose categories do not follow from their group. A container's row applies to its subcommands
/// too.
const UNLIKE_THEIR_GROUP: &[(&str, &[&str])] = &[
    ("asking", &["connection"]),
    ("command", &["connection"]),
    ("dbsize", &["keyspace"]),
    ("flushall", &["keyspace", "dangerous"]),
    ("flushdb", &["keyspace", "dangerous"]),
    ("info", &["dangerous"]),
    ("keys", &["keyspace", "dangerous"]),
    ("lastsave", &["admin", "dangerous"]),
    ("migrate", &["keyspace", "dangerous"]),
    ("readonly", &["connection"]),
    ("readwrite", &["connection"]),
    ("restore", &["keyspace", "dangerous"]),
    ("restore-asking", &["keyspace", "dangerous"]),
    ("role", &["admin", "dangerous"]),
    ("sort", &["set", "sortedset", "list", "dangerous"]),
    ("sort_ro", &["set", "sortedset", "list", "dangerous"]),
    ("swapdb", &["keyspace", "dangerous"]),
    ("wait", &["connection"]),
];

/// All categories, without the `@`, in Redis' order.
pub fn categories() -> &'static [&'static str] {
    &NAMES
}

impl Command {
    /// Its categories, without the `@`, in Redis' order.
    pub fn categories(&self) -> impl Iterator<Item = &'static str> + Clone + use<> {
        let command =
            Facts { flags: self.flags, group: self.group_categories(), scripting: self.group == "scripting" };
        NAMES.iter().copied().filter(move |name| command.is_in(name))
    }

    /// Categories by its group, or from the table instead.
    fn group_categories(&self) -> &'static [&'static str] {
        let name = self.name.split_once('|').map_or(self.name, |(container, _)| container);
        if let Some((_, categories)) = UNLIKE_THEIR_GROUP.iter().find(|row| row.0 == name) {
            return categories;
        }
        let only_a_container = !self.subcommands.is_empty();
        match self.group {
            _ if only_a_container => &[],
            "generic" => &["keyspace"],
            // covered by the flag, and not all of them have it
            "pubsub" => &[],
            "sorted-set" => &["sortedset"],
            "transactions" => &["transaction"],
            group => NAMES.iter().position(|name| *name == group).map_or(&[], |at| &NAMES[at..=at]),
        }
    }
}

/// Facts that determine a command's categories.
#[derive(Clone, Copy)]
struct Facts {
    flags: u32,
    group: &'static [&'static str],
    scripting: bool,
}

impl Facts {
    fn is_in(self, category: &str) -> bool {
        let has = |flag| self.flags & flag != 0;
        let by_flags = match category {
            "read" => has(flags::READONLY) && !self.scripting,
            "write" => has(flags::WRITE),
            "admin" | "dangerous" => has(flags::ADMIN),
            "pubsub" => has(flags::PUBSUB),
            "blocking" => has(flags::BLOCKING),
            "fast" => has(flags::FAST),
            "slow" => !has(flags::FAST),
            _ => false,
        };
        by_flags || self.group.contains(&category)
    }
}
