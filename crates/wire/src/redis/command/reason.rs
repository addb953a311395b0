//! Reasons a command is not served, and alternatives: both appear in the client's error and in the
//! documentation.
//!
//! One table has the texts. An operator who reads an error in an application's log must learn from it which
//! side to change.

/// The reason a command cannot be served over connections shared by many clients, or across many servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// `WAIT`: it concerns the replicas of one server.
    Replicas,
    /// Publish and subscribe.
    PubSub,
    /// It would swap the data of every server: too much for a command meant for one.
    Destructive,
    /// Functions are loaded and listed on single servers; `FCALL` with keys is served.
    Function,
    /// A running script, on one server.
    RunningScript,
    /// Administration of one server.
    Admin,
    /// Inspection of one server.
    Inspection,
    /// Redis Cluster's own commands.
    Cluster,
    /// Turns the connection into a stream: `MONITOR`, replication.
    Stream,
    /// Client-side caching.
    Tracking,
    /// A server's list of connections, which belong to the proxy.
    ServerClients,
    /// `… HELP`
    Help,
}

impl Reason {
    /// The reason as text.
    pub fn why(self) -> &'static str {
        self.words().0
    }

    /// The user's remedy.
    pub fn remedy(self) -> &'static str {
        self.words().1
    }

    /// Reason and remedy, for an error or a table.
    pub fn text(self) -> String {
        let (why, remedy) = self.words();
        format!("{why}; {remedy}")
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Reason::Replicas => {
                ("each server counts its own replicas only", "set min-replicas-to-write on the servers")
            }
            Reason::PubSub => ("each server knows the channels that live there", "ask each server itself"),
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
            Reason::Tracking => (
                "an invalidation has to come in order with replies, which come over other connections",
                "switch client-side caching off in the client",
            ),
            Reason::ServerClients => (
                "a server knows the connections of the proxy, not its clients",
                "ask the server itself, or the proxy's statistics",
            ),
            Reason::Help => ("a server explains its own subcommands only", "ask a server itself"),
        }
    }
}
