//! Reasons a command is not served, and what to do instead: both are in the error that its client gets, and
//! in the documentation.
//!
//! One table has the words. An operator who reads an error in an application's log has to see from it which
//! side to change.

/// The reason a command cannot be served over connections that many clients share, or across many servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It waits, and everybody behind it on the server's connection would wait with it.
    Blocking,
    /// `WAIT`: it is about what was written on the same connection.
    Replicas,
    /// Publish and subscribe.
    PubSub,
    /// `MULTI` and what belongs to it: state on a connection that is not the client's own.
    Transaction,
    /// It is about all keys, of all servers.
    Keyless,
    /// It would empty or exchange the data of every server: too much for a word that was meant for one.
    Destructive,
    /// Functions are loaded and listed on single servers; `FCALL` with keys is served.
    Function,
    /// A script that runs now, on one server.
    RunningScript,
    /// Running one server.
    Admin,
    /// Looking into one server.
    Inspection,
    /// Redis Cluster's own commands.
    Cluster,
    /// The connection turns into a stream: `MONITOR`, replication.
    Stream,
    /// Client-side caching.
    Tracking,
    /// Other state of a connection: `CLIENT REPLY` ….
    Connection,
    /// A server's list of connections, which are the proxy's.
    ServerClients,
    /// `COMMAND GETKEYSANDFLAGS`.
    KeyFlags,
    /// `… HELP`
    Help,
}

impl Reason {
    /// The reason in words.
    pub fn why(self) -> &'static str {
        self.words().0
    }

    /// The user's remedy.
    pub fn remedy(self) -> &'static str {
        self.words().1
    }

    /// Both, for an error or a table.
    pub fn text(self) -> String {
        let (why, remedy) = self.words();
        format!("{why}; {remedy}")
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Reason::Blocking => {
                ("it would block a connection that clients share", "ask again and again without blocking")
            }
            Reason::Replicas => (
                "it waits for what was written on a connection that clients share",
                "set min-replicas-to-write on the servers",
            ),
            Reason::PubSub => ("publish/subscribe is not proxied", "connect to one of the servers itself"),
            Reason::Transaction => (
                "a transaction needs a connection of its own",
                "use a script (EVAL), or connect to the server itself",
            ),
            Reason::Keyless => ("it is about the keys of all servers", "ask each server itself"),
            Reason::Destructive => {
                ("it would change the data of all servers", "send it to each server itself, if it is meant")
            }
            Reason::Function => {
                ("functions are managed on each server", "send it to each server itself (FCALL is served)")
            }
            Reason::RunningScript => {
                ("it is about a script that runs on one server", "send it to that server itself")
            }
            Reason::Admin => ("it administers one server", "send it to that server itself"),
            Reason::Inspection => ("it tells about one server", "ask that server itself"),
            Reason::Cluster => (
                "it belongs to Redis Cluster",
                "switch cluster mode off in the client: the proxy finds the server of a key",
            ),
            Reason::Stream => {
                ("a connection that clients share cannot become a stream", "connect to the server itself")
            }
            Reason::Tracking => {
                ("client-side caching needs a connection of its own", "switch it off in the client")
            }
            Reason::Connection => ("it changes a connection that clients share", "leave it out"),
            Reason::ServerClients => (
                "a server knows the connections of the proxy, not its clients",
                "ask the server itself, or the proxy's statistics",
            ),
            Reason::KeyFlags => {
                ("the proxy does not know what a command does to each key", "use COMMAND GETKEYS")
            }
            Reason::Help => ("a server explains its own subcommands only", "ask a server itself"),
        }
    }
}
