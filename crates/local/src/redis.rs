//! Redis on the embedded cache: strings, lists, hashes, sets, sorted sets, keys, expiry.
//!
//! One table holds the commands, their number of arguments and their functions. Replies and error texts are
//! Redis 7.0's. A command either appends its whole reply or fails without leaving any output.

#[allow(clippy::unnecessary_wraps, reason = "a table of functions: most can fail")]
mod bitmap;
#[allow(clippy::unnecessary_wraps, reason = "a table of functions: most can fail")]
mod blocking;
#[allow(clippy::unnecessary_wraps, reason = "a table of functions: most can fail")]
mod call;
mod command;
mod counter;
mod dump;
mod expire;
mod fault;
#[allow(clippy::unnecessary_wraps, reason = "a table of functions: most can fail")]
mod geo;
#[allow(clippy::unnecessary_wraps, reason = "a table of functions: most can fail")]
mod hash;
#[allow(clippy::unnecessary_wraps, reason = "a table of functions: most can fail")]
mod hyperloglog;
mod integer;
#[allow(clippy::unnecessary_wraps, reason = "a table of functions: most can fail")]
mod lcs;
#[allow(clippy::unnecessary_wraps, reason = "a table of functions: most can fail")]
mod key;
#[allow(clippy::unnecessary_wraps, reason = "a table of functions: most can fail")]
mod list;
mod long_double;
mod options;
mod random;
#[allow(clippy::unnecessary_wraps, reason = "a table of functions: most can fail")]
mod scan;
mod score;
#[allow(clippy::unnecessary_wraps, reason = "a table of functions: most can fail")]
mod script;
#[allow(clippy::unnecessary_wraps, reason = "a table of functions: most can fail")]
mod server;
#[allow(clippy::unnecessary_wraps, reason = "a table of functions: most can fail")]
mod set;
mod sort;
#[allow(clippy::unnecessary_wraps, reason = "a table of functions: most can fail")]
mod sorted_set;
#[allow(clippy::unnecessary_wraps, reason = "a table of functions: most can fail")]
mod stream;
#[allow(clippy::unnecessary_wraps, reason = "a table of functions: most can fail")]
mod string;

use wire::redis::Version;
use wire::redis::encode;

use crate::{Audience, Store};
pub use call::Block;
use call::Call;
use command::{Command, row};
use fault::Fault;
use sorted_set::{algebra, range};

/// Every command of the embedded cache, sorted by name.
static COMMANDS: &[Command] = &[
    row("append", 3, string::append),
    row("bitcount", -2, bitmap::bitcount),
    row("bitfield", -2, bitmap::bitfield),
    row("bitfield_ro", -2, bitmap::bitfield_ro),
    row("bitop", -4, bitmap::bitop),
    row("bitpos", -3, bitmap::bitpos),
    row("blmove", 6, blocking::blmove),
    row("blmpop", -5, blocking::blmpop),
    row("blpop", -3, blocking::blpop),
    row("brpop", -3, blocking::brpop),
    row("brpoplpush", 4, blocking::brpoplpush),
    row("bzmpop", -5, blocking::bzmpop),
    row("bzpopmax", -3, blocking::bzpopmax),
    row("bzpopmin", -3, blocking::bzpopmin),
    row("config", -3, server::config),
    row("copy", -3, key::copy),
    row("dbsize", 1, key::dbsize),
    row("decr", 2, counter::decr),
    row("decrby", 3, counter::decrby),
    row("del", -2, key::del),
    row("dump", 2, dump::dump),
    row("echo", 2, key::echo),
    row("eval", -3, script::eval),
    row("eval_ro", -3, script::eval_ro),
    row("evalsha", -3, script::evalsha),
    row("evalsha_ro", -3, script::evalsha_ro),
    row("exists", -2, key::exists),
    row("expire", -3, expire::expire),
    row("expireat", -3, expire::expireat),
    row("expiretime", 2, expire::expiretime),
    row("flushall", -1, key::flush),
    row("flushdb", -1, key::flush),
    row("function", -2, server::function),
    row("geoadd", -5, geo::geoadd),
    row("geodist", -4, geo::geodist),
    row("geohash", -2, geo::geohash),
    row("geopos", -2, geo::geopos),
    row("georadius", -6, geo::search::georadius),
    row("georadius_ro", -6, geo::search::georadius_ro),
    row("georadiusbymember", -5, geo::search::georadiusbymember),
    row("georadiusbymember_ro", -5, geo::search::georadiusbymember_ro),
    row("geosearch", -7, geo::search::geosearch),
    row("geosearchstore", -8, geo::search::geosearchstore),
    row("get", 2, string::get),
    row("getbit", 3, bitmap::getbit),
    row("getdel", 2, string::getdel),
    row("getex", -2, string::getex),
    row("getrange", 4, string::getrange),
    row("getset", 3, string::getset),
    row("hdel", -3, hash::hdel),
    row("hexists", 3, hash::hexists),
    row("hget", 3, hash::hget),
    row("hgetall", 2, hash::hgetall),
    row("hincrby", 4, hash::hincrby),
    row("hincrbyfloat", 4, hash::hincrbyfloat),
    row("hkeys", 2, hash::hkeys),
    row("hlen", 2, hash::hlen),
    row("hmget", -3, hash::hmget),
    row("hmset", -4, hash::hmset),
    row("hrandfield", -2, hash::hrandfield),
    row("hscan", -3, hash::hscan),
    row("hset", -4, hash::hset),
    row("hsetnx", 4, hash::hsetnx),
    row("hstrlen", 3, hash::hstrlen),
    row("hvals", 2, hash::hvals),
    row("incr", 2, counter::incr),
    row("incrby", 3, counter::incrby),
    row("incrbyfloat", 3, counter::incrbyfloat),
    row("keys", 2, scan::keys),
    row("lcs", -3, lcs::lcs),
    row("lindex", 3, list::lindex),
    row("linsert", 5, list::linsert),
    row("llen", 2, list::llen),
    row("lmove", 5, list::lmove),
    row("lmpop", -4, list::lmpop),
    row("lpop", -2, list::lpop),
    row("lpos", -3, list::lpos),
    row("lpush", -3, list::lpush),
    row("lpushx", -3, list::lpushx),
    row("lrange", 4, list::lrange),
    row("lrem", 4, list::lrem),
    row("lset", 4, list::lset),
    row("ltrim", 4, list::ltrim),
    row("memory", -2, server::memory),
    row("mget", -2, string::mget),
    row("mset", -3, string::mset),
    row("msetnx", -3, string::msetnx),
    row("object", 3, key::object),
    row("persist", 2, expire::persist),
    row("pexpire", -3, expire::pexpire),
    row("pexpireat", -3, expire::pexpireat),
    row("pexpiretime", 2, expire::pexpiretime),
    row("pfadd", -2, hyperloglog::pfadd),
    row("pfcount", -2, hyperloglog::pfcount),
    row("pfmerge", -2, hyperloglog::pfmerge),
    row("ping", -1, key::ping),
    row("psetex", 4, string::psetex),
    row("pttl", 2, expire::pttl),
    row("randomkey", 1, scan::randomkey),
    row("rename", 3, key::rename),
    row("renamenx", 3, key::renamenx),
    row("restore", -4, dump::restore),
    row("rpop", -2, list::rpop),
    row("rpoplpush", 3, list::rpoplpush),
    row("rpush", -3, list::rpush),
    row("rpushx", -3, list::rpushx),
    row("sadd", -3, set::sadd),
    row("scan", -2, scan::scan),
    row("scard", 2, set::scard),
    row("script", -2, script::script),
    row("sdiff", -2, set::sdiff),
    row("sdiffstore", -3, set::sdiffstore),
    row("set", -3, string::set),
    row("setbit", 4, bitmap::setbit),
    row("setex", 4, string::setex),
    row("setnx", 3, string::setnx),
    row("setrange", 4, string::setrange),
    row("sinter", -2, set::sinter),
    row("sintercard", -3, set::sintercard),
    row("sinterstore", -3, set::sinterstore),
    row("sismember", 3, set::sismember),
    row("smembers", 2, set::smembers),
    row("smismember", -3, set::smismember),
    row("smove", 4, set::smove),
    row("sort", -2, sort::sort),
    row("sort_ro", -2, sort::sort_ro),
    row("spop", -2, set::spop),
    row("srandmember", -2, set::srandmember),
    row("srem", -3, set::srem),
    row("sscan", -3, set::sscan),
    row("strlen", 2, string::strlen),
    row("substr", 4, string::getrange),
    row("sunion", -2, set::sunion),
    row("sunionstore", -3, set::sunionstore),
    row("time", 1, key::time),
    row("touch", -2, key::touch),
    row("ttl", 2, expire::ttl),
    row("type", 2, key::kind),
    row("unlink", -2, key::del),
    row("xack", -4, stream::group::xack),
    row("xadd", -5, stream::add::xadd),
    row("xautoclaim", -6, stream::claim::xautoclaim),
    row("xclaim", -6, stream::claim::xclaim),
    row("xdel", -3, stream::entry::xdel),
    row("xgroup", -2, stream::group::xgroup),
    row("xinfo", -2, stream::info::xinfo),
    row("xlen", 2, stream::entry::xlen),
    row("xpending", -3, stream::pending::xpending),
    row("xrange", -4, stream::entry::xrange),
    row("xread", -4, stream::read::xread),
    row("xreadgroup", -7, stream::read::xreadgroup),
    row("xrevrange", -4, stream::entry::xrevrange),
    row("xsetid", -3, stream::entry::xsetid),
    row("xtrim", -4, stream::add::xtrim),
    row("zadd", -4, sorted_set::zadd),
    row("zcard", 2, sorted_set::zcard),
    row("zcount", 4, range::zcount),
    row("zdiff", -3, algebra::zdiff),
    row("zdiffstore", -4, algebra::zdiffstore),
    row("zincrby", 4, sorted_set::zincrby),
    row("zinter", -3, algebra::zinter),
    row("zintercard", -3, algebra::zintercard),
    row("zinterstore", -4, algebra::zinterstore),
    row("zlexcount", 4, range::zlexcount),
    row("zmpop", -4, sorted_set::zmpop),
    row("zmscore", -3, sorted_set::zmscore),
    row("zpopmax", -2, sorted_set::zpopmax),
    row("zpopmin", -2, sorted_set::zpopmin),
    row("zrandmember", -2, sorted_set::zrandmember),
    row("zrange", -4, range::zrange),
    row("zrangebylex", -4, range::zrangebylex),
    row("zrangebyscore", -4, range::zrangebyscore),
    row("zrangestore", -5, range::zrangestore),
    row("zrank", -3, sorted_set::zrank),
    row("zrem", -3, sorted_set::zrem),
    row("zremrangebylex", 4, range::zremrangebylex),
    row("zremrangebyrank", 4, range::zremrangebyrank),
    row("zremrangebyscore", 4, range::zremrangebyscore),
    row("zrevrange", -4, range::zrevrange),
    row("zrevrangebylex", -4, range::zrevrangebylex),
    row("zrevrangebyscore", -4, range::zrevrangebyscore),
    row("zrevrank", -3, sorted_set::zrevrank),
    row("zscan", -3, sorted_set::zscan),
    row("zscore", 3, sorted_set::zscore),
    row("zunion", -3, algebra::zunion),
    row("zunionstore", -4, algebra::zunionstore),
];

/// Names of the commands of the embedded cache, in lower case, sorted.
pub fn commands() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|command| command.name)
}

/// True if the embedded cache has this command; the name in lower case.
pub fn serves(name: &str) -> bool {
    lookup(name.as_bytes()).is_some()
}

impl Store {
    /// Runs one Redis command and appends its reply, which is one RESP value in the client's `version`.
    ///
    /// `args` begin with the command's name. `now_ms` is wall-clock time, milliseconds since 1970. A command
    /// that has to wait for an element says so and replies nothing: see [`Block`].
    pub fn execute_redis(
        &mut self,
        args: &[&[u8]],
        now_ms: u64,
        version: Version,
        out: &mut Vec<u8>,
    ) -> Option<Block> {
        self.execute(args, None, now_ms, version, Audience::NONE, out)
    }

    /// [`Store::execute_redis`] where clients are subscribed: a script's messages are for
    /// [`Store::take_published`], and count as received by those whom `audience` names.
    pub fn execute_redis_for(
        &mut self,
        args: &[&[u8]],
        now_ms: u64,
        version: Version,
        audience: Audience<'_>,
        out: &mut Vec<u8>,
    ) -> Option<Block> {
        self.execute(args, None, now_ms, version, audience, out)
    }

    /// Runs a command again that waits, after a change of a key, which is the only one that it looks at.
    pub fn retry_redis(
        &mut self,
        args: &[&[u8]],
        ready: &[u8],
        now_ms: u64,
        version: Version,
        out: &mut Vec<u8>,
    ) -> Option<Block> {
        self.execute(args, Some(ready), now_ms, version, Audience::NONE, out)
    }

    fn execute(
        &mut self,
        args: &[&[u8]],
        ready: Option<&[u8]>,
        now_ms: u64,
        version: Version,
        audience: Audience<'_>,
        out: &mut Vec<u8>,
    ) -> Option<Block> {
        self.tick(now_ms);
        let start = out.len();
        let context = Context { ready, now_ms, version, audience };
        match run(self, args, context, out) {
            Ok(block) => block,
            Err(fault) => {
                out.truncate(start);
                encode::error(out, fault.text().as_bytes());
                None
            }
        }
    }
}

/// Surroundings of a command.
struct Context<'c> {
    ready: Option<&'c [u8]>,
    now_ms: u64,
    version: Version,
    audience: Audience<'c>,
}

fn run(
    store: &mut Store,
    args: &[&[u8]],
    context: Context<'_>,
    out: &mut Vec<u8>,
) -> Result<Option<Block>, Fault> {
    let Some((name, _)) = args.split_first() else {
        return Err(Fault::EmptyRequest);
    };
    let command = lookup(name).ok_or_else(|| Fault::unsupported(name))?;
    if !command.takes(args.len()) {
        return Err(Fault::Arity(command.name));
    }
    let Context { ready, now_ms, version, audience } = context;
    let name = command.name;
    let mut call = Call { store, args, now_ms, version, out, name, ready, audience, block: None };
    (command.run)(&mut call)?;
    Ok(call.block)
}

fn lookup(name: &[u8]) -> Option<&'static Command> {
    const NAME_BYTES_MAX: usize = 24;
    let mut lower = [0; NAME_BYTES_MAX];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    let mut at = place_of(lower);
    while let Some(command) = COMMANDS.get(usize::from(PLACES[at])) {
        if command.name.as_bytes() == lower {
            return Some(command);
        }
        at = (at + 1) % PLACES.len();
    }
    None
}

/// Rows by a hash of their names, each at its place or at the next one that was free.
static PLACES: [u16; 1024] = {
    let mut places = [u16::MAX; 1024];
    let mut row = 0;
    while row < COMMANDS.len() {
        let mut at = place_of(COMMANDS[row].name.as_bytes());
        while places[at] != u16::MAX {
            at = (at + 1) % places.len();
        }
        places[at] = row as u16;
        row += 1;
    }
    places
};

/// Place of a name, from its length, its ends and two letters between them.
const fn place_of(name: &[u8]) -> usize {
    let len = name.len();
    if len == 0 {
        return 0;
    }
    let letters = [name[0], name[len - 1], name[len / 2], name[len / 3]];
    let mixed = u32::from_le_bytes(letters).wrapping_add(len as u32).wrapping_mul(0x9e37_79b1);
    (mixed >> 22) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_found() {
        assert!(COMMANDS.is_sorted_by(|a, b| a.name < b.name));
        for command in COMMANDS {
            assert!(lookup(command.name.to_ascii_uppercase().as_bytes()).is_some(), "{}", command.name);
        }
        for name in [&b""[..], b"gett", b"ge", b"evals", b"get\0", &[b'g'; 100]] {
            assert!(lookup(name).is_none());
        }
    }

    fn check(store: &mut Store, now_ms: u64, version: Version, request: &str, reply: &str) {
        let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        let mut out = b"before".to_vec();
        store.execute_redis(&args, now_ms, version, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), format!("before{reply}"), "{request}");
    }

    #[test]
    fn a_session_with_time() {
        let mut store = Store::new(1 << 20);
        let steps: &[(u64, &str, &str)] = &[
            (1000, "SET k v EX 10", "+OK\r\n"),
            (1000, "TTL k", ":10\r\n"),
            (1400, "TTL k", ":10\r\n"),
            (1501, "TTL k", ":9\r\n"),
            (10999, "PTTL k", ":1\r\n"),
            (11000, "PTTL k", ":0\r\n"),
            (11000, "GET k", "$1\r\nv\r\n"),
            (11001, "GET k", "$-1\r\n"),
            (11001, "TTL k", ":-2\r\n"),
            (11001, "DBSIZE", ":0\r\n"),
            (11001, "SET k v PX 5 KEEPTTL", "-ERR syntax error\r\n"),
            (11001, "SET k v PX 5", "+OK\r\n"),
            (11002, "SET k w KEEPTTL", "+OK\r\n"),
            (11002, "PEXPIRETIME k", ":11006\r\n"),
            (11002, "APPEND k x", ":2\r\n"),
            (11002, "PTTL k", ":4\r\n"),
            (11007, "EXISTS k", ":0\r\n"),
            (11007, "SETNX k 1", ":1\r\n"),
            (11007, "EXPIRE k 5", ":1\r\n"),
            (11007, "INCR k", ":2\r\n"),
            (16007, "GET k", "$1\r\n2\r\n"),
            (16008, "INCR k", ":1\r\n"),
            (16008, "TTL k", ":-1\r\n"),
        ];
        for &(now_ms, request, reply) in steps {
            check(&mut store, now_ms, Version::Resp2, request, reply);
        }
    }

    #[test]
    fn nulls_follow_the_version() {
        let mut store = Store::new(1 << 20);
        for request in ["GET k", "GETDEL k", "GETEX k", "SET k v XX", "GETSET a b"] {
            check(&mut store, 0, Version::Resp2, request, "$-1\r\n");
            store.clear();
            check(&mut store, 0, Version::Resp3, request, "_\r\n");
            store.clear();
        }
        check(&mut store, 0, Version::Resp3, "MGET k l", "*2\r\n_\r\n_\r\n");
    }

    #[test]
    fn what_the_embedded_cache_cannot_do() {
        let mut store = Store::new(4096);
        let error = "-ERR the embedded cache does not serve 'FCALL', which needs a redis server \
                     (set servers = [...])\r\n";
        check(&mut store, 0, Version::Resp2, "FCALL s 0", error);
        let long = "x".repeat(5000);
        let error =
            "-OOM the value does not fit into the embedded cache (at most 3712 bytes of key and value)\r\n";
        check(&mut store, 0, Version::Resp2, &format!("SET k {long}"), error);
        check(&mut store, 0, Version::Resp2, &format!("APPEND k {long}"), error);
        check(&mut store, 0, Version::Resp2, "SETRANGE k 5000 x", error);
        check(&mut store, 0, Version::Resp2, &format!("MSET a b k {long}"), error);
        check(&mut store, 0, Version::Resp2, "DBSIZE", ":0\r\n");
    }
}
