//! The table of commands: arity, flags, key positions, and treatment by the proxy.
//!
//! One table ([`all`]) holds all commands of Redis 7.0 and the few later ones that fit the same rules.
//! Routes, errors for unsupported commands, answers to `COMMAND`, and the tables in the documentation all
//! come from it.

pub mod flags;
mod block_time;
mod category;
mod keys;
mod lookup;
mod merge;
mod permit;
mod reason;
mod refusal;
mod render;
mod route;
mod row;
mod side;
mod subcommands;
mod subject;
mod table;

pub use block_time::BlockTime;
pub use category::categories;
pub use keys::{Count, KeyError, KeySpec, Keys, Part, Parts};
pub use lookup::{all, lookup, named};
pub use merge::Merge;
pub use permit::Permit;
pub use reason::Reason;
pub use refusal::Refusal;
pub use render::{DocsRow, TopologyRow, command_reply, docs_rows, topology_rows};
pub use route::{Route, write_split_head};
pub use side::{Side, Sides};
pub use subject::{Channels, SidedKeys};

/// Number of commands in the table, subcommands not counted.
const COMMANDS: usize = 252;

/// Bound of [`Command::id`], with room for future commands.
pub const IDS_MAX: usize = 512;

/// One command, or one subcommand of a container such as `OBJECT`.
#[derive(Debug)]
pub struct Command {
    /// Its name in lower case; a subcommand's is `object|encoding`, as Redis writes it in errors.
    pub name: &'static str,
    /// Its number among all commands and subcommands of this version, below [`IDS_MAX`].
    pub id: u16,
    /// Number of arguments, including its name (or both names). Negative: at least that many.
    pub arity: i8,
    /// [`flags`] as Redis 7.0 gives them.
    pub flags: u32,
    /// Positions of its keys.
    pub keys: KeySpec,
    /// Its use of the keys: read, written.
    pub sides: Sides,
    /// Treatment by the proxy.
    pub proxied: Proxied,
    /// Permission that it needs of its pool.
    pub permit: Permit,
    /// Redis' group for it: `string`, `sorted-set`, `generic` ….
    pub group: &'static str,
    /// The version of Redis that introduced it.
    pub since: &'static str,
    /// True if Redis executes or answers later commands of the connection differently after it: `MULTI`,
    /// `SELECT`. If it is refused, the connection must close, or later commands run in a state that their
    /// sender did not intend.
    pub stateful: bool,
    /// Its subcommands, if it is a container.
    pub subcommands: &'static [Command],
}

/// Treatment of a command by the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proxied {
    /// Forwarded verbatim to the server of its keys, which must all live there.
    Forward,
    /// Split into one request per server, whose replies are merged.
    Split(Merge),
    /// Sent verbatim to every server that is not ejected; the replies are merged.
    Every(Merge),
    /// Sent verbatim to any server, since all of them answer alike.
    Any,
    /// Sent verbatim to the server of a pool that has one; refused for this reason where there are several.
    Only(Reason),
    /// `SCAN`: sent to one server after another.
    Scan,
    /// Forwarded verbatim to the server of its keys, over a connection that the client has for itself.
    Block,
    /// Forwarded verbatim to the server of the channel that it names first.
    Channel,
    /// Begins or ends subscriptions, which all clients of the proxy share.
    Subscribe,
    /// Answered by the proxy itself.
    Local(Local),
    /// Not served, for this reason.
    Refused(Reason),
}

/// A command answered by the proxy itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Local {
    /// `PING [message]`
    Ping,
    /// `ECHO message`
    Echo,
    /// `QUIT`
    Quit,
    /// `AUTH [username] password`
    Auth,
    /// `HELLO [version [AUTH username password] [SETNAME name]]`
    Hello,
    /// `SELECT index`
    Select,
    /// `RESET`
    Reset,
    /// `MULTI`: requests up to EXEC are collected.
    Multi,
    /// `EXEC`
    Exec,
    /// `DISCARD`
    Discard,
    /// `WATCH`: forwarded over a connection that the client has for itself until EXEC.
    Watch,
    /// `UNWATCH`
    Unwatch,
    /// `ACL CAT [category]`
    AclCat,
    /// `ACL GETUSER name`
    AclGetUser,
    /// `ACL LIST`
    AclList,
    /// `ACL USERS`
    AclUsers,
    /// `ACL WHOAMI`
    AclWhoami,
    /// `CLIENT ID`
    ClientId,
    /// `CLIENT GETNAME`
    ClientGetName,
    /// `CLIENT GETREDIR`
    ClientGetRedir,
    /// `CLIENT INFO`
    ClientInfo,
    /// `CLIENT LIST [TYPE type | ID id…]`
    ClientList,
    /// `CLIENT KILL filter…`
    ClientKill,
    /// `CLIENT UNBLOCK id [TIMEOUT|ERROR]`
    ClientUnblock,
    /// `CLIENT PAUSE timeout [WRITE|ALL]`: requests of the pool's clients wait.
    ClientPause,
    /// `CLIENT UNPAUSE`
    ClientUnpause,
    /// `CLIENT REPLY ON|OFF|SKIP`
    ClientReply,
    /// `CLIENT NO-EVICT ON|OFF` and `CLIENT NO-TOUCH ON|OFF`: without effect here.
    ClientOnOff,
    /// `CLIENT TRACKINGINFO`
    ClientTrackingInfo,
    /// `CLIENT SETNAME name`
    ClientSetName,
    /// `CLIENT SETINFO attribute value` (Redis 7.2; clients send it to any server)
    ClientSetInfo,
    /// `COMMAND` and its subcommands: [`command_reply`] answers.
    Command,
    /// `CONFIG GET pattern …`
    ConfigGet,
    /// `INFO [section …]`
    Info,
    /// `LOLWUT …`
    Lolwut,
    /// `MONITOR`: the requests of the pool's clients on the same shard.
    Monitor,
    /// `SLOWLOG GET [count]`: the slow log of the pool.
    SlowLogGet,
    /// `SLOWLOG LEN`
    SlowLogLen,
    /// `SLOWLOG RESET`
    SlowLogReset,
    /// `TIME`
    Time,
}

impl Command {
    /// True if it may be resent after a first attempt without a reply: it is read-only.
    pub fn retry_safe(&self) -> bool {
        self.flags & flags::READONLY != 0 && self.reaches_servers()
    }

    /// True if a replica's answer is as good as its master's, but for its age: it reads keys, and not how
    /// often or when clients have used them, which each server knows of itself.
    pub fn may_read_replica(&self) -> bool {
        self.retry_safe() && !matches!(self.name, "touch" | "object|freq" | "object|idletime")
    }

    /// True if servers answer it.
    fn reaches_servers(&self) -> bool {
        !matches!(self.proxied, Proxied::Local(_) | Proxied::Refused(_))
    }

    /// True if it reads data and changes none.
    pub fn is_read(&self) -> bool {
        self.flags & flags::READONLY != 0
    }

    /// True if it writes data.
    pub fn is_write(&self) -> bool {
        self.flags & flags::WRITE != 0
    }

    /// True if it may change data, or be passed on to replicas: `CLIENT PAUSE … WRITE` holds it back.
    pub fn may_replicate(&self) -> bool {
        const PASSED_ON: [&str; 6] = ["eval", "evalsha", "fcall", "pfcount", "publish", "spublish"];
        self.is_write() || PASSED_ON.contains(&self.name)
    }

    /// True if it runs a script that the server has to know already.
    #[inline]
    pub fn runs_known_script(&self) -> bool {
        self.flags & flags::NO_MANDATORY_KEYS != 0 && self.name.starts_with("evalsha")
    }

    /// True if it runs, loads or removes scripts, or may: most commands are excluded by a flag.
    #[inline]
    pub fn is_about_scripts(&self) -> bool {
        self.flags & flags::NOSCRIPT != 0
            && (self.name.starts_with("eval") || self.name.starts_with("script|"))
    }

    /// True if the proxy serves it, or a subcommand of it.
    pub fn is_served(&self) -> bool {
        !matches!(self.proxied, Proxied::Refused(_)) || self.subcommands.iter().any(Command::is_served)
    }

    /// True if it takes this many arguments, names included.
    #[inline]
    pub fn takes(&self, argument_count: usize) -> bool {
        let arity = self.arity.unsigned_abs() as usize;
        argument_count == arity || (self.arity < 0 && argument_count > arity)
    }

    /// Its subcommand of that name, ASCII case ignored.
    pub fn subcommand(&self, name: &[u8]) -> Option<&'static Command> {
        let is = |sub: &&Command| sub.short_name().as_bytes().eq_ignore_ascii_case(name);
        self.subcommands.iter().find(is)
    }

    /// True for one of a container, such as `object|encoding`.
    pub fn is_subcommand(&self) -> bool {
        self.name.contains('|')
    }

    /// Its own part of the name: `encoding` for `object|encoding`.
    pub fn short_name(&self) -> &'static str {
        self.name.split_once('|').map_or(self.name, |(_, own)| own)
    }
}

impl PartialEq for Command {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Command {}
