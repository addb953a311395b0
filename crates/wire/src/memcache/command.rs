//! The table of commands: name, line syntax, and treatment by a proxy.
//!
//! Parser, documentation and proxy share this table.

use super::ReplyKind;
use crate::redis::command::Side;

/// Key whose server gets requests without a key that need one server, as nutcracker 0.5.0.
pub const PLACEHOLDER_KEY: &[u8] = b"placeholder";

/// A command, by its name in the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Command {
    Get,
    Gets,
    Gat,
    Gats,
    Set,
    Add,
    Replace,
    Append,
    Prepend,
    Cas,
    Incr,
    Decr,
    Touch,
    Delete,
    MetaGet,
    MetaSet,
    MetaDelete,
    MetaArithmetic,
    MetaNoop,
    MetaDebug,
    FlushAll,
    Stats,
    Version,
    Verbosity,
    Quit,
    Bget,
    CacheMemlimit,
    Extstore,
    Lru,
    LruCrawler,
    RefreshCerts,
    Shutdown,
    Slabs,
    Watch,
    StatsSettings,
    StatsItems,
    StatsSlabs,
    StatsSizes,
    StatsReset,
}

/// Syntax of a command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `get k…`; with `exptime`, `gat t k…`.
    Keys {
        /// The first argument is an expiry time.
        exptime: bool,
    },
    /// `set k flags exptime bytes [noreply]` and a data block; `cas` has a token after the byte count.
    Storage {
        /// A cas token follows the byte count.
        cas: bool,
    },
    /// `incr k delta [noreply]`.
    Arithmetic,
    /// `touch k exptime [noreply]`.
    Touch,
    /// `delete k [0] [noreply]`.
    Delete,
    /// `mg k flags…`, `md`, `ma`.
    Meta,
    /// `ms k bytes flags…` and a data block.
    MetaStorage,
    /// `me k [b]`.
    MetaDebug,
    /// `flush_all [delay] [noreply]`.
    FlushAll,
    /// `verbosity level [noreply]`.
    Verbosity,
    /// `stats [group]`.
    Stats,
    /// Arguments are ignored.
    Bare,
}

/// Destination of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// To the server of its key.
    Key,
    /// Each key to its server: one request per server, replies merged.
    EachKey,
    /// To one server, that of [`PLACEHOLDER_KEY`].
    OneServer,
    /// To every server of the pool.
    EveryServer,
    /// To the only server of a pool; the proxy of a larger pool answers with this line.
    OnlyServer(&'static str),
    /// Nowhere: the proxy answers.
    Here,
    /// Nowhere: the proxy answers with this line.
    Refused(&'static str),
}

/// Rule for merging replies from several servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// A single reply.
    One,
    /// VALUE blocks in the order of the request's keys, then END; one error line if a part failed.
    Values,
    /// `OK` if every server answered so, otherwise the first error.
    AllOk,
    /// STAT lines by name: counts are summed, anything else is the first server's.
    Stats,
}

/// Safety of resending a request whose connection died before any byte of the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It changes nothing.
    Safe,
    /// Safe without any of these meta flags.
    SafeWithout(&'static [u8]),
    /// Never.
    No,
}

/// One command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The command.
    pub command: Command,
    /// Its name on the wire, lower case only.
    pub name: &'static str,
    /// Arguments after the name.
    pub arguments: &'static str,
    /// Syntax of its line.
    pub shape: Shape,
    /// Its destination.
    pub route: Route,
    /// Rule for merging its replies.
    pub merge: Merge,
    /// Form of its reply.
    pub reply: ReplyKind,
    /// True if it accepts `noreply` as last argument.
    pub noreply: bool,
    /// Safety of resending it.
    pub retry: Retry,
    /// True if memcached answers later requests of the connection differently after it. If it is refused, the
    /// connection must close.
    pub stateful: bool,
    /// The equivalent Redis command and its use of keys, which access rules refer to. None: always allowed,
    /// or never served.
    pub judged: Option<(&'static str, Side)>,
    /// A sentence for the documentation.
    pub note: &'static str,
}

impl Command {
    /// This command's row in the table.
    pub fn row(self) -> &'static Row {
        &COMMANDS[self as usize]
    }

    /// The command called `name`; names are lower case, as in memcached.
    pub(crate) fn named(name: &[u8]) -> Option<Command> {
        Some(match name {
            b"get" => Command::Get,
            b"set" => Command::Set,
            b"mg" => Command::MetaGet,
            b"ms" => Command::MetaSet,
            b"gets" => Command::Gets,
            b"gat" => Command::Gat,
            b"gats" => Command::Gats,
            b"add" => Command::Add,
            b"replace" => Command::Replace,
            b"append" => Command::Append,
            b"prepend" => Command::Prepend,
            b"cas" => Command::Cas,
            b"incr" => Command::Incr,
            b"decr" => Command::Decr,
            b"touch" => Command::Touch,
            b"delete" => Command::Delete,
            b"md" => Command::MetaDelete,
            b"ma" => Command::MetaArithmetic,
            b"mn" => Command::MetaNoop,
            b"me" => Command::MetaDebug,
            _ => return Command::rare(name),
        })
    }

    /// The `stats` command of this group, if it is forwarded.
    pub(crate) fn stats_of(group: &[u8]) -> Option<Command> {
        let is_it = |row: &&Row| row.name.strip_prefix("stats ").is_some_and(|name| name.as_bytes() == group);
        COMMANDS.iter().find(is_it).map(|row| row.command)
    }

    fn rare(name: &[u8]) -> Option<Command> {
        COMMANDS.iter().find(|row| row.name.as_bytes() == name).map(|row| row.command)
    }
}

const GET: Row = Row {
    command: Command::Get,
    name: "get",
    arguments: "<key>…",
    shape: Shape::Keys { exptime: false },
    route: Route::EachKey,
    merge: Merge::Values,
    reply: ReplyKind::Values,
    noreply: false,
    retry: Retry::Safe,
    stateful: false,
    judged: Some(("get", Side::READ)),
    note: "Split per server; hits come back in the order of the request's keys.",
};

const GAT: Row = Row {
    command: Command::Gat,
    name: "gat",
    arguments: "<exptime> <key>…",
    shape: Shape::Keys { exptime: true },
    retry: Retry::No,
    judged: Some(("getex", Side::BOTH)),
    note: "As `get`; the line is limited like any other, since servers drop longer ones.",
    ..GET
};

const SET: Row = Row {
    command: Command::Set,
    name: "set",
    arguments: "<key> <flags> <exptime> <bytes> [noreply]",
    shape: Shape::Storage { cas: false },
    route: Route::Key,
    merge: Merge::One,
    reply: ReplyKind::Stored,
    noreply: true,
    retry: Retry::No,
    stateful: false,
    judged: Some(("set", Side::WRITE)),
    note: "Negative expiry times and flags up to 2^64-1 are passed on, as memcached takes them.",
};

const INCR: Row = Row {
    command: Command::Incr,
    name: "incr",
    arguments: "<key> <delta> [noreply]",
    shape: Shape::Arithmetic,
    reply: ReplyKind::Number,
    judged: Some(("incr", Side::BOTH)),
    note: "",
    ..SET
};

const META_GET: Row = Row {
    command: Command::MetaGet,
    name: "mg",
    arguments: "<key> <flag>…",
    shape: Shape::Meta,
    route: Route::Key,
    merge: Merge::One,
    reply: ReplyKind::MetaGet,
    noreply: false,
    retry: Retry::SafeWithout(b"NRTE"),
    stateful: false,
    judged: Some(("get", Side::READ)),
    note: "Not repeated with a flag that changes the item or hands out a win.",
};

const EVERYWHERE: Row = Row {
    command: Command::FlushAll,
    name: "flush_all",
    arguments: "[delay] [noreply]",
    shape: Shape::FlushAll,
    route: Route::EveryServer,
    merge: Merge::AllOk,
    reply: ReplyKind::Ok,
    noreply: true,
    retry: Retry::No,
    stateful: false,
    judged: Some(("flushall", Side::WRITE)),
    note: "Sent to every server of the pool; `OK` when all have said so.",
};

const STATS_GROUP: Row = Row {
    command: Command::StatsSettings,
    name: "stats settings",
    arguments: "",
    shape: Shape::Stats,
    route: Route::OnlyServer(
        "CLIENT_ERROR stats with an argument needs a pool with one server, ask the servers themselves\r\n",
    ),
    merge: Merge::One,
    reply: ReplyKind::Stats,
    noreply: false,
    retry: Retry::Safe,
    stateful: false,
    judged: Some(("info", Side::NONE)),
    note: "",
};

const HERE: Row = Row {
    command: Command::Quit,
    name: "quit",
    arguments: "",
    shape: Shape::Bare,
    route: Route::Here,
    merge: Merge::One,
    reply: ReplyKind::Never,
    noreply: false,
    retry: Retry::No,
    stateful: false,
    judged: None,
    note: "The connection is closed after everything that was asked before is answered.",
};

macro_rules! refused {
    ($command:ident, $name:literal, $noreply:literal, $note:literal) => {
        Row {
            command: Command::$command,
            name: $name,
            arguments: "…",
            shape: Shape::Bare,
            route: Route::Refused(concat!("CLIENT_ERROR ", $name, " is not available through a proxy\r\n")),
            merge: Merge::One,
            reply: ReplyKind::Never,
            noreply: $noreply,
            retry: Retry::No,
            stateful: false,
            judged: None,
            note: $note,
        }
    };
}

/// All commands, in the order of [`Command`].
pub static COMMANDS: [Row; 39] = [
    GET,
    Row { command: Command::Gets, name: "gets", reply: ReplyKind::ValuesCas, note: "", ..GET },
    GAT,
    Row { command: Command::Gats, name: "gats", reply: ReplyKind::ValuesCas, note: "", ..GAT },
    SET,
    Row { command: Command::Add, name: "add", note: "", ..SET },
    Row { command: Command::Replace, name: "replace", note: "", ..SET },
    Row { command: Command::Append, name: "append", judged: Some(("append", Side::WRITE)), note: "", ..SET },
    Row {
        command: Command::Prepend,
        name: "prepend",
        judged: Some(("append", Side::WRITE)),
        note: "",
        ..SET
    },
    Row {
        command: Command::Cas,
        name: "cas",
        arguments: "<key> <flags> <exptime> <bytes> <cas> [noreply]",
        shape: Shape::Storage { cas: true },
        note: "",
        ..SET
    },
    INCR,
    Row { command: Command::Decr, name: "decr", judged: Some(("decr", Side::BOTH)), ..INCR },
    Row {
        command: Command::Touch,
        name: "touch",
        arguments: "<key> <exptime> [noreply]",
        shape: Shape::Touch,
        reply: ReplyKind::Touched,
        judged: Some(("expire", Side::WRITE)),
        ..INCR
    },
    Row {
        command: Command::Delete,
        name: "delete",
        arguments: "<key> [0] [noreply]",
        shape: Shape::Delete,
        reply: ReplyKind::Deleted,
        judged: Some(("del", Side::WRITE)),
        ..INCR
    },
    META_GET,
    Row {
        command: Command::MetaSet,
        name: "ms",
        arguments: "<key> <bytes> <flag>…",
        shape: Shape::MetaStorage,
        reply: ReplyKind::MetaSet,
        judged: Some(("set", Side::WRITE)),
        retry: Retry::No,
        note: "",
        ..META_GET
    },
    Row {
        command: Command::MetaDelete,
        name: "md",
        reply: ReplyKind::MetaDelete,
        judged: Some(("del", Side::WRITE)),
        retry: Retry::No,
        note: "",
        ..META_GET
    },
    Row {
        command: Command::MetaArithmetic,
        name: "ma",
        reply: ReplyKind::MetaArithmetic,
        judged: Some(("incrby", Side::BOTH)),
        retry: Retry::No,
        note: "",
        ..META_GET
    },
    Row {
        command: Command::MetaNoop,
        name: "mn",
        reply: ReplyKind::MetaNoop,
        note: "Answered `MN` once everything asked before it is settled; also the probe of a server's health.",
        ..HERE
    },
    Row {
        command: Command::MetaDebug,
        name: "me",
        arguments: "<key> [b]",
        shape: Shape::MetaDebug,
        reply: ReplyKind::MetaDebug,
        retry: Retry::Safe,
        note: "",
        ..META_GET
    },
    EVERYWHERE,
    Row {
        command: Command::Stats,
        name: "stats",
        arguments: "",
        shape: Shape::Stats,
        merge: Merge::Stats,
        reply: ReplyKind::Stats,
        noreply: false,
        retry: Retry::Safe,
        judged: Some(("info", Side::NONE)),
        note: "Counters summed over the servers. Arguments but those below are refused: ask the server itself.",
        ..EVERYWHERE
    },
    Row {
        command: Command::Version,
        name: "version",
        arguments: "",
        shape: Shape::Bare,
        route: Route::OneServer,
        merge: Merge::One,
        reply: ReplyKind::Version,
        noreply: false,
        retry: Retry::Safe,
        stateful: false,
        judged: Some(("ping", Side::NONE)),
        note: "The version of one server, the one that owns the key `placeholder`, as nutcracker.",
    },
    Row {
        command: Command::Verbosity,
        name: "verbosity",
        arguments: "<level> [noreply]",
        shape: Shape::Verbosity,
        judged: Some(("config|set", Side::NONE)),
        note: "Sent to every server.",
        ..EVERYWHERE
    },
    HERE,
    refused!(Bget, "bget", false, "Undocumented; use `get`."),
    refused!(CacheMemlimit, "cache_memlimit", true, "Administration of one server."),
    refused!(Extstore, "extstore", true, "Administration of one server."),
    refused!(Lru, "lru", true, "Administration of one server."),
    refused!(
        LruCrawler,
        "lru_crawler",
        false,
        "Administration of one server; `metadump` takes over the connection."
    ),
    refused!(RefreshCerts, "refresh_certs", true, "Administration of one server."),
    refused!(Shutdown, "shutdown", false, "Would stop a shared server."),
    refused!(Slabs, "slabs", true, "Administration of one server."),
    Row { stateful: true, ..refused!(Watch, "watch", true, "Turns the connection into a stream of events.") },
    STATS_GROUP,
    Row { command: Command::StatsItems, name: "stats items", ..STATS_GROUP },
    Row { command: Command::StatsSlabs, name: "stats slabs", ..STATS_GROUP },
    Row { command: Command::StatsSizes, name: "stats sizes", ..STATS_GROUP },
    Row {
        command: Command::StatsReset,
        name: "stats reset",
        reply: ReplyKind::Reset,
        retry: Retry::No,
        judged: Some(("config|resetstat", Side::NONE)),
        ..STATS_GROUP
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_in_the_order_of_the_enum_and_every_name_is_found() {
        for (index, row) in COMMANDS.iter().enumerate() {
            assert_eq!(row.command as usize, index, "{}", row.name);
            assert_eq!(Command::named(row.name.as_bytes()), Some(row.command));
            assert_eq!(row.command.row().name, row.name);
            assert_eq!(Command::named(row.name.to_uppercase().as_bytes()), None);
        }
        assert_eq!(Command::named(b""), None);
        assert_eq!(Command::named(b"getx"), None);
    }
}
