//! The columns of the options table: types of a row's fields, and their words
//! in documentation and error texts.
//!
//! Rows are in one file per kind of section. For a new [`Kind`] the compiler
//! points out where to read and show it.

use std::time::Duration;

use access::SECRET_BYTES_MAX;

use crate::limits::POOL_SERVERS_MAX;

/// One option.
#[derive(Debug, Clone, Copy)]
pub struct OptionSpec {
    /// Name in the file.
    pub name: &'static str,
    /// Its section.
    pub scope: Scope,
    /// Type and range.
    pub kind: Kind,
    /// Its default.
    pub absent: Absent,
    /// Time at which a change of it takes effect in a running process.
    pub applies: Applies,
    /// Its meaning, in full sentences.
    pub doc: &'static str,
    /// First version with the option.
    pub since: &'static str,
    /// Its name in nutcracker.yml.
    pub nutcracker: Option<&'static str>,
    /// Its name among nsqd's flags, without dashes.
    pub nsqd: Option<&'static str>,
}

/// A row of the table that nutcracker and nsqd have no name for.
pub(crate) const fn option(
    scope: Scope,
    name: &'static str,
    kind: Kind,
    absent: Absent,
    applies: Applies,
    doc: &'static str,
) -> OptionSpec {
    OptionSpec { name, scope, kind, absent, applies, doc, since: "0.1", nutcracker: None, nsqd: None }
}

/// Section of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// At the top of the file.
    Process,
    /// `[log]`
    Log,
    /// `[stats]`
    Stats,
    /// `[admin]`
    Admin,
    /// `[local]`
    Local,
    /// `[pool.NAME]`
    Pool,
    /// An element of a pool's `servers`, if written as a table.
    Server,
    /// An element of a pool's `listen`, if written as a table.
    Listener,
    /// The table `tls` of a pool, or of `[admin]`.
    Tls,
    /// The table `server_tls` of a pool.
    ServerTls,
    /// `[queue]`
    Queue,
    /// An element of `topic` of the queue.
    QueueTopic,
    /// `[engine]`
    Engine,
    /// `[lookup]`
    Lookup,
    /// `[user.NAME]`
    User,
}

impl Scope {
    /// Every scope, in the order of the documentation.
    pub const ALL: &'static [Scope] = &[
        Scope::Process,
        Scope::Log,
        Scope::Stats,
        Scope::Admin,
        Scope::Local,
        Scope::Pool,
        Scope::Server,
        Scope::Listener,
        Scope::Tls,
        Scope::ServerTls,
        Scope::Queue,
        Scope::QueueTopic,
        Scope::Engine,
        Scope::Lookup,
        Scope::User,
    ];

    /// Heading of the section.
    pub const fn heading(self) -> &'static str {
        match self {
            Scope::Process => "top of the file",
            Scope::Log => "[log]",
            Scope::Stats => "[stats]",
            Scope::Admin => "[admin]",
            Scope::Local => "[local]",
            Scope::Pool => "[pool.NAME]",
            Scope::Server => "servers = [{ ... }]",
            Scope::Listener => "listen = [{ ... }]",
            Scope::Tls => "tls = { ... }",
            Scope::ServerTls => "server_tls = { ... }",
            Scope::Queue => "[queue]",
            Scope::QueueTopic => "[[queue.topic]]",
            Scope::Engine => "[engine]",
            Scope::Lookup => "[lookup]",
            Scope::User => "[user.NAME]",
        }
    }

    /// Purpose of the section.
    pub const fn doc(self) -> &'static str {
        match self {
            Scope::Process => "The process as a whole.",
            Scope::Log => "What is logged, and where.",
            Scope::Stats => "nutcracker's statistics port: connect, read one line of JSON.",
            Scope::Admin => "Metrics and web interface over HTTP.",
            Scope::Local => "The cache inside the process, for servers written as `\"local\"`.",
            Scope::Pool => {
                "A pool of cache servers behind one or more listeners. There may be 16,384 of them, with 131,072 servers in all."
            }
            Scope::Server => "A server that needs more than `\"HOST:PORT:WEIGHT NAME\"` can say.",
            Scope::Listener => {
                "A listener of a pool that says whether clients speak TLS there. Listeners that are texts speak TLS if the pool has \
                 `tls` and no other listener says `tls = true`."
            }
            Scope::Tls => {
                "TLS towards clients: of a pool, for the listeners that have it, or of `[admin]`. Files are PEM, and are read when the \
                 configuration is. Sessions are resumed by tickets."
            }
            Scope::ServerTls => {
                "TLS towards the servers of a pool, on every connection to them. `server_tls = true` is the table without options."
            }
            Scope::Queue => "The message queue. Without this section it is off.",
            Scope::QueueTopic => {
                "A rule for the topics of the queue that match it, of which the first that matches counts. Needs [engine] where it says \
                 storage = \"engine\"."
            }
            Scope::Engine => {
                "A replicated engine that keeps topics of the queue outside this process, so that they outlive a machine: see \
                 docs/engine.md. Which topics these are is said in [queue]. Without this section all topics are local."
            }
            Scope::Lookup => {
                "Discovery, as nsqlookupd: nodes register what they have, consumers ask. Without this section it is off."
            }
            Scope::User => {
                "A user: how it logs in, and what it may do. There may be 10,000 of them, with 1,000 entries in each list and 1,024 bytes in each entry. Whatever no user is named for is \
                 open as without users: a pool that a user names asks for a login, the queue does if some user may publish or \
                 consume, the admin port if some user may see it, and the queue's HTTP API, publishing aside, in either \
                 case."
            }
        }
    }

    /// Time at which adding or removing such a section takes effect.
    pub const fn presence_applies(self) -> Applies {
        match self {
            Scope::Queue | Scope::Engine | Scope::Lookup => Applies::Restart,
            Scope::Process
            | Scope::Log
            | Scope::Stats
            | Scope::Admin
            | Scope::Local
            | Scope::Pool
            | Scope::Server
            | Scope::Listener
            | Scope::Tls
            | Scope::ServerTls
            | Scope::QueueTopic
            | Scope::User => Applies::Live,
        }
    }
}

/// Type and range of an option.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer {
        /// Least value.
        min: i64,
        /// Greatest value.
        max: i64,
    },
    /// A duration; see [`crate::quantity`].
    Duration {
        /// Least value.
        min: Duration,
        /// Greatest value.
        max: Duration,
        /// `0` and `"off"` are allowed and mean none.
        off: bool,
    },
    /// A number of bytes; see [`crate::quantity`].
    Size {
        /// Least value.
        min: u64,
        /// Greatest value.
        max: u64,
    },
    /// Any text.
    Text,
    /// A text that is never shown.
    Secret,
    /// One or more texts that are never shown.
    Secrets,
    /// Path of a file with the value of another option of the section, which is a secret.
    SecretFile {
        /// Name of the other option.
        of: &'static str,
    },
    /// Path of a file or directory.
    Path,
    /// Path of a file, or an empty text for none.
    PathOrNone,
    /// One of a list of words.
    Choice(fn() -> Vec<&'static str>),
    /// Exactly two characters of one byte each.
    HashTag,
    /// A listening address.
    Listen,
    /// One or more listeners of a pool.
    Listens,
    /// The table [`Scope::Tls`].
    Tls,
    /// The table [`Scope::ServerTls`], or `true`.
    ServerTls,
    /// One or more servers.
    Servers,
    /// Tables [`Scope::QueueTopic`].
    Topics,
    /// An address to connect to, as a server of a pool.
    Target,
    /// One or more texts.
    Texts,
    /// Events in time; see [`access::Rate`].
    Rate,
    /// A list of numbers above 0, at most 1.
    Quantiles,
}

/// Default of an option.
#[derive(Debug, Clone, Copy)]
pub enum Absent {
    /// The option is mandatory.
    Required,
    /// Not set; the text explains the effect.
    Unset(&'static str),
    /// This value, as if it were written.
    Is(&'static str),
    /// Depends on the machine; the text explains how.
    Computed(&'static str),
}

/// Time at which a change takes effect in a running process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Applies {
    /// With the reload, for existing connections as well.
    Live,
    /// With the reload, for new connections; existing ones keep their old value.
    NewConnections,
    /// At the next start of the process.
    Restart,
}

impl Applies {
    /// Every value, the earliest first.
    pub const ALL: [Applies; 3] = [Applies::Live, Applies::NewConnections, Applies::Restart];

    /// Its name in documentation and in lists of changes.
    pub const fn name(self) -> &'static str {
        match self {
            Applies::Live => "live",
            Applies::NewConnections => "new connections",
            Applies::Restart => "restart",
        }
    }

    /// Its meaning, as part of a sentence.
    pub const fn doc(self) -> &'static str {
        match self {
            Applies::Live => "at the reload, without closing a connection that can stay",
            Applies::NewConnections => {
                "at the reload, for connections made afterwards; those that stand keep what they began with"
            }
            Applies::Restart => "when the process is started again; until then it runs with the value it has",
        }
    }
}

/// Upper limit of durations: no option needs more, and arithmetic with it cannot overflow.
pub(crate) const DAYS_MAX: Duration = Duration::from_hours(365 * 24);

pub(crate) const fn integer(min: i64, max: i64) -> Kind {
    Kind::Integer { min, max }
}

/// A duration between `min` milliseconds and a year.
pub(crate) const fn duration(min_ms: u64) -> Kind {
    Kind::Duration { min: Duration::from_millis(min_ms), max: DAYS_MAX, off: false }
}

/// A duration up to a year, or none.
pub(crate) const fn duration_or_off() -> Kind {
    Kind::Duration { min: Duration::from_millis(1), max: DAYS_MAX, off: true }
}

pub(crate) const fn size(min: u64, max: u64) -> Kind {
    Kind::Size { min, max }
}

impl Kind {
    /// The type and range in words, for documentation and error texts.
    pub fn describe(&self) -> String {
        use crate::quantity::{show_duration, show_size};
        match *self {
            Kind::Bool => "true or false".into(),
            Kind::Integer { min, max } if max == i64::MAX => format!("a whole number, at least {min}"),
            Kind::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Kind::Duration { min, max, off } => {
                let least = if min.is_zero() { String::new() } else { format!(", at least {}", show_duration(min)) };
                let most =
                    if max == DAYS_MAX { String::new() } else { format!(", at most {}", show_duration(max)) };
                let none = if off { ", or \"off\"" } else { "" };
                format!("a duration such as \"400ms\" or \"2s\" (a bare number is milliseconds){least}{most}{none}")
            }
            Kind::Size { min, max } => {
                let least = if min == 0 { String::new() } else { format!(", at least {}", show_size(min)) };
                let most =
                    if max > 1 << 50 { String::new() } else { format!(", at most {}", show_size(max)) };
                format!("a size such as \"16KiB\" or \"1GB\" (a bare number is bytes){least}{most}")
            }
            Kind::Text | Kind::Secret => "a text".into(),
            Kind::Path => "a path".into(),
            Kind::SecretFile { .. } => format!("a path of a file whose first line has at most {SECRET_BYTES_MAX} bytes"),
            Kind::PathOrNone => "a path, or an empty text for none".into(),
            Kind::Choice(words) => {
                let words: Vec<_> = words().iter().map(|word| format!("\"{word}\"")).collect();
                format!("one of {}", words.join(", "))
            }
            Kind::HashTag => "a text of exactly two one-byte characters, such as \"{}\"".into(),
            Kind::Listen => "an address such as \"127.0.0.1:22121\", \"[::1]:22121\" or \"/path 0660\"".into(),
            Kind::Listens => {
                "an address such as \"127.0.0.1:22121\", \"[::1]:22121\" or \"/path 0660\", a table with it, or a list of them".into()
            }
            Kind::Tls => "a table such as { cert = \"web.pem\", key = \"web.key\" }".into(),
            Kind::ServerTls => "true, or a table such as { ca = \"ca.pem\" }".into(),
            Kind::Servers => format!(
                "a list of at most {POOL_SERVERS_MAX} servers such as \"10.0.0.1:6379\", \"10.0.0.1:6379:1 name\", \"/path:1 name\" \
                 or \"local\""
            ),
            Kind::Topics => "tables such as { match = \"orders.*\", storage = \"engine\" }, written as [[queue.topic]]".into(),
            Kind::Target => "an address such as \"10.0.0.1:6379\", \"/path\" or \"local\"".into(),
            Kind::Texts | Kind::Secrets => "a text, or a list of texts".into(),
            Kind::Rate => "a rate such as \"2000/s\", \"120/min\" or \"100/s burst 500\"".into(),
            Kind::Quantiles => "a list of numbers above 0, at most 1".into(),
        }
    }
}
