//! The facts about each command, one line each, in alphabetical order.
//!
//! Arity, flags, key positions, group and version are what `COMMAND` and `COMMAND DOCS` of Redis 7.0.15 say, and a test
//! compares them with a running server. The exceptions: ZRANK and ZREVRANK take the extra argument of Redis 7.2;
//! CLIENT SETINFO and NO-TOUCH (7.2), the expiry of hash fields (7.4) and HGETDEL, HGETEX, HSETEX (8.0) are added, since
//! they go where their key is like any other command. Servers that do not know them say so themselves.
//!
//! The fifth column is ours: what the proxy does. Everything that nutcracker 0.5.0 forwards is served here.
//!
//! Ours too: [`stateful`] marks the commands that put a connection into a state in which Redis executes or answers later
//! commands differently. Where one of them is refused, nothing behind it may be executed. Not marked, on purpose:
//! - AUTH and HELLO: Redis refuses them for the same reasons and goes on; nothing behind a wrong password is executed;
//! - EXEC, DISCARD, UNWATCH, UNSUBSCRIBE, CLIENT CACHING: they do nothing where MULTI, WATCH, SUBSCRIBE and CLIENT TRACKING
//!   were never executed;
//! - READONLY: it permits stale replies, it does not demand them; READWRITE: the state that a connection begins in;
//! - CLIENT NO-EVICT and NO-TOUCH: they concern memory, not what is executed or answered.

use super::Count::{self, Algebra, Card, Pop, Script};
use super::KeySpec::{self, Georadius, Migrate, Numkeys, NumkeysAndDestination, Range, Sort, Streams};
use super::Local::{
    self as By, Auth, ClientGetName, ClientId, ClientSetInfo, ClientSetName, ConfigGet, Echo, Hello, Info,
    Lolwut, Ping, Quit, Reset, Select, Time,
};
use super::Proxied::{self, Every, Forward, Refused, Split};
use super::Reason::{
    Admin, Blocking, Cluster, Connection, Destructive, Function, Help, Inspection, KeyFlags, Keyless, PubSub,
    Replicas, RunningScript, ServerClients, Stream, Tracking, Transaction,
};
use super::merge::Merge;
use super::{Command, flags};

// Short names, so that a command's line stays a line.
const R: u32 = flags::READONLY;
const W: u32 = flags::WRITE;
const OOM: u32 = flags::DENYOOM;
const ADM: u32 = flags::ADMIN;
const PS: u32 = flags::PUBSUB;
const NS: u32 = flags::NOSCRIPT;
const BLK: u32 = flags::BLOCKING;
const L: u32 = flags::LOADING;
const S: u32 = flags::STALE;
const F: u32 = flags::FAST;
const NA: u32 = flags::NO_AUTH;
const MK: u32 = flags::MOVABLEKEYS;
const AB: u32 = flags::ALLOW_BUSY;
const NMK: u32 = flags::NO_MANDATORY_KEYS;
const SM: u32 = flags::SKIP_MONITOR;
const SS: u32 = flags::SKIP_SLOWLOG;
const ASK: u32 = flags::ASKING;
const NM: u32 = flags::NO_MULTI;
const NAL: u32 = flags::NO_ASYNC_LOADING;

const FIRST: KeySpec = Range { first: 1, last: 1, step: 1 };
const SECOND: KeySpec = Range { first: 2, last: 2, step: 1 };
const TWO: KeySpec = Range { first: 1, last: 2, step: 1 };
const ALL: KeySpec = Range { first: 1, last: -1, step: 1 };
const PAIRS: KeySpec = Range { first: 1, last: -1, step: 2 };
const SUM: Proxied = Split(Merge::Sum);

const fn local(by: By) -> Proxied {
    Proxied::Local(by)
}

const fn row(
    name: &'static str,
    arity: i8,
    flags: u32,
    keys: KeySpec,
    proxied: Proxied,
    group: &'static str,
    since: &'static str,
) -> Command {
    container(name, arity, flags, keys, proxied, group, since, &[])
}

#[allow(clippy::too_many_arguments, reason = "the columns of the table")]
const fn container(
    name: &'static str,
    arity: i8,
    flags: u32,
    keys: KeySpec,
    proxied: Proxied,
    group: &'static str,
    since: &'static str,
    subcommands: &'static [Command],
) -> Command {
    Command { name, arity, flags, keys, proxied, group, since, stateful: false, subcommands }
}

/// A command after which Redis executes or answers later commands of the connection differently.
const fn stateful(command: Command) -> Command {
    Command { stateful: true, ..command }
}

/// The table.
#[rustfmt::skip]
pub(super) static TABLE: [Command; 252] = [
    row("acl", -2, 0, KeySpec::None, Refused(Admin), "server", "6.0.0"),
    row("append", 3, W | OOM | F, FIRST, Forward, "string", "2.0.0"),
    stateful(row("asking", 1, F, KeySpec::None, Refused(Cluster), "cluster", "3.0.0")),
    row("auth", -2, NS | L | S | F | NA | AB, KeySpec::None, local(Auth), "connection", "1.0.0"),
    row("bgrewriteaof", 1, ADM | NS | NAL, KeySpec::None, Refused(Admin), "server", "1.0.0"),
    row("bgsave", -1, ADM | NS | NAL, KeySpec::None, Refused(Admin), "server", "1.0.0"),
    row("bitcount", -2, R, FIRST, Forward, "bitmap", "2.6.0"),
    row("bitfield", -2, W | OOM, FIRST, Forward, "bitmap", "3.2.0"),
    row("bitfield_ro", -2, R | F, FIRST, Forward, "bitmap", "6.0.0"),
    row("bitop", -4, W | OOM, Range { first: 2, last: -1, step: 1 }, Forward, "bitmap", "2.6.0"),
    row("bitpos", -3, R, FIRST, Forward, "bitmap", "2.8.7"),
    row("blmove", 6, W | OOM | NS | BLK, TWO, Refused(Blocking), "list", "6.2.0"),
    row("blmpop", -5, W | BLK | MK, Numkeys { at: 2, count: Pop }, Refused(Blocking), "list", "7.0.0"),
    row("blpop", -3, W | NS | BLK, Range { first: 1, last: -2, step: 1 }, Refused(Blocking), "list", "2.0.0"),
    row("brpop", -3, W | NS | BLK, Range { first: 1, last: -2, step: 1 }, Refused(Blocking), "list", "2.0.0"),
    row("brpoplpush", 4, W | OOM | NS | BLK, TWO, Refused(Blocking), "list", "2.2.0"),
    row("bzmpop", -5, W | BLK | MK, Numkeys { at: 2, count: Pop }, Refused(Blocking), "sorted-set", "7.0.0"),
    row("bzpopmax", -3, W | NS | BLK | F, Range { first: 1, last: -2, step: 1 }, Refused(Blocking), "sorted-set", "5.0.0"),
    row("bzpopmin", -3, W | NS | BLK | F, Range { first: 1, last: -2, step: 1 }, Refused(Blocking), "sorted-set", "5.0.0"),
    container("client", -2, 0, KeySpec::None, Refused(ServerClients), "connection", "2.4.0", &CLIENT),
    row("cluster", -2, 0, KeySpec::None, Refused(Cluster), "cluster", "3.0.0"),
    container("command", -1, L | S, KeySpec::None, local(By::Command), "server", "2.8.13", &COMMAND),
    container("config", -2, 0, KeySpec::None, Refused(Admin), "server", "2.0.0", &CONFIG),
    row("copy", -3, W | OOM, TWO, Forward, "generic", "6.2.0"),
    row("dbsize", 1, R | F, KeySpec::None, Every(Merge::Sum), "server", "1.0.0"),
    row("debug", -2, ADM | NS | L | S, KeySpec::None, Refused(Admin), "server", "1.0.0"),
    row("decr", 2, W | OOM | F, FIRST, Forward, "string", "1.0.0"),
    row("decrby", 3, W | OOM | F, FIRST, Forward, "string", "1.0.0"),
    row("del", -2, W, ALL, SUM, "generic", "1.0.0"),
    row("discard", 1, NS | L | S | F | AB, KeySpec::None, Refused(Transaction), "transactions", "2.0.0"),
    row("dump", 2, R, FIRST, Forward, "generic", "2.6.0"),
    row("echo", 2, L | S | F, KeySpec::None, local(Echo), "connection", "1.0.0"),
    row("eval", -3, NS | S | MK | NMK | SM, Numkeys { at: 2, count: Script }, Forward, "scripting", "2.6.0"),
    row("eval_ro", -3, R | NS | S | MK | NMK | SM, Numkeys { at: 2, count: Script }, Forward, "scripting", "7.0.0"),
    row("evalsha", -3, NS | S | MK | NMK | SM, Numkeys { at: 2, count: Script }, Forward, "scripting", "2.6.0"),
    row("evalsha_ro", -3, R | NS | S | MK | NMK | SM, Numkeys { at: 2, count: Script }, Forward, "scripting", "7.0.0"),
    row("exec", 1, NS | L | S | SS, KeySpec::None, Refused(Transaction), "transactions", "1.2.0"),
    row("exists", -2, R | F, ALL, SUM, "generic", "1.0.0"),
    row("expire", -3, W | F, FIRST, Forward, "generic", "1.0.0"),
    row("expireat", -3, W | F, FIRST, Forward, "generic", "1.2.0"),
    row("expiretime", 2, R | F, FIRST, Forward, "generic", "7.0.0"),
    row("failover", -1, ADM | NS | S, KeySpec::None, Refused(Admin), "server", "6.2.0"),
    row("fcall", -3, NS | S | MK | NMK | SM, Numkeys { at: 2, count: Count::Function }, Forward, "scripting", "7.0.0"),
    row("fcall_ro", -3, R | NS | S | MK | NMK | SM, Numkeys { at: 2, count: Count::Function }, Forward, "scripting", "7.0.0"),
    row("flushall", -1, W, KeySpec::None, Refused(Destructive), "server", "1.0.0"),
    row("flushdb", -1, W, KeySpec::None, Refused(Destructive), "server", "1.0.0"),
    row("function", -2, 0, KeySpec::None, Refused(Function), "scripting", "7.0.0"),
    row("geoadd", -5, W | OOM, FIRST, Forward, "geo", "3.2.0"),
    row("geodist", -4, R, FIRST, Forward, "geo", "3.2.0"),
    row("geohash", -2, R, FIRST, Forward, "geo", "3.2.0"),
    row("geopos", -2, R, FIRST, Forward, "geo", "3.2.0"),
    row("georadius", -6, W | OOM | MK, Georadius, Forward, "geo", "3.2.0"),
    row("georadius_ro", -6, R, FIRST, Forward, "geo", "3.2.10"),
    row("georadiusbymember", -5, W | OOM | MK, Georadius, Forward, "geo", "3.2.0"),
    row("georadiusbymember_ro", -5, R, FIRST, Forward, "geo", "3.2.10"),
    row("geosearch", -7, R, FIRST, Forward, "geo", "6.2.0"),
    row("geosearchstore", -8, W | OOM, TWO, Forward, "geo", "6.2.0"),
    row("get", 2, R | F, FIRST, Forward, "string", "1.0.0"),
    row("getbit", 3, R | F, FIRST, Forward, "bitmap", "2.2.0"),
    row("getdel", 2, W | F, FIRST, Forward, "string", "6.2.0"),
    row("getex", -2, W | F, FIRST, Forward, "string", "6.2.0"),
    row("getrange", 4, R, FIRST, Forward, "string", "2.4.0"),
    row("getset", 3, W | OOM | F, FIRST, Forward, "string", "1.0.0"),
    row("hdel", -3, W | F, FIRST, Forward, "hash", "2.0.0"),
    row("hello", -1, NS | L | S | F | NA | AB, KeySpec::None, local(Hello), "connection", "6.0.0"),
    row("hexists", 3, R | F, FIRST, Forward, "hash", "2.0.0"),
    row("hexpire", -6, W | F, FIRST, Forward, "hash", "7.4.0"),
    row("hexpireat", -6, W | F, FIRST, Forward, "hash", "7.4.0"),
    row("hexpiretime", -5, R | F, FIRST, Forward, "hash", "7.4.0"),
    row("hget", 3, R | F, FIRST, Forward, "hash", "2.0.0"),
    row("hgetall", 2, R, FIRST, Forward, "hash", "2.0.0"),
    row("hgetdel", -5, W | F, FIRST, Forward, "hash", "8.0.0"),
    row("hgetex", -5, W | F, FIRST, Forward, "hash", "8.0.0"),
    row("hincrby", 4, W | OOM | F, FIRST, Forward, "hash", "2.0.0"),
    row("hincrbyfloat", 4, W | OOM | F, FIRST, Forward, "hash", "2.6.0"),
    row("hkeys", 2, R, FIRST, Forward, "hash", "2.0.0"),
    row("hlen", 2, R | F, FIRST, Forward, "hash", "2.0.0"),
    row("hmget", -3, R | F, FIRST, Forward, "hash", "2.0.0"),
    row("hmset", -4, W | OOM | F, FIRST, Forward, "hash", "2.0.0"),
    row("hpersist", -5, W | F, FIRST, Forward, "hash", "7.4.0"),
    row("hpexpire", -6, W | F, FIRST, Forward, "hash", "7.4.0"),
    row("hpexpireat", -6, W | F, FIRST, Forward, "hash", "7.4.0"),
    row("hpexpiretime", -5, R | F, FIRST, Forward, "hash", "7.4.0"),
    row("hpttl", -5, R | F, FIRST, Forward, "hash", "7.4.0"),
    row("hrandfield", -2, R, FIRST, Forward, "hash", "6.2.0"),
    row("hscan", -3, R, FIRST, Forward, "hash", "2.8.0"),
    row("hset", -4, W | OOM | F, FIRST, Forward, "hash", "2.0.0"),
    row("hsetex", -6, W | OOM | F, FIRST, Forward, "hash", "8.0.0"),
    row("hsetnx", 4, W | OOM | F, FIRST, Forward, "hash", "2.0.0"),
    row("hstrlen", 3, R | F, FIRST, Forward, "hash", "3.2.0"),
    row("httl", -5, R | F, FIRST, Forward, "hash", "7.4.0"),
    row("hvals", 2, R, FIRST, Forward, "hash", "2.0.0"),
    row("incr", 2, W | OOM | F, FIRST, Forward, "string", "1.0.0"),
    row("incrby", 3, W | OOM | F, FIRST, Forward, "string", "1.0.0"),
    row("incrbyfloat", 3, W | OOM | F, FIRST, Forward, "string", "2.6.0"),
    row("info", -1, L | S, KeySpec::None, local(Info), "server", "1.0.0"),
    row("keys", 2, R, KeySpec::None, Refused(Keyless), "generic", "1.0.0"),
    row("lastsave", 1, L | S | F, KeySpec::None, Refused(Inspection), "server", "1.0.0"),
    row("latency", -2, 0, KeySpec::None, Refused(Inspection), "server", "2.8.13"),
    row("lcs", -3, R, TWO, Forward, "string", "7.0.0"),
    row("lindex", 3, R, FIRST, Forward, "list", "1.0.0"),
    row("linsert", 5, W | OOM, FIRST, Forward, "list", "2.2.0"),
    row("llen", 2, R | F, FIRST, Forward, "list", "1.0.0"),
    row("lmove", 5, W | OOM, TWO, Forward, "list", "6.2.0"),
    row("lmpop", -4, W | MK, Numkeys { at: 1, count: Pop }, Forward, "list", "7.0.0"),
    row("lolwut", -1, R | F, KeySpec::None, local(Lolwut), "server", "5.0.0"),
    row("lpop", -2, W | F, FIRST, Forward, "list", "1.0.0"),
    row("lpos", -3, R, FIRST, Forward, "list", "6.0.6"),
    row("lpush", -3, W | OOM | F, FIRST, Forward, "list", "1.0.0"),
    row("lpushx", -3, W | OOM | F, FIRST, Forward, "list", "2.2.0"),
    row("lrange", 4, R, FIRST, Forward, "list", "1.0.0"),
    row("lrem", 4, W, FIRST, Forward, "list", "1.0.0"),
    row("lset", 4, W | OOM, FIRST, Forward, "list", "1.0.0"),
    row("ltrim", 4, W, FIRST, Forward, "list", "1.0.0"),
    container("memory", -2, 0, KeySpec::None, Refused(Inspection), "server", "4.0.0", &MEMORY),
    row("mget", -2, R | F, ALL, Split(Merge::Values), "string", "1.0.0"),
    row("migrate", -6, W | MK, Migrate, Forward, "generic", "2.6.0"),
    row("module", -2, 0, KeySpec::None, Refused(Admin), "server", "4.0.0"),
    stateful(row("monitor", 1, ADM | NS | L | S, KeySpec::None, Refused(Stream), "server", "1.0.0")),
    row("move", 3, W | F, FIRST, Forward, "generic", "1.0.0"),
    row("mset", -3, W | OOM, PAIRS, Split(Merge::AllOk), "string", "1.0.1"),
    row("msetnx", -3, W | OOM, PAIRS, Forward, "string", "1.0.1"),
    stateful(row("multi", 1, NS | L | S | F | AB, KeySpec::None, Refused(Transaction), "transactions", "1.2.0")),
    container("object", -2, 0, KeySpec::None, Refused(Help), "generic", "2.2.3", &OBJECT),
    row("persist", 2, W | F, FIRST, Forward, "generic", "2.2.0"),
    row("pexpire", -3, W | F, FIRST, Forward, "generic", "2.6.0"),
    row("pexpireat", -3, W | F, FIRST, Forward, "generic", "2.6.0"),
    row("pexpiretime", 2, R | F, FIRST, Forward, "generic", "7.0.0"),
    row("pfadd", -2, W | OOM | F, FIRST, Forward, "hyperloglog", "2.8.9"),
    row("pfcount", -2, R, ALL, Forward, "hyperloglog", "2.8.9"),
    row("pfdebug", 3, W | OOM | ADM, SECOND, Refused(Admin), "hyperloglog", "2.8.9"),
    row("pfmerge", -2, W | OOM, ALL, Forward, "hyperloglog", "2.8.9"),
    row("pfselftest", 1, ADM, KeySpec::None, Refused(Admin), "hyperloglog", "2.8.9"),
    row("ping", -1, F, KeySpec::None, local(Ping), "connection", "1.0.0"),
    row("psetex", 4, W | OOM, FIRST, Forward, "string", "2.6.0"),
    stateful(row("psubscribe", -2, PS | NS | L | S, KeySpec::None, Refused(PubSub), "pubsub", "2.0.0")),
    stateful(row("psync", -3, ADM | NS | NM | NAL, KeySpec::None, Refused(Stream), "server", "2.8.0")),
    row("pttl", 2, R | F, FIRST, Forward, "generic", "2.6.0"),
    row("publish", 3, PS | L | S | F, KeySpec::None, Refused(PubSub), "pubsub", "2.0.0"),
    row("pubsub", -2, 0, KeySpec::None, Refused(PubSub), "pubsub", "2.8.0"),
    row("punsubscribe", -1, PS | NS | L | S, KeySpec::None, Refused(PubSub), "pubsub", "2.0.0"),
    row("quit", -1, NS | L | S | F | NA | AB, KeySpec::None, local(Quit), "connection", "1.0.0"),
    row("randomkey", 1, R, KeySpec::None, Refused(Keyless), "generic", "1.0.0"),
    row("readonly", 1, L | S | F, KeySpec::None, Refused(Cluster), "cluster", "3.0.0"),
    row("readwrite", 1, L | S | F, KeySpec::None, Refused(Cluster), "cluster", "3.0.0"),
    row("rename", 3, W, TWO, Forward, "generic", "1.0.0"),
    row("renamenx", 3, W | F, TWO, Forward, "generic", "1.0.0"),
    stateful(row("replconf", -1, ADM | NS | L | S | AB, KeySpec::None, Refused(Stream), "server", "3.0.0")),
    row("replicaof", 3, ADM | NS | S | NAL, KeySpec::None, Refused(Admin), "server", "5.0.0"),
    stateful(row("reset", 1, NS | L | S | F | NA | AB, KeySpec::None, local(Reset), "connection", "6.2.0")),
    row("restore", -4, W | OOM, FIRST, Forward, "generic", "2.6.0"),
    row("restore-asking", -4, W | OOM | ASK, FIRST, Refused(Cluster), "server", "3.0.0"),
    row("role", 1, NS | L | S | F, KeySpec::None, Refused(Inspection), "server", "2.8.12"),
    row("rpop", -2, W | F, FIRST, Forward, "list", "1.0.0"),
    row("rpoplpush", 3, W | OOM, TWO, Forward, "list", "1.2.0"),
    row("rpush", -3, W | OOM | F, FIRST, Forward, "list", "1.0.0"),
    row("rpushx", -3, W | OOM | F, FIRST, Forward, "list", "2.2.0"),
    row("sadd", -3, W | OOM | F, FIRST, Forward, "set", "1.0.0"),
    row("save", 1, ADM | NS | NM | NAL, KeySpec::None, Refused(Admin), "server", "1.0.0"),
    row("scan", -2, R, KeySpec::None, Refused(Keyless), "generic", "2.8.0"),
    row("scard", 2, R | F, FIRST, Forward, "set", "1.0.0"),
    container("script", -2, 0, KeySpec::None, Refused(RunningScript), "scripting", "2.6.0", &SCRIPT),
    row("sdiff", -2, R, ALL, Forward, "set", "1.0.0"),
    row("sdiffstore", -3, W | OOM, ALL, Forward, "set", "1.0.0"),
    stateful(row("select", 2, L | S | F, KeySpec::None, local(Select), "connection", "1.0.0")),
    row("set", -3, W | OOM, FIRST, Forward, "string", "1.0.0"),
    row("setbit", 4, W | OOM, FIRST, Forward, "bitmap", "2.2.0"),
    row("setex", 4, W | OOM, FIRST, Forward, "string", "2.0.0"),
    row("setnx", 3, W | OOM | F, FIRST, Forward, "string", "1.0.0"),
    row("setrange", 4, W | OOM, FIRST, Forward, "string", "2.2.0"),
    row("shutdown", -1, ADM | NS | L | S | AB | NM, KeySpec::None, Refused(Admin), "server", "1.0.0"),
    row("sinter", -2, R, ALL, Forward, "set", "1.0.0"),
    row("sintercard", -3, R | MK, Numkeys { at: 1, count: Card }, Forward, "set", "7.0.0"),
    row("sinterstore", -3, W | OOM, ALL, Forward, "set", "1.0.0"),
    row("sismember", 3, R | F, FIRST, Forward, "set", "1.0.0"),
    row("slaveof", 3, ADM | NS | S | NAL, KeySpec::None, Refused(Admin), "server", "1.0.0"),
    row("slowlog", -2, 0, KeySpec::None, Refused(Inspection), "server", "2.2.12"),
    row("smembers", 2, R, FIRST, Forward, "set", "1.0.0"),
    row("smismember", -3, R | F, FIRST, Forward, "set", "6.2.0"),
    row("smove", 4, W | F, TWO, Forward, "set", "1.0.0"),
    row("sort", -2, W | OOM | MK, Sort, Forward, "generic", "1.0.0"),
    row("sort_ro", -2, R | MK, FIRST, Forward, "generic", "7.0.0"),
    row("spop", -2, W | F, FIRST, Forward, "set", "1.0.0"),
    row("spublish", 3, PS | L | S | F, FIRST, Refused(PubSub), "pubsub", "7.0.0"),
    row("srandmember", -2, R, FIRST, Forward, "set", "1.0.0"),
    row("srem", -3, W | F, FIRST, Forward, "set", "1.0.0"),
    row("sscan", -3, R, FIRST, Forward, "set", "2.8.0"),
    stateful(row("ssubscribe", -2, PS | NS | L | S, ALL, Refused(PubSub), "pubsub", "7.0.0")),
    row("strlen", 2, R | F, FIRST, Forward, "string", "2.2.0"),
    stateful(row("subscribe", -2, PS | NS | L | S, KeySpec::None, Refused(PubSub), "pubsub", "2.0.0")),
    row("substr", 4, R, FIRST, Forward, "string", "1.0.0"),
    row("sunion", -2, R, ALL, Forward, "set", "1.0.0"),
    row("sunionstore", -3, W | OOM, ALL, Forward, "set", "1.0.0"),
    row("sunsubscribe", -1, PS | NS | L | S, ALL, Refused(PubSub), "pubsub", "7.0.0"),
    row("swapdb", 3, W | F, KeySpec::None, Refused(Destructive), "server", "4.0.0"),
    stateful(row("sync", 1, ADM | NS | NM | NAL, KeySpec::None, Refused(Stream), "server", "1.0.0")),
    row("time", 1, L | S | F, KeySpec::None, local(Time), "server", "2.6.0"),
    row("touch", -2, R | F, ALL, SUM, "generic", "3.2.1"),
    row("ttl", 2, R | F, FIRST, Forward, "generic", "1.0.0"),
    row("type", 2, R | F, FIRST, Forward, "generic", "1.0.0"),
    row("unlink", -2, W | F, ALL, SUM, "generic", "4.0.0"),
    row("unsubscribe", -1, PS | NS | L | S, KeySpec::None, Refused(PubSub), "pubsub", "2.0.0"),
    row("unwatch", 1, NS | L | S | F | AB, KeySpec::None, Refused(Transaction), "transactions", "2.2.0"),
    row("wait", 3, NS, KeySpec::None, Refused(Replicas), "generic", "3.0.0"),
    stateful(row("watch", -2, NS | L | S | F | AB, ALL, Refused(Transaction), "transactions", "2.2.0")),
    row("xack", -4, W | F, FIRST, Forward, "stream", "5.0.0"),
    row("xadd", -5, W | OOM | F, FIRST, Forward, "stream", "5.0.0"),
    row("xautoclaim", -6, W | F, FIRST, Forward, "stream", "6.2.0"),
    row("xclaim", -6, W | F, FIRST, Forward, "stream", "5.0.0"),
    row("xdel", -3, W | F, FIRST, Forward, "stream", "5.0.0"),
    container("xgroup", -2, 0, KeySpec::None, Refused(Help), "stream", "5.0.0", &XGROUP),
    container("xinfo", -2, 0, KeySpec::None, Refused(Help), "stream", "5.0.0", &XINFO),
    row("xlen", 2, R | F, FIRST, Forward, "stream", "5.0.0"),
    row("xpending", -3, R, FIRST, Forward, "stream", "5.0.0"),
    row("xrange", -4, R, FIRST, Forward, "stream", "5.0.0"),
    row("xread", -4, R | BLK | MK, Streams, Forward, "stream", "5.0.0"),
    row("xreadgroup", -7, W | BLK | MK, Streams, Forward, "stream", "5.0.0"),
    row("xrevrange", -4, R, FIRST, Forward, "stream", "5.0.0"),
    row("xsetid", -3, W | OOM | F, FIRST, Forward, "stream", "5.0.0"),
    row("xtrim", -4, W, FIRST, Forward, "stream", "5.0.0"),
    row("zadd", -4, W | OOM | F, FIRST, Forward, "sorted-set", "1.2.0"),
    row("zcard", 2, R | F, FIRST, Forward, "sorted-set", "1.2.0"),
    row("zcount", 4, R | F, FIRST, Forward, "sorted-set", "2.0.0"),
    row("zdiff", -3, R | MK, Numkeys { at: 1, count: Algebra }, Forward, "sorted-set", "6.2.0"),
    row("zdiffstore", -4, W | OOM | MK, NumkeysAndDestination { at: 2, count: Algebra }, Forward, "sorted-set", "6.2.0"),
    row("zincrby", 4, W | OOM | F, FIRST, Forward, "sorted-set", "1.2.0"),
    row("zinter", -3, R | MK, Numkeys { at: 1, count: Algebra }, Forward, "sorted-set", "6.2.0"),
    row("zintercard", -3, R | MK, Numkeys { at: 1, count: Algebra }, Forward, "sorted-set", "7.0.0"),
    row("zinterstore", -4, W | OOM | MK, NumkeysAndDestination { at: 2, count: Algebra }, Forward, "sorted-set", "2.0.0"),
    row("zlexcount", 4, R | F, FIRST, Forward, "sorted-set", "2.8.9"),
    row("zmpop", -4, W | MK, Numkeys { at: 1, count: Pop }, Forward, "sorted-set", "7.0.0"),
    row("zmscore", -3, R | F, FIRST, Forward, "sorted-set", "6.2.0"),
    row("zpopmax", -2, W | F, FIRST, Forward, "sorted-set", "5.0.0"),
    row("zpopmin", -2, W | F, FIRST, Forward, "sorted-set", "5.0.0"),
    row("zrandmember", -2, R, FIRST, Forward, "sorted-set", "6.2.0"),
    row("zrange", -4, R, FIRST, Forward, "sorted-set", "1.2.0"),
    row("zrangebylex", -4, R, FIRST, Forward, "sorted-set", "2.8.9"),
    row("zrangebyscore", -4, R, FIRST, Forward, "sorted-set", "1.0.5"),
    row("zrangestore", -5, W | OOM, TWO, Forward, "sorted-set", "6.2.0"),
    row("zrank", -3, R | F, FIRST, Forward, "sorted-set", "2.0.0"),
    row("zrem", -3, W | F, FIRST, Forward, "sorted-set", "1.2.0"),
    row("zremrangebylex", 4, W, FIRST, Forward, "sorted-set", "2.8.9"),
    row("zremrangebyrank", 4, W, FIRST, Forward, "sorted-set", "2.0.0"),
    row("zremrangebyscore", 4, W, FIRST, Forward, "sorted-set", "1.2.0"),
    row("zrevrange", -4, R, FIRST, Forward, "sorted-set", "1.2.0"),
    row("zrevrangebylex", -4, R, FIRST, Forward, "sorted-set", "2.8.9"),
    row("zrevrangebyscore", -4, R, FIRST, Forward, "sorted-set", "2.2.0"),
    row("zrevrank", -3, R | F, FIRST, Forward, "sorted-set", "2.0.0"),
    row("zscan", -3, R, FIRST, Forward, "sorted-set", "2.8.0"),
    row("zscore", 3, R | F, FIRST, Forward, "sorted-set", "1.2.0"),
    row("zunion", -3, R | MK, Numkeys { at: 1, count: Algebra }, Forward, "sorted-set", "6.2.0"),
    row("zunionstore", -4, W | OOM | MK, NumkeysAndDestination { at: 2, count: Algebra }, Forward, "sorted-set", "2.0.0"),
];

#[rustfmt::skip]
const CLIENT: [Command; 18] = [
    row("client|caching", 3, NS | L | S, KeySpec::None, Refused(Tracking), "connection", "6.0.0"),
    row("client|getname", 2, NS | L | S, KeySpec::None, local(ClientGetName), "connection", "2.6.9"),
    row("client|getredir", 2, NS | L | S, KeySpec::None, Refused(Tracking), "connection", "6.0.0"),
    row("client|help", 2, L | S, KeySpec::None, Refused(Help), "connection", "5.0.0"),
    row("client|id", 2, NS | L | S, KeySpec::None, local(ClientId), "connection", "5.0.0"),
    row("client|info", 2, NS | L | S, KeySpec::None, Refused(ServerClients), "connection", "6.2.0"),
    row("client|kill", -3, ADM | NS | L | S, KeySpec::None, Refused(ServerClients), "connection", "2.4.0"),
    row("client|list", -2, ADM | NS | L | S, KeySpec::None, Refused(ServerClients), "connection", "2.4.0"),
    row("client|no-evict", 3, ADM | NS | L | S, KeySpec::None, Refused(Connection), "connection", "7.0.0"),
    row("client|no-touch", 3, NS | L | S, KeySpec::None, Refused(Connection), "connection", "7.2.0"),
    row("client|pause", -3, ADM | NS | L | S, KeySpec::None, Refused(ServerClients), "connection", "2.9.50"),
    stateful(row("client|reply", 3, NS | L | S, KeySpec::None, Refused(Connection), "connection", "3.2.0")),
    row("client|setinfo", 4, NS | L | S, KeySpec::None, local(ClientSetInfo), "connection", "7.2.0"),
    row("client|setname", 3, NS | L | S, KeySpec::None, local(ClientSetName), "connection", "2.6.9"),
    stateful(row("client|tracking", -3, NS | L | S, KeySpec::None, Refused(Tracking), "connection", "6.0.0")),
    row("client|trackinginfo", 2, NS | L | S, KeySpec::None, Refused(Tracking), "connection", "6.2.0"),
    row("client|unblock", -3, ADM | NS | L | S, KeySpec::None, Refused(ServerClients), "connection", "5.0.0"),
    row("client|unpause", 2, ADM | NS | L | S, KeySpec::None, Refused(ServerClients), "connection", "6.2.0"),
];

#[rustfmt::skip]
const COMMAND: [Command; 7] = [
    row("command|count", 2, L | S, KeySpec::None, local(By::Command), "server", "2.8.13"),
    row("command|docs", -2, L | S, KeySpec::None, local(By::Command), "server", "7.0.0"),
    row("command|getkeys", -4, L | S, KeySpec::None, local(By::Command), "server", "2.8.13"),
    row("command|getkeysandflags", -4, L | S, KeySpec::None, Refused(KeyFlags), "server", "7.0.0"),
    row("command|help", 2, L | S, KeySpec::None, Refused(Help), "server", "5.0.0"),
    row("command|info", -2, L | S, KeySpec::None, local(By::Command), "server", "2.8.13"),
    row("command|list", -2, L | S, KeySpec::None, local(By::Command), "server", "7.0.0"),
];

#[rustfmt::skip]
const CONFIG: [Command; 5] = [
    row("config|get", -3, ADM | NS | L | S, KeySpec::None, local(ConfigGet), "server", "2.0.0"),
    row("config|help", 2, L | S, KeySpec::None, Refused(Help), "server", "5.0.0"),
    row("config|resetstat", 2, ADM | NS | L | S, KeySpec::None, Refused(Admin), "server", "2.0.0"),
    row("config|rewrite", 2, ADM | NS | L | S, KeySpec::None, Refused(Admin), "server", "2.8.0"),
    row("config|set", -4, ADM | NS | L | S, KeySpec::None, Refused(Admin), "server", "2.0.0"),
];

#[rustfmt::skip]
const MEMORY: [Command; 6] = [
    row("memory|doctor", 2, 0, KeySpec::None, Refused(Inspection), "server", "4.0.0"),
    row("memory|help", 2, L | S, KeySpec::None, Refused(Help), "server", "4.0.0"),
    row("memory|malloc-stats", 2, 0, KeySpec::None, Refused(Inspection), "server", "4.0.0"),
    row("memory|purge", 2, 0, KeySpec::None, Refused(Admin), "server", "4.0.0"),
    row("memory|stats", 2, 0, KeySpec::None, Refused(Inspection), "server", "4.0.0"),
    row("memory|usage", -3, R, SECOND, Forward, "server", "4.0.0"),
];

#[rustfmt::skip]
const OBJECT: [Command; 5] = [
    row("object|encoding", 3, R, SECOND, Forward, "generic", "2.2.3"),
    row("object|freq", 3, R, SECOND, Forward, "generic", "4.0.0"),
    row("object|help", 2, L | S, KeySpec::None, Refused(Help), "generic", "6.2.0"),
    row("object|idletime", 3, R, SECOND, Forward, "generic", "2.2.3"),
    row("object|refcount", 3, R, SECOND, Forward, "generic", "2.2.3"),
];

#[rustfmt::skip]
const SCRIPT: [Command; 6] = [
    stateful(row("script|debug", 3, NS, KeySpec::None, Refused(RunningScript), "scripting", "3.2.0")),
    row("script|exists", -3, NS, KeySpec::None, Every(Merge::Least), "scripting", "2.6.0"),
    row("script|flush", -2, NS, KeySpec::None, Every(Merge::AllOk), "scripting", "2.6.0"),
    row("script|help", 2, L | S, KeySpec::None, Refused(Help), "scripting", "5.0.0"),
    row("script|kill", 2, NS | AB, KeySpec::None, Refused(RunningScript), "scripting", "2.6.0"),
    row("script|load", 3, NS | S, KeySpec::None, Every(Merge::Same), "scripting", "2.6.0"),
];

#[rustfmt::skip]
const XGROUP: [Command; 6] = [
    row("xgroup|create", -5, W | OOM, SECOND, Forward, "stream", "5.0.0"),
    row("xgroup|createconsumer", 5, W | OOM, SECOND, Forward, "stream", "6.2.0"),
    row("xgroup|delconsumer", 5, W, SECOND, Forward, "stream", "5.0.0"),
    row("xgroup|destroy", 4, W, SECOND, Forward, "stream", "5.0.0"),
    row("xgroup|help", 2, L | S, KeySpec::None, Refused(Help), "stream", "5.0.0"),
    row("xgroup|setid", -5, W, SECOND, Forward, "stream", "5.0.0"),
];

#[rustfmt::skip]
const XINFO: [Command; 4] = [
    row("xinfo|consumers", 4, R, SECOND, Forward, "stream", "5.0.0"),
    row("xinfo|groups", 3, R, SECOND, Forward, "stream", "5.0.0"),
    row("xinfo|help", 2, L | S, KeySpec::None, Refused(Help), "stream", "5.0.0"),
    row("xinfo|stream", -3, R, SECOND, Forward, "stream", "5.0.0"),
];
