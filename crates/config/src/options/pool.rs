//! Options of a pool and of a server written as a table.
//!
//! If nutcracker has the option, the row names its directive. Defaults are nutcracker's too, except where
//! those wait forever (`timeout`) or detect nothing (`keepalive`).

use std::time::Duration;

use super::Applies::{Live, NewConnections};
use super::{Absent, Applies, Kind, OptionSpec, Scope, duration, duration_or_off, integer, size};
use crate::checked::{Protocol, ReadFrom, Topology, Unsupported};

const fn option(
    name: &'static str,
    nutcracker: Option<&'static str>,
    kind: Kind,
    absent: Absent,
    applies: Applies,
    doc: &'static str,
) -> OptionSpec {
    OptionSpec { nutcracker, ..super::option(Scope::Pool, name, kind, absent, applies, doc) }
}

const fn server(
    name: &'static str,
    kind: Kind,
    absent: Absent,
    applies: Applies,
    doc: &'static str,
) -> OptionSpec {
    super::option(Scope::Server, name, kind, absent, applies, doc)
}

pub(super) const OPTIONS: &[OptionSpec] = &[
    option(
        "protocol",
        Some("redis"),
        Kind::Choice(|| Protocol::ALL.map(|(_, name)| name).to_vec()),
        Absent::Is("redis"),
        Live,
        "What clients and servers speak.",
    ),
    option(
        "listen",
        Some("listen"),
        Kind::Listens,
        Absent::Required,
        Live,
        "Where clients connect. A path is a unix socket; an octal mode may follow it after a space.",
    ),
    option(
        "tls",
        None,
        Kind::Tls,
        Absent::Unset("clients speak plain text"),
        NewConnections,
        "TLS towards clients, of every listener that is a text, or of those that say `tls = true`.",
    ),
    option(
        "server_tls",
        None,
        Kind::ServerTls,
        Absent::Unset("servers speak plain text"),
        Live,
        "TLS towards the servers. Nothing is sent to a server before its certificate was verified.",
    ),
    option(
        "servers",
        Some("servers"),
        Kind::Servers,
        Absent::Unset("must be written, unless `masters` is"),
        Live,
        "The servers of the pool, as HOST:PORT[:WEIGHT] [NAME] or /PATH[:WEIGHT] [NAME], or \"local\" for the cache \
         inside the process. A name takes the place of the address in the hash ring, so that a server can move \
         without moving its keys.",
    ),
    option(
        "topology",
        None,
        Kind::Choice(|| Topology::ALL.map(|(_, name)| name).to_vec()),
        Absent::Is("ring"),
        Live,
        "Who places the keys. With `ring` the servers are those written here, and hash and distribution place the keys. \
         With `cluster` the servers are seeds: nodes of a Redis Cluster, which say which node has which slots. With \
         `sentinel` the servers are `masters`, whose addresses Redis Sentinels say.",
    ),
    option(
        "topology_refresh",
        None,
        duration(100),
        Absent::Is("10s"),
        Live,
        "Interval between questions about the topology while nothing is in doubt. A redirect or a lost connection makes for \
         one at once, at most two a second over the whole process.",
    ),
    option(
        "read_from",
        None,
        Kind::Choice(|| ReadFrom::ALL.map(|(_, name)| name).to_vec()),
        Absent::Is("primary"),
        Live,
        "Nodes that read commands go to, in a pool with topology = \"cluster\" or \"sentinel\". With `primary` the master; with `replica` a \
         replica and no other node; with `prefer_replica` a replica, or the master while no replica may be read from; with \
         `nearest` the replica or master nearest by zone, then by round trips. Data of replicas are older than those of \
         their master: a client may not see what it has just written.",
    ),
    option(
        "zone",
        None,
        Kind::Text,
        Absent::Unset("no zone"),
        Live,
        "Zone of this process, such as an availability zone. Nodes that name the same zone (Valkey's `availability-zone`) \
         are read from first.",
    ),
    option(
        "zones",
        None,
        Kind::Texts,
        Absent::Unset("what nodes say"),
        Live,
        "Zones of nodes, HOST=ZONE each, such as `10.0.0.1=eu-1a`: for servers that do not name their own (Redis), and in place \
         of what they name. HOST is as the cluster or the Sentinels announce it.",
    ),
    option(
        "replica_lag_max",
        None,
        Kind::Duration { min: Duration::from_millis(200), max: Duration::from_hours(1), off: true },
        Absent::Is("off"),
        Live,
        "Age of a replica's data above which it is not read from; `off` for any age. It is found by replication offsets, \
         asked for four times in that time.",
    ),
    option(
        "hedge_after",
        None,
        Kind::Text,
        Absent::Unset("never"),
        Live,
        "Time without an answer after which a read is sent to another replica as well, or to the master, and the first answer \
         counts: `p95`, the time that one of twenty reads takes longer than, or a duration from 1 ms to 10 s. At most one of \
         twenty reads is sent twice. For pools that read from replicas.",
    ),
    option(
        "pretend_cluster",
        None,
        Kind::Bool,
        Absent::Is("false"),
        Live,
        "Answer `CLUSTER SLOTS`, `SHARDS`, `NODES`, `INFO`, `MYID`, `KEYSLOT` and `READONLY` as a Redis Cluster whose nodes are \
         this proxy and its peers, so that client libraries in cluster mode work. In any topology.",
    ),
    option(
        "pretend_cluster_peers",
        None,
        Kind::Texts,
        Absent::Unset("the address of listen"),
        Live,
        "Addresses, HOST:PORT, that clients of a pretended cluster are told: proxies of the same configuration, this one \
         included. They share the slots; every one of them serves every key. Write the same list, in the same order, for all.",
    ),
    option(
        "sentinels",
        None,
        Kind::Texts,
        Absent::Unset("none"),
        Live,
        "Redis Sentinels as HOST:PORT, for topology = \"sentinel\". Those that they name are asked as well; names are resolved \
         again whenever they are connected to.",
    ),
    option(
        "masters",
        None,
        Kind::Texts,
        Absent::Unset("none"),
        Live,
        "Names of the masters, as the Sentinels call them; at most 16,384, of at most 255 bytes. Each is one server of the pool and is hashed by its name, so that \
         keys stay where they are over failovers.",
    ),
    option(
        "sentinel_user",
        None,
        Kind::Text,
        Absent::Unset("the default user"),
        Live,
        "User that the Sentinels are given.",
    ),
    option(
        "sentinel_password",
        None,
        Kind::Secret,
        Absent::Unset("the Sentinels are given no password"),
        Live,
        "Password that the Sentinels are given. It is not that of the servers, which is `auth`.",
    ),
    option(
        "sentinel_password_file",
        None,
        Kind::SecretFile { of: "sentinel_password" },
        Absent::Unset("none"),
        Live,
        "File whose first line is `sentinel_password`, as auth_file is.",
    ),
    option(
        "sentinel_tls",
        None,
        Kind::ServerTls,
        Absent::Unset("the Sentinels speak plain text"),
        Live,
        "TLS towards the Sentinels.",
    ),
    option(
        "hash",
        Some("hash"),
        Kind::Choice(|| ring::Hash::ALL.iter().map(|hash| hash.name()).collect()),
        Absent::Is("fnv1a_64"),
        Live,
        "Hash of the key. All proxies and clients of a fleet must agree on it. In a new fleet prefer murmur.",
    ),
    option(
        "distribution",
        Some("distribution"),
        Kind::Choice(|| ring::Distribution::ALL.iter().map(|distribution| distribution.name()).collect()),
        Absent::Is("ketama"),
        Live,
        "How a hash finds its server. All proxies and clients of a fleet must agree on it. The last two are those of \
         libmemcached and its bindings: `libmemcached_ketama` for KETAMA_WEIGHTED (with hash md5), \
         `libmemcached_ketama_unweighted` for KETAMA, such as pylibmc's {\"ketama\": True} (with hash one_at_a_time, its \
         default, or the one that clients set).",
    ),
    option(
        "hash_tag",
        Some("hash_tag"),
        Kind::HashTag,
        Absent::Unset("the whole key is hashed"),
        Live,
        "Two characters that enclose the part of a key that is hashed: with \"{}\" the keys {user1}:a and {user1}:b \
         live on the same server.",
    ),
    option(
        "timeout",
        Some("timeout"),
        duration_or_off(),
        Absent::Is("5s"),
        Live,
        "How long a request may wait for its reply, queueing and connecting included. \"off\" waits for ever \
         (nutcracker's default).",
    ),
    option(
        "backlog",
        Some("backlog"),
        integer(0, 65_535),
        Absent::Is("512"),
        Live,
        "Connections that the kernel holds while they wait to be accepted (listen(2)).",
    ),
    option(
        "client_connections",
        Some("client_connections"),
        integer(1, u32::MAX as i64),
        Absent::Unset("bounded by the process's file limit only"),
        Live,
        "Most clients of this pool at once, over all shards; more are closed as they arrive. nutcracker reads this \
         key and ignores it, and so does Nuthatch in a nutcracker.yml.",
    ),
    option(
        "limit_requests",
        None,
        Kind::Rate,
        Absent::Unset("no limit"),
        Live,
        "Request rate of all clients of this pool together; more get an error. Without a burst as many as in a second may come at \
         once. Users have a limit of their own.",
    ),
    option(
        "auth",
        Some("redis_auth"),
        Kind::Secret,
        Absent::Unset("clients need no password, servers are given none"),
        NewConnections,
        "Password that clients must give, and that servers are given. Redis only.",
    ),
    option(
        "auth_file",
        None,
        Kind::SecretFile { of: "auth" },
        Absent::Unset("none"),
        NewConnections,
        "File whose first line is `auth`, so that it need not stand here. It is read when the configuration is; only its owner should \
         be able to read it.",
    ),
    option(
        "db",
        Some("redis_db"),
        integer(0, i32::MAX as i64),
        Absent::Is("0"),
        Live,
        "Database that is selected on the servers. Redis only.",
    ),
    option(
        "preconnect",
        Some("preconnect"),
        Kind::Bool,
        Absent::Is("false"),
        Live,
        "Connect to every server at start rather than at the first request.",
    ),
    option(
        "auto_eject_hosts",
        Some("auto_eject_hosts"),
        Kind::Bool,
        Absent::Is("false"),
        Live,
        "Take a failing server out of the ring until a probe of it succeeds; its keys go to the others meanwhile.",
    ),
    option(
        "server_connections",
        Some("server_connections"),
        integer(1, 1024),
        Absent::Is("1"),
        Live,
        "Connections to each server, per shard. With more than one, a client's requests to one server may overtake \
         each other.",
    ),
    option(
        "server_retry_timeout",
        Some("server_retry_timeout"),
        duration(1),
        Absent::Is("30s"),
        Live,
        "How long an ejected server stays out before it is probed.",
    ),
    option(
        "server_failure_limit",
        Some("server_failure_limit"),
        integer(1, i32::MAX as i64),
        Absent::Is("2"),
        Live,
        "Failures in a row that eject a server.",
    ),
    option(
        "keepalive",
        Some("tcpkeepalive"),
        duration_or_off(),
        Absent::Is("1m"),
        NewConnections,
        "Idle time after which a connection, of a client or a server, is probed by TCP keepalive.",
    ),
    option(
        "unsupported",
        None,
        Kind::Choice(|| Unsupported::ALL.map(|(_, name)| name).to_vec()),
        Absent::Is("error"),
        Live,
        "Answer to a command that cannot be proxied: an error in its place, or a closed connection as in nutcracker.",
    ),
    option(
        "allow",
        None,
        Kind::Texts,
        Absent::Unset("nothing"),
        Live,
        "Commands that are served only if this names them: \"flush\" (FLUSHDB and FLUSHALL, sent to every server; the embedded cache \
         serves them anyway), \"admin\" (CONFIG SET, DEBUG, SAVE and others that change the servers themselves). Redis only.",
    ),
    option(
        "request_bytes_max",
        None,
        size(1024, u32::MAX as u64 * 4),
        Absent::Is("640MiB"),
        Live,
        "Most bytes of one request. The default leaves room for Redis' largest value, 512 MiB.",
    ),
    option(
        "client_pipeline_max",
        None,
        integer(1, u32::MAX as i64),
        Absent::Is("1024"),
        Live,
        "Most requests of one client that await replies; at the limit the client is not read.",
    ),
    option(
        "client_output_soft_bytes",
        None,
        size(1024, u64::MAX >> 1),
        Absent::Is("1MiB"),
        Live,
        "Reply bytes that a client has not taken, or that are to be expected from the length of its last replies, past \
         which it is not read.",
    ),
    option(
        "client_output_hard_bytes",
        None,
        size(1024, u64::MAX >> 1),
        Absent::Is("1GiB"),
        Live,
        "Reply bytes held for one client past which it is closed.",
    ),
    option(
        "databases",
        None,
        integer(1, 256),
        Absent::Is("1"),
        Live,
        "Databases that clients may choose with SELECT, from 0 on; with 1 a pool serves `db` alone. The servers must have as \
         many. Each database that is used has connections of its own to each server, as many as `server_connections` for \
         each version of the protocol.",
    ),
    option(
        "private_connections",
        None,
        integer(0, 16_384),
        Absent::Is("1024"),
        Live,
        "Most connections to each server that one client at a time has for itself, per shard: while it watches keys (WATCH) or blocks \
         (BLPOP). They are kept and used again. At the limit clients wait as long as `timeout`, then get an error.",
    ),
    option(
        "slowlog_threshold",
        None,
        duration_or_off(),
        Absent::Is("10ms"),
        Live,
        "Requests that take at least this long, from acceptance to the reply, are kept in the pool's slow log (SLOWLOG GET, \
         /slowlog/POOL at the admin port). \"off\" keeps none.",
    ),
    option(
        "slowlog_len",
        None,
        integer(1, 1024),
        Absent::Is("128"),
        Live,
        "Most entries of the slow log, about 1 KB each; the oldest go first.",
    ),
    option(
        "hot_keys",
        None,
        Kind::Bool,
        Absent::Is("false"),
        Live,
        "Watch which keys are used most and which replies are biggest (/keys/POOL at the admin port): about a thousand \
         requests per second and shard are looked at, one in 64 at most.",
    ),
    option(
        "server_queue_max",
        None,
        integer(1, u32::MAX as i64),
        Absent::Is("65536"),
        Live,
        "Most requests queued or awaiting replies on one connection to a server, per shard. From half of it on (or from \
         8192, or from 16 MiB of expected replies, if that is less) clients that have more than an equal share of \
         them wait: they are not read until it is half as long. Of requests whose replies are 64 KiB and more 32 are \
         in a queue, of clients that have had no reply yet 128 at most; further ones wait with their clients. At the limit everybody who needs that server waits. A request is refused with an error only \
         when waiting cannot help: the queue is full and the server has let requests time out.",
    ),
    server("address", Kind::Target, Absent::Required, Live, "Where the server is."),
    server(
        "weight",
        integer(1, i32::MAX as i64),
        Absent::Is("1"),
        Live,
        "Share of the keys, relative to the other servers.",
    ),
    server(
        "name",
        Kind::Text,
        Absent::Unset("the address takes its place"),
        Live,
        "What is hashed for the ring and shown in statistics. It cannot contain spaces.",
    ),
    server(
        "password",
        Kind::Secret,
        Absent::Unset("the pool's auth"),
        Live,
        "Password of this server, when it differs from the pool's.",
    ),
    server(
        "password_file",
        Kind::SecretFile { of: "password" },
        Absent::Unset("none"),
        Live,
        "File whose first line is `password`, as auth_file of the pool is.",
    ),
];
