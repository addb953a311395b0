//! Routing of requests: keys, splits, local answers, refusals and their texts, and the answers of `COMMAND`.

use nuthatch_wire::redis::command::{IDS_MAX, Side, all, flags};
use nuthatch_wire::redis::{
    BlockTime, Kind, Local, Merge, Permit, Proxied, ReplyLimits, ReplyScan, ReplyScanner, Request,
    RequestScanner, Route, Scan, Version, command_reply, docs_rows, encode, encode_inline, lookup,
    write_split_head,
};

/// A request from a typed line.
fn request(line: &str) -> (Vec<u8>, Request) {
    let mut frame = Vec::new();
    encode_inline(line.as_bytes(), &mut frame).unwrap();
    match RequestScanner::new().scan(&frame, &Default::default()) {
        Scan::Done(request) => (frame, request),
        other => panic!("{line}: {other:?}"),
    }
}

/// The route of a request as text: `one k`, `same a b`, `split Sum a b`, `local Ping`, or the error.
fn route(line: &str) -> String {
    let (frame, request) = request(line);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match request.route(&frame) {
        Ok((_, Route::One(key))) => format!("one {}", text(key.bytes())),
        Ok((_, Route::Same(keys))) => {
            format!("same {}", keys.map(|key| text(key.bytes())).collect::<Vec<_>>().join(" "))
        }
        Ok((_, Route::Split(merge, parts))) => {
            let keys: Vec<_> = parts.map(|part| text(part.key.bytes())).collect();
            format!("split {merge:?} {}", keys.join(" "))
        }
        Ok((_, Route::Every(merge))) => format!("every {merge:?}"),
        Ok((_, Route::Any)) => "any".into(),
        Ok((_, Route::Only(refusal))) => {
            let mut out = Vec::new();
            refusal.write(&mut out);
            format!("only, or {}", text(out.strip_suffix(b"\r\n").unwrap()))
        }
        Ok((_, Route::Scan)) => "scan".into(),
        Ok((_, Route::Subscribe)) => "subscribe".into(),
        Ok((_, Route::Block(keys, time))) => {
            let keys: Vec<_> = keys.map(|key| text(key.bytes())).collect();
            match time {
                BlockTime::Forever => format!("block {}", keys.join(" ")),
                BlockTime::AtMost(time) => format!("block {time:?} {}", keys.join(" ")),
            }
        }
        Ok((_, Route::Local(local))) => format!("local {local:?}"),
        Err(refusal) => {
            let mut out = Vec::new();
            refusal.write(&mut out);
            text(out.strip_suffix(b"\r\n").unwrap())
        }
    }
}

fn check(cases: &[(&str, &str)]) {
    for (line, expected) in cases {
        assert_eq!(route(line), *expected, "{line}");
    }
}

#[test]
fn keys() {
    check(&[
        ("GET k", "one k"),
        ("get ''", "one "),
        ("SET k v EX 10", "one k"),
        ("SET k", "-ERR wrong number of arguments for 'set' command"),
        ("EXPIRE k 10 NX", "one k"),
        ("RENAME a b", "same a b"),
        ("COPY a b REPLACE", "same a b"),
        ("SMOVE a b m", "same a b"),
        ("LMOVE a b LEFT RIGHT", "same a b"),
        ("RPOPLPUSH a b", "same a b"),
        ("LCS a b LEN", "same a b"),
        ("SINTER a", "one a"),
        ("SINTER a b c", "same a b c"),
        ("SINTERSTORE d a b", "same d a b"),
        ("PFCOUNT a b", "same a b"),
        ("PFMERGE d", "one d"),
        ("BITOP AND d a b", "same d a b"),
        ("MSETNX a 1 b 2", "same a b"),
        ("MSETNX a 1", "one a"),
        ("ZRANGESTORE d s 0 1", "same d s"),
        ("GEOSEARCHSTORE d s FROMMEMBER m BYRADIUS 1 km", "same d s"),
        ("ZUNION 2 a b WITHSCORES", "same a b"),
        ("ZDIFF 1 a", "one a"),
        ("ZINTERCARD 2 a b LIMIT 1", "same a b"),
        ("ZUNIONSTORE d 2 a b WEIGHTS 1 2", "same d a b"),
        ("SINTERCARD 2 a b", "same a b"),
        ("LMPOP 2 a b LEFT", "same a b"),
        ("ZMPOP 1 a MIN COUNT 2", "one a"),
        ("EVAL script 2 a b arg", "same a b"),
        ("evalsha ffff 1 a", "one a"),
        ("EVAL_RO script 1 a", "one a"),
        ("FCALL f 1 a arg", "one a"),
        ("FCALL_RO f 2 a b", "same a b"),
        ("SORT k", "one k"),
        ("SORT k BY w_* LIMIT 0 5 GET # ASC", "one k"),
        ("SORT k BY store GET store STORE d", "same k d"),
        ("SORT k STORE a STORE d", "same k d"),
        ("SORT k STORE", "one k"),
        ("SORT k LIMIT 0 STORE x", "one k"),
        ("SORT_RO k BY w_*", "one k"),
        ("GEORADIUS k 1 2 3 km", "one k"),
        ("GEORADIUS k 1 2 3 km STORE d", "same k d"),
        ("GEORADIUS k 1 2 3 km STORE d STOREDIST e", "same k e"),
        ("GEORADIUSBYMEMBER k store 3 km", "one k"),
        ("GEORADIUSBYMEMBER k m 3 km COUNT 1 storedist d", "same k d"),
        ("GEORADIUS_RO k 1 2 3 km", "one k"),
        ("XREAD STREAMS a 0", "one a"),
        ("XREAD COUNT 5 STREAMS a b 0 0", "same a b"),
        ("XREADGROUP GROUP g c COUNT 1 NOACK STREAMS a >", "one a"),
        ("XREADGROUP GROUP block streams STREAMS a >", "one a"),
        ("XADD s * f v", "one s"),
        ("XGROUP CREATE s g $", "one s"),
        ("XINFO STREAM s FULL", "one s"),
        ("xinfo consumers s g", "one s"),
        ("OBJECT ENCODING k", "one k"),
        ("object freq k", "one k"),
        ("MEMORY USAGE k SAMPLES 5", "one k"),
        ("MIGRATE h 1 k 0 100", "one k"),
        ("MIGRATE h 1 k 0 100 COPY", "one k"),
        ("MIGRATE h 1 '' 0 100 COPY REPLACE KEYS a b", "same a b"),
        ("MIGRATE h 1 '' 0 100 AUTH keys KEYS a", "one a"),
        ("MIGRATE h 1 '' 0 100 AUTH2 u keys KEYS a", "one a"),
        ("ZRANK k m", "one k"),
        ("ZRANK k m WITHSCORE", "one k"),
        ("HEXPIRE k 10 FIELDS 1 f", "one k"),
        ("HGETDEL k FIELDS 1 f", "one k"),
    ]);
}

#[test]
fn splits() {
    check(&[
        ("MGET a", "one a"),
        ("mget a b a", "split Values a b a"),
        ("DEL a", "one a"),
        ("DEL a b", "split Sum a b"),
        ("UNLINK a b", "split Sum a b"),
        ("TOUCH a b", "split Sum a b"),
        ("EXISTS a a", "split Sum a a"),
        ("MSET a 1", "one a"),
        ("MSET a 1 b 2", "split AllOk a b"),
        ("MSET a 1 b", "-ERR wrong number of arguments for 'mset' command"),
        ("MSETNX a 1 b", "-ERR wrong number of arguments for 'msetnx' command"),
        ("MGET", "-ERR wrong number of arguments for 'mget' command"),
    ]);
}

#[test]
fn over_a_connection_of_its_own() {
    check(&[
        ("SUBSCRIBE c", "subscribe"),
        ("PUNSUBSCRIBE", "subscribe"),
        ("SSUBSCRIBE c", "subscribe"),
        ("PUBLISH c m", "one c"),
        ("SPUBLISH c m", "one c"),
        ("BLPOP a 0", "block a"),
        ("BLPOP a b 1.5", "block 1.5s a b"),
        ("BRPOP a x", "block 1ns a"),
        ("BLMOVE a b LEFT RIGHT 3", "block 3s a b"),
        ("BRPOPLPUSH a b 0", "block a b"),
        ("BZPOPMIN a 2", "block 2s a"),
        ("BLMPOP 0 1 a LEFT", "block a"),
        ("BZMPOP 0.25 2 a b MIN COUNT 2", "block 250ms a b"),
        ("XREAD BLOCK 0 STREAMS a $", "block a"),
        ("XREAD COUNT 2 BLOCK 1500 STREAMS a b $ $", "block 1.5s a b"),
        ("XREADGROUP GROUP block c COUNT 1 block 5 STREAMS a >", "block 5ms a"),
        ("XREADGROUP GROUP g BLOCK STREAMS a >", "one a"),
        ("BLPOP", "-ERR wrong number of arguments for 'blpop' command"),
    ]);
}

#[test]
fn sent_to_every_server() {
    check(&[
        ("SCRIPT LOAD 'return 1'", "every Same"),
        ("script exists a", "every Least"),
        ("SCRIPT EXISTS a b c", "every Least"),
        ("SCRIPT FLUSH", "every AllOk"),
        ("SCRIPT FLUSH ASYNC", "every AllOk"),
        ("DBSIZE", "every Sum"),
        ("FLUSHALL ASYNC", "every AllOk"),
        ("FLUSHDB", "every AllOk"),
        ("CONFIG SET a b", "every AllOk"),
        ("KEYS *", "every Lists"),
        ("RANDOMKEY", "every Some"),
        ("SCRIPT KILL", "every AnyOk"),
        ("FUNCTION LOAD REPLACE x", "every Same"),
        ("FUNCTION DELETE x", "every AllOk"),
        ("FUNCTION LIST", "any"),
        ("OBJECT HELP", "any"),
        ("SCAN 0 MATCH x", "scan"),
        ("SCRIPT LOAD", "-ERR wrong number of arguments for 'script|load' command"),
        ("SCRIPT LOAD a b", "-ERR wrong number of arguments for 'script|load' command"),
        ("SCRIPT EXISTS", "-ERR wrong number of arguments for 'script|exists' command"),
        ("SCRIPT", "-ERR wrong number of arguments for 'script' command"),
        ("DBSIZE x", "-ERR wrong number of arguments for 'dbsize' command"),
        ("SCRIPT NOSUCH", "-ERR unknown subcommand 'NOSUCH'. Try SCRIPT HELP."),
    ]);
}

#[test]
fn a_split_request_is_put_together_from_its_parts() {
    let cases = [
        ("MSET a 1 b 22 c 3", 2, "*5|$4|mset|$1|a|$1|1|$1|b|$2|22|"),
        ("mset a 1 b 22 c 3", 1, "*3|$4|mset|$1|a|$1|1|"),
        ("UNLINK a b '' c", 3, "*4|$6|unlink|$1|a|$1|b|$0||"),
    ];
    for (line, keys, expected) in cases {
        let (frame, found) = request(line);
        let Ok((command, Route::Split(_, parts))) = found.route(&frame) else { panic!("{line}") };
        let mut out = Vec::new();
        write_split_head(&mut out, command, keys, parts.arguments_each());
        let (start, end) = (parts.start(), parts.take(keys).last().map_or(0, |part| part.end()));
        out.extend_from_slice(&frame[start..end]);
        assert_eq!(String::from_utf8_lossy(&out).replace("\r\n", "|"), expected);
    }
}

#[test]
fn answered_here() {
    check(&[
        ("PING", "local Ping"),
        ("PING hello", "local Ping"),
        ("ECHO x", "local Echo"),
        ("QUIT", "local Quit"),
        ("AUTH p", "local Auth"),
        ("AUTH u p", "local Auth"),
        ("HELLO 3 AUTH u p SETNAME n", "local Hello"),
        ("SELECT 0", "local Select"),
        ("RESET", "local Reset"),
        ("MULTI", "local Multi"),
        ("EXEC", "local Exec"),
        ("DISCARD", "local Discard"),
        ("UNWATCH", "local Unwatch"),
        ("WATCH k", "local Watch"),
        ("CLIENT ID", "local ClientId"),
        ("client getname", "local ClientGetName"),
        ("CLIENT SETNAME n", "local ClientSetName"),
        ("CLIENT SETINFO LIB-NAME x", "local ClientSetInfo"),
        ("CLIENT GETREDIR", "local ClientGetRedir"),
        ("CLIENT INFO", "local ClientInfo"),
        ("CLIENT LIST TYPE normal", "local ClientList"),
        ("CLIENT KILL ID 7", "local ClientKill"),
        ("CLIENT UNBLOCK 7", "local ClientUnblock"),
        ("CLIENT REPLY OFF", "local ClientReply"),
        ("CLIENT PAUSE 100 WRITE", "local ClientPause"),
        ("CLIENT UNPAUSE", "local ClientUnpause"),
        ("MONITOR", "local Monitor"),
        ("CLIENT NO-EVICT ON", "local ClientOnOff"),
        ("CLIENT NO-TOUCH ON", "local ClientOnOff"),
        ("CLIENT TRACKINGINFO", "local ClientTrackingInfo"),
        ("COMMAND", "local Command"),
        ("COMMAND DOCS get", "local Command"),
        ("CONFIG GET maxmemory", "local ConfigGet"),
        ("INFO", "local Info"),
        ("LOLWUT VERSION 5", "local Lolwut"),
        ("TIME", "local Time"),
        ("ECHO", "-ERR wrong number of arguments for 'echo' command"),
        ("CLIENT KILL", "-ERR wrong number of arguments for 'client|kill' command"),
        ("CLIENT SETNAME", "-ERR wrong number of arguments for 'client|setname' command"),
        ("CLIENT", "-ERR wrong number of arguments for 'client' command"),
    ]);
}

#[test]
fn refused_with_the_reason() {
    let script = "it is about a script that runs on one server; send it to that server itself";
    let admin = "it administers one server; send it to that server itself";
    let cluster = "it belongs to Redis Cluster; switch cluster mode off in the client: the proxy finds the server \
                   of a key";
    let stream = "a connection that clients share cannot become a stream; connect to the server itself";
    let caching = "an invalidation has to come in order with replies, which come over other connections; switch \
                   client-side caching off in the client";
    let help = "a server explains its own subcommands only; ask a server itself";
    let unsupported = |name: &str, reason: &str| {
        format!("-ERR unknown command '{name}', unsupported by this proxy: {reason}")
    };
    let cases = [
        ("SCRIPT DEBUG YES", unsupported("script|debug", script)),
        ("SHUTDOWN", unsupported("shutdown", admin)),
        ("CLUSTER SLOTS", unsupported("cluster|slots", cluster)),
        ("PSYNC ? -1", unsupported("psync", stream)),
        ("CLIENT TRACKING ON", unsupported("client|tracking", caching)),
        ("CLIENT HELP", unsupported("client|help", help)),
        ("NOSUCH a b", "-ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' ".into()),
        ("\"a\\r\\nb\"", "-ERR unknown command 'a  b', with args beginning with: ".into()),
        ("''", "-ERR unknown command '', with args beginning with: ".into()),
        ("OBJECT NOSUCH k", "-ERR unknown subcommand 'NOSUCH'. Try OBJECT HELP.".into()),
    ];
    for (line, expected) in &cases {
        assert_eq!(route(line), *expected, "{line}");
        let (frame, found) = request(line);
        assert!(found.route(&frame).unwrap_err().is_unsupported(), "{line}");
    }
    let (frame, found) = request("GET");
    assert!(!found.route(&frame).unwrap_err().is_unsupported());
}

#[test]
fn for_the_server_of_a_pool_that_has_one() {
    let unsupported = |name: &str, reason: &str| {
        format!("only, or -ERR unknown command '{name}', unsupported by this proxy: {reason}")
    };
    let tells = "it tells about one server; ask that server itself";
    let cases = [
        ("WAIT 1 0", unsupported("wait", "each server counts its own replicas only; set min-replicas-to-write on the servers")),
        ("SWAPDB 0 1", unsupported("swapdb", "it would change the data of all servers; send it to each server itself, if it is meant")),
        ("DEBUG SLEEP 1", unsupported("debug", "it administers one server; send it to that server itself")),
        ("MEMORY DOCTOR", unsupported("memory|doctor", tells)),
        ("ROLE", unsupported("role", tells)),
        (
            "EVAL script 0",
            "only, or -ERR 'eval' needs at least one key here, to find its server by; give it one, used or not".into(),
        ),
    ];
    for (line, expected) in &cases {
        assert_eq!(route(line), *expected, "{line}");
    }
}

/// Nobody empties or changes servers through a pool unless its configuration says so.
#[test]
fn what_needs_a_permission() {
    let rows = all().iter().flat_map(|c| std::iter::once(c).chain(c.subcommands));
    let needs: Vec<String> = rows
        .filter(|command| command.permit != Permit::Always)
        .map(|command| format!("{} {}", command.permit.name(), command.name))
        .collect();
    let expected = [
        "admin bgrewriteaof",
        "admin bgsave",
        "admin config|resetstat",
        "admin config|rewrite",
        "admin config|set",
        "admin debug",
        "flush flushall",
        "flush flushdb",
        "admin memory|purge",
        "admin monitor",
        "admin pfselftest",
        "admin save",
        "admin swapdb",
    ];
    assert_eq!(needs, expected);
}

/// Refusing one of these closes the connection, whatever is wrong with the request.
#[test]
fn commands_that_later_ones_depend_on_are_stateful() {
    let rows = all().iter().flat_map(|c| std::iter::once(c).chain(c.subcommands));
    let names: Vec<_> = rows.filter(|command| command.stateful).map(|command| command.name).collect();
    let expected = "asking client|reply client|tracking monitor multi psubscribe psync replconf reset script|debug select \
                    ssubscribe subscribe sync watch";
    assert_eq!(names.join(" "), expected);
    let is_stateful = |line: &str| {
        let (frame, found) = request(line);
        found.route(&frame).unwrap_err().stateful().is_some()
    };
    for line in ["MONITOR x", "MULTI x", "SELECT", "RESET x", "CLIENT REPLY", "SCRIPT DEBUG", "WATCH"] {
        assert!(is_stateful(line), "{line}");
    }
    for line in ["EXEC x", "GET", "CLIENT", "CLIENT NOSUCH", "NOSUCH", "SHUTDOWN"] {
        assert!(!is_stateful(line), "{line}");
    }
}

#[test]
fn all_that_nutcracker_forwards_is_served() {
    let arities: &[(usize, &str)] = &[
        (1, "PING QUIT COMMAND LOLWUT"),
        (
            2,
            "DECR DUMP GET GETDEL HGETALL HKEYS HLEN HVALS INCR LLEN PERSIST PTTL SCARD SMEMBERS STRLEN TTL TYPE ZCARD \
             AUTH",
        ),
        (
            3,
            "APPEND DECRBY EXPIRE EXPIREAT GETBIT GETSET HEXISTS HGET HSTRLEN INCRBY INCRBYFLOAT LINDEX PEXPIRE \
             PEXPIREAT RPOPLPUSH SETNX SISMEMBER ZRANK ZREVRANK ZSCORE",
        ),
        (
            4,
            "GETRANGE HINCRBY HINCRBYFLOAT HSETNX LRANGE LREM LSET LTRIM PSETEX SETBIT SETEX SETRANGE SMOVE ZCOUNT \
             ZINCRBY ZLEXCOUNT ZREMRANGEBYLEX ZREMRANGEBYRANK ZREMRANGEBYSCORE",
        ),
        (5, "LINSERT LMOVE"),
        (
            0,
            "BITCOUNT BITFIELD BITPOS COPY EXISTS GEOADD GEODIST GEOHASH GEOPOS GEORADIUS GEORADIUSBYMEMBER GEOSEARCH \
             GEOSEARCHSTORE GETEX HDEL HMGET HMSET HRANDFIELD HSCAN HSET LPOP LPOS LPUSH LPUSHX PFADD PFCOUNT PFMERGE \
             RESTORE RPOP RPUSH RPUSHX SADD SDIFF SDIFFSTORE SET SINTER SINTERSTORE SMISMEMBER SORT SPOP SRANDMEMBER \
             SREM SSCAN SUNION SUNIONSTORE ZADD ZDIFF ZDIFFSTORE ZINTER ZINTERSTORE ZMSCORE ZPOPMAX ZPOPMIN \
             ZRANDMEMBER ZRANGE ZRANGEBYLEX ZRANGEBYSCORE ZRANGESTORE ZREM ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE \
             ZSCAN ZUNION ZUNIONSTORE MGET DEL UNLINK TOUCH MSET EVAL EVALSHA",
        ),
    ];
    for (arity, names) in arities {
        for name in names.split_whitespace() {
            let command = lookup(name.as_bytes()).unwrap_or_else(|| panic!("{name} is unknown"));
            assert!(!matches!(command.proxied, Proxied::Refused(_)), "{name} is refused");
            assert!(*arity == 0 || command.takes(*arity), "{name} takes not {arity}");
        }
    }
}

#[test]
fn the_table_agrees_with_itself() {
    for pair in all().windows(2) {
        assert!(pair[0].name < pair[1].name, "{} before {}", pair[0].name, pair[1].name);
    }
    for command in all().iter().flat_map(|c| std::iter::once(c).chain(c.subcommands)) {
        let name = command.name;
        let served = !matches!(command.proxied, Proxied::Refused(_));
        let keys = command.keys != nuthatch_wire::redis::command::KeySpec::None;
        assert!(command.arity != 0, "{name}");
        assert!(!command.retry_safe() || !command.is_write(), "{name}");
        assert!(served || !command.retry_safe(), "{name}");
        match command.proxied {
            Proxied::Forward | Proxied::Split(_) | Proxied::Block => {
                assert!(keys, "{name} is forwarded without a key");
            }
            Proxied::Local(Local::Watch) => assert!(keys),
            Proxied::Channel | Proxied::Subscribe => {}
            Proxied::Local(_) | Proxied::Every(_) | Proxied::Any | Proxied::Only(_) | Proxied::Scan => {
                assert!(!keys, "{name}");
            }
            Proxied::Refused(reason) => {
                assert!(!reason.why().is_empty() && !reason.remedy().is_empty(), "{name}");
            }
        }
        let blocking = command.flags & flags::BLOCKING != 0;
        assert!(!blocking || command.proxied == Proxied::Block || name.starts_with("xread"), "{name} blocks");
    }
    let retried =
        ["get", "mget", "exists", "hgetall", "xread", "eval_ro", "sort_ro", "ttl", "object|encoding"];
    let not_retried = ["set", "incr", "del", "eval", "getex", "sort", "ping", "flushall"];
    let find = |name: &str| match name.split_once('|') {
        None => lookup(name.as_bytes()).unwrap(),
        Some((container, sub)) => lookup(container.as_bytes()).unwrap().subcommand(sub.as_bytes()).unwrap(),
    };
    for name in &retried {
        assert!(find(name).retry_safe(), "{name}");
    }
    for name in &not_retried {
        assert!(!find(name).retry_safe(), "{name}");
    }
    assert_eq!(find("mget").proxied, Proxied::Split(Merge::Values));
    assert_eq!(find("ping").proxied, Proxied::Local(Local::Ping));
}

fn command(line: &str, version: Version) -> Vec<u8> {
    let (frame, found) = request(line);
    let mut out = Vec::new();
    command_reply(found.args(&frame), version, &mut out);
    match ReplyScanner::new().scan(&out, &ReplyLimits::default()) {
        ReplyScan::Done(reply) => assert_eq!(reply.len(), out.len()),
        other => panic!("{line}: {other:?}"),
    }
    out
}

#[test]
fn each_command_has_an_id_of_its_own() {
    let rows: Vec<_> = all().iter().flat_map(|c| std::iter::once(c).chain(c.subcommands)).collect();
    let mut ids: Vec<_> = rows.iter().map(|command| command.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), rows.len());
    assert!(ids.iter().all(|id| usize::from(*id) < IDS_MAX));
}

#[test]
fn keys_come_with_what_is_done_to_them() {
    const CASES: &[(&str, &str)] = &[
        ("GET k", "k:r"),
        ("SET k v", "k:w"),
        ("SET k get", "k:w"),
        ("SET k v EX 5", "k:w"),
        ("SET k v EX 5 gEt", "k:rw"),
        ("EXISTS a b", "a: b:"),
        ("RENAME a b", "a:rw b:w"),
        ("COPY a b", "a:r b:w"),
        ("SINTERSTORE d a b", "d:w a:r b:r"),
        ("ZUNIONSTORE d 2 a b", "d:w a:r b:r"),
        ("PFMERGE d a", "d:rw a:r"),
        ("MSET a 1 b 2", "a:w b:w"),
        ("SORT k", "k:r"),
        ("SORT k STORE d", "k:r d:w"),
        ("GEORADIUS k 1 2 3 m STOREDIST d", "k:r d:w"),
        ("BITFIELD k", "k:r"),
        ("BITFIELD k GET u8 0 OVERFLOW wrap get u8 1", "k:r"),
        ("BITFIELD k GET u8", "k:rw"),
        ("BITFIELD k GET u8 0 SET u8 0 1", "k:rw"),
        ("BITFIELD_RO k GET u8 0", "k:r"),
        ("OBJECT FREQ k", "k:"),
        ("XREADGROUP GROUP g c STREAMS a >", "a:r"),
        ("EVAL s 2 a b c", "a:rw b:rw"),
        ("SPUBLISH c m", ""),
        ("PING", ""),
    ];
    for (line, expected) in CASES {
        let (frame, found) = request(line);
        let command = found.command().unwrap();
        let sub = found.first(&frame).and_then(|name| command.subcommand(name.bytes()));
        let keys = sub.unwrap_or(command).sided_keys(found.args(&frame)).unwrap();
        let shown = keys.map(|(key, side)| {
            let letters = match side {
                Side::NONE => "",
                Side::READ => "r",
                Side::WRITE => "w",
                _ => "rw",
            };
            format!("{}:{letters}", key.bytes().escape_ascii())
        });
        assert_eq!(shown.collect::<Vec<_>>().join(" "), *expected, "{line}");
    }
    assert!(Side::NONE.is_within(Side::READ) && Side::READ.is_within(Side::BOTH));
    assert!(!Side::BOTH.is_within(Side::READ) && !Side::WRITE.is_within(Side::READ));
}

#[test]
fn command_shows_what_is_served() {
    let served = all().iter().filter(|command| command.is_served()).count();
    let text = |line: &str| String::from_utf8(command(line, Version::Resp2)).unwrap();
    assert_eq!(text("COMMAND COUNT"), format!(":{served}\r\n"));
    let count = |line: &str, version| {
        let out = command(line, version);
        let ReplyScan::Done(reply) = ReplyScanner::new().scan(&out, &ReplyLimits::default()) else {
            panic!()
        };
        (reply.kind(), reply.element_count().unwrap())
    };
    assert_eq!(count("COMMAND", Version::Resp2), (Kind::Array, served));
    let subcommands = all().iter().flat_map(|command| command.subcommands);
    let listed = served + subcommands.filter(|command| command.is_served()).count();
    assert_eq!(count("COMMAND LIST", Version::Resp3), (Kind::Array, listed));
    assert_eq!(count("COMMAND DOCS", Version::Resp2), (Kind::Array, 2 * served));
    assert_eq!(count("COMMAND DOCS", Version::Resp3), (Kind::Map, 2 * served));
    assert_eq!(count("COMMAND INFO", Version::Resp3), (Kind::Array, served));
    assert_eq!(
        text("COMMAND INFO get psync nosuch"),
        "*3\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n\
         *3\r\n+@read\r\n+@string\r\n+@fast\r\n*0\r\n*0\r\n*0\r\n*-1\r\n*-1\r\n"
    );
    assert!(text("COMMAND INFO object|freq").starts_with("*1\r\n*10\r\n$11\r\nobject|freq\r\n:3\r\n"));
    assert_eq!(
        text("COMMAND DOCS mget"),
        "*2\r\n$4\r\nmget\r\n*6\r\n$7\r\nsummary\r\n$45\r\nsplit by server, values put together in order\r\n\
         $5\r\nsince\r\n$5\r\n1.0.0\r\n$5\r\ngroup\r\n$6\r\nstring\r\n"
    );
    assert_eq!(text("COMMAND DOCS nosuch"), "*0\r\n");
    assert!(text("COMMAND DOCS object").contains("object|encoding"));
    assert_eq!(text("COMMAND GETKEYS ZUNIONSTORE d 2 a b"), "*3\r\n$1\r\nd\r\n$1\r\na\r\n$1\r\nb\r\n");
    assert_eq!(text("COMMAND GETKEYS OBJECT FREQ k"), "*1\r\n$1\r\nk\r\n");
    assert_eq!(text("COMMAND GETKEYS NOSUCH a"), "-ERR Invalid command specified\r\n");
    assert_eq!(text("COMMAND GETKEYS PING a"), "-ERR The command has no key arguments\r\n");
    assert_eq!(text("COMMAND GETKEYS GET a b"), "-ERR Invalid number of arguments specified for command\r\n");
    assert_eq!(text("COMMAND GETKEYS LMPOP x a LEFT"), "-ERR Invalid arguments specified for command\r\n");
    assert_eq!(text("COMMAND LIST FILTERBY PATTERN mg?t"), "*1\r\n$4\r\nmget\r\n");
    assert_eq!(text("COMMAND LIST FILTERBY PATTERN object|f*"), "*1\r\n$11\r\nobject|freq\r\n");
    assert_eq!(text("COMMAND LIST FILTERBY PATTERN psync"), "*0\r\n", "refused");
    assert_eq!(
        text("COMMAND LIST FILTERBY ACLCAT hyperloglog"),
        "*4\r\n$5\r\npfadd\r\n$7\r\npfcount\r\n$7\r\npfmerge\r\n$10\r\npfselftest\r\n"
    );
    assert_eq!(text("COMMAND LIST FILTERBY"), "-ERR syntax error\r\n");
    assert_eq!(text("COMMAND GETKEYS EVAL script 0"), "*0\r\n");
}

#[test]
fn docs_have_a_row_for_each_command() {
    let rows = docs_rows();
    let row = |name: &str| rows.iter().find(|row| row.command == name).unwrap_or_else(|| panic!("{name}"));
    assert!(rows.len() > 280, "{}", rows.len());
    assert_eq!(row("GET").proxied, "forwarded to the server of its keys");
    assert_eq!((row("GET").keys, row("GET").retry_safe), ("argument 1", true));
    assert_eq!(row("OBJECT ENCODING").keys, "argument 2");
    assert_eq!(
        row("BLPOP").proxied,
        "forwarded to the server of its keys, over a connection for this client"
    );
    assert_eq!(row("COMMAND").proxied, "answered by the proxy");
    assert_eq!(row("SCRIPT LOAD").proxied, "sent to every server, the reply that all give");
    assert_eq!(row("SCRIPT EXISTS").proxied, "sent to every server, the least reply for each argument");
    assert_eq!(
        (row("DBSIZE").proxied.as_str(), row("DBSIZE").retry_safe),
        ("sent to every server, replies added", true)
    );
    assert!(rows.iter().all(|row| row.command != "OBJECT" && row.command != "SCRIPT"));
}

#[test]
fn a_request_larger_than_the_frame_shown_finds_nothing() {
    let (frame, found) = request("MGET a b c");
    assert_eq!(found.args(&frame[..10]).count(), 0);
    assert!(found.first(b"").is_none());
    assert_eq!(found.name(b""), b"");
    let mut other = Vec::new();
    encode::array(&mut other, 4);
    assert_eq!(found.args(&other).count(), 0);
}
