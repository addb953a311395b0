//! Redis on the embedded cache: strings, counters, expiry.
//!
//! One table holds the commands, their number of arguments and their functions. Replies and error texts are
//! Redis 7.0's. A command either appends its whole reply or fails without leaving any output.

#[allow(clippy::unnecessary_wraps, reason = "a table of functions: most can fail")]
mod call;
mod counter;
mod expire;
mod fault;
mod integer;
#[allow(clippy::unnecessary_wraps, reason = "a table of functions: most can fail")]
mod key;
mod long_double;
mod options;
#[allow(clippy::unnecessary_wraps, reason = "a table of functions: most can fail")]
mod string;

use wire::redis::Version;
use wire::redis::encode;

use crate::Store;
use call::Call;
use fault::Fault;

/// A row of the table of commands.
struct Command {
    /// Lower case, as in Redis' errors.
    name: &'static str,
    /// Number of arguments including the command's name; negative: at least that many.
    arity: isize,
    run: fn(&mut Call<'_>) -> Result<(), Fault>,
}

const fn row(name: &'static str, arity: isize, run: fn(&mut Call<'_>) -> Result<(), Fault>) -> Command {
    Command { name, arity, run }
}

/// Every command of the embedded cache, sorted by name.
static COMMANDS: &[Command] = &[
    row("append", 3, string::append),
    row("dbsize", 1, key::dbsize),
    row("decr", 2, counter::decr),
    row("decrby", 3, counter::decrby),
    row("del", -2, key::del),
    row("echo", 2, key::echo),
    row("exists", -2, key::exists),
    row("expire", -3, expire::expire),
    row("expireat", -3, expire::expireat),
    row("expiretime", 2, expire::expiretime),
    row("flushall", -1, key::flush),
    row("flushdb", -1, key::flush),
    row("get", 2, string::get),
    row("getdel", 2, string::getdel),
    row("getex", -2, string::getex),
    row("getrange", 4, string::getrange),
    row("getset", 3, string::getset),
    row("incr", 2, counter::incr),
    row("incrby", 3, counter::incrby),
    row("incrbyfloat", 3, counter::incrbyfloat),
    row("mget", -2, string::mget),
    row("mset", -3, string::mset),
    row("msetnx", -3, string::msetnx),
    row("persist", 2, expire::persist),
    row("pexpire", -3, expire::pexpire),
    row("pexpireat", -3, expire::pexpireat),
    row("pexpiretime", 2, expire::pexpiretime),
    row("ping", -1, key::ping),
    row("psetex", 4, string::psetex),
    row("pttl", 2, expire::pttl),
    row("set", -3, string::set),
    row("setex", 4, string::setex),
    row("setnx", 3, string::setnx),
    row("setrange", 4, string::setrange),
    row("strlen", 2, string::strlen),
    row("substr", 4, string::getrange),
    row("touch", -2, key::touch),
    row("ttl", 2, expire::ttl),
    row("type", 2, key::kind),
    row("unlink", -2, key::del),
];

/// Names of the commands of the embedded cache, in lower case, sorted.
pub fn commands() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|command| command.name)
}

impl Store {
    /// Runs one Redis command and appends its reply, which is one RESP value in the client's `version`.
    ///
    /// `args` begin with the command's name. `now_ms` is wall-clock time, milliseconds since 1970.
    pub fn execute_redis(&mut self, args: &[&[u8]], now_ms: u64, version: Version, out: &mut Vec<u8>) {
        self.tick(now_ms);
        let start = out.len();
        if let Err(fault) = run(self, args, now_ms, version, out) {
            out.truncate(start);
            encode::error(out, fault.text().as_bytes());
        }
    }
}

fn run(
    store: &mut Store,
    args: &[&[u8]],
    now_ms: u64,
    version: Version,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let Some((name, _)) = args.split_first() else {
        return Err(Fault::EmptyRequest);
    };
    let command = lookup(name).ok_or_else(|| Fault::unsupported(name))?;
    let fits = match usize::try_from(command.arity) {
        Ok(exact) => args.len() == exact,
        Err(_) => args.len() >= command.arity.unsigned_abs(),
    };
    if !fits {
        return Err(Fault::Arity(command.name));
    }
    (command.run)(&mut Call { store, args, now_ms, version, out, name: command.name })
}

fn lookup(name: &[u8]) -> Option<&'static Command> {
    const NAME_BYTES_MAX: usize = 16;
    let mut lower = [0; NAME_BYTES_MAX];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    let found = COMMANDS.binary_search_by(|command| command.name.as_bytes().cmp(lower)).ok()?;
    COMMANDS.get(found)
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
        for name in [&b""[..], b"gett", b"ge", b"lpush", b"get\0", &[b'g'; 100]] {
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
        let error = "-ERR the embedded cache holds strings only: 'LPUSH' needs a redis server \
                     (set servers = [...])\r\n";
        check(&mut store, 0, Version::Resp2, "LPUSH l x", error);
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
