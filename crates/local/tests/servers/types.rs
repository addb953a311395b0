//! Lists, hashes, sets, sorted sets and keys against a real redis-server 7: random streams of commands for
//! each type, mixed with commands of the others, in RESP2 and RESP3.
//!
//! Replies are equal byte for byte, except where Redis promises no order (then the elements are), and where a
//! member is taken by chance (then their number is, and the key is deleted on both sides).
//! `SEED=n` replays one stream; a failure prints its seed.

use crate::redis::{Peer, now_ms, start};
use crate::support::{self, Dice, printable};
use crate::traces::{Ears, carry};
use nuthatch_local::Store;
use wire::redis::Version;

const STREAMS: u64 = 60;
const COMMANDS: usize = 250;

/// An id of a stream, of a kind that some argument takes; seldom one that is wrong.
fn id(kind: &str, dice: &mut Dice) -> String {
    const WRONG: &[&str] = &["0-0", "x", "-", "5-x", "5-*-1", "*-1", ""];
    let (ms, seq) = (dice.below(7), dice.below(15));
    match (kind, dice.below(8)) {
        ("NEWID", 0) | ("RANGEID", 7) => format!("{ms}-{seq}"),
        ("NEWID", 1) | ("RANGEID", 4) => ms.to_string(),
        ("NEWID", 2) => (*dice.pick(WRONG)).to_owned(),
        ("NEWID", _) => format!("{ms}-*"),
        ("RANGEID", 0 | 1) => "-".to_owned(),
        ("RANGEID", 2 | 3) => "+".to_owned(),
        ("RANGEID", 5) => format!("({ms}-{seq}"),
        ("RANGEID", _) => format!("({ms}"),
        ("READID", 0) => "$".to_owned(),
        ("READID", 1) => "0".to_owned(),
        ("READID", 2) => ">".to_owned(),
        ("READID", _) => format!("5-{seq}"),
        _ if dice.one_in(30) => "x".to_owned(),
        _ => format!("{ms}-{seq}"),
    }
}

/// A word in the place of one in capitals.
fn word(kind: &str, dice: &mut Dice) -> Option<Vec<u8>> {
    const KEYS: &[&str] = &["a", "b", "c", "d"];
    const ELEMENTS: &[&str] = &[
        "x",
        "y",
        "z",
        "",
        "1",
        "2",
        "-7",
        "100",
        "12345678901",
        "010",
        "\0\r\n",
        "m",
        "ma",
        "mb",
        "n",
        "a member of more than sixty-four bytes, which no packed vector takes in any longer: 0123",
    ];
    const NUMBERS: &[&str] = &["0", "1", "2", "-1", "-2", "5", "100", "-100", "x", "", "9223372036854775807"];
    const COUNTS: &[&str] = &["0", "1", "2", "3", "7", "-1", "-3", "x"];
    const SCORES: &[&str] =
        &["0", "1", "2", "2", "3", "-1", "1.5", "0.1", "1e3", "inf", "-inf", "3.0e-7", "nan", "x", ""];
    const SCORE_BOUNDS: &[&str] = &["-inf", "+inf", "0", "1", "(1", "(2", "2", "1.5", "(0.1", "x", "("];
    const LEX_BOUNDS: &[&str] = &["-", "+", "[m", "(m", "[z", "(x", "[", "(", "[1", "m", ""];
    const FLOATS: &[&str] = &["0.1", "-0.1", "3", "1e2", "x", "0", "1.5e300"];
    const ENDS: &[&str] = &["LEFT", "RIGHT", "left", "up"];
    const SIDES: &[&str] = &["BEFORE", "AFTER", "after", "beside"];
    const EXTREMES: &[&str] = &["MIN", "MAX", "min", "mid"];
    const LONGITUDES: &[&str] =
        &["0", "13.4", "13.41", "13.5", "-179.99", "179.9", "2.35", "-74", "181", "x"];
    const LATITUDES: &[&str] =
        &["0", "52.5", "52.52", "52.6", "-85", "85.05", "48.85", "40.7", "-0.01", "86"];
    const LENGTHS: &[&str] = &["0", "1", "12.5", "100", "3000", "100000", "5000000", "-1", "x"];
    const UNITS: &[&str] = &["m", "km", "FT", "mi", "km", "ly"];
    const GROUPS: &[&str] = &["g", "g", "g", "h", "none"];
    const CONSUMERS: &[&str] = &["anna", "ben", "", "carl"];
    const PATTERNS: &[&str] = &["*", "m*", "?", "[xy]", "x", "*a*", ""];
    let from = match kind {
        "KEY" => KEYS,
        "ELEMENT" | "FIELD" => ELEMENTS,
        "NUMBER" => NUMBERS,
        "COUNT" => COUNTS,
        "SCORE" => SCORES,
        "SMIN" => SCORE_BOUNDS,
        "LMIN" => LEX_BOUNDS,
        "FLOAT" => FLOATS,
        "END" => ENDS,
        "SIDE" => SIDES,
        "EXTREME" => EXTREMES,
        "PATTERN" => PATTERNS,
        "NEWID" | "ID" | "RANGEID" | "READID" => return Some(id(kind, dice).into_bytes()),
        "LON" => LONGITUDES,
        "LAT" => LATITUDES,
        "METRES" => LENGTHS,
        "UNIT" => UNITS,
        "GROUP" => GROUPS,
        "CONSUMER" => CONSUMERS,
        "MANY" => {
            return Some(dice.below(400).to_string().into_bytes());
        }
        _ => return None,
    };
    Some((*dice.pick(from)).as_bytes().to_vec())
}

/// Forms of commands: `WORD` is replaced, `[…]` is there or not, `…+` repeats what is before it.
const LISTS: &[&str] = &[
    "LPUSH KEY ELEMENT+",
    "RPUSH KEY ELEMENT+",
    "RPUSH KEY ELEMENT+",
    "LPUSHX KEY ELEMENT+",
    "RPUSHX KEY ELEMENT+",
    "LPOP KEY [COUNT]",
    "RPOP KEY [COUNT]",
    "LLEN KEY",
    "LINDEX KEY NUMBER",
    "LRANGE KEY NUMBER NUMBER",
    "LRANGE KEY 0 -1",
    "LTRIM KEY NUMBER NUMBER",
    "LSET KEY NUMBER ELEMENT",
    "LINSERT KEY SIDE ELEMENT ELEMENT",
    "LREM KEY COUNT ELEMENT",
    "LMOVE KEY KEY END END",
    "RPOPLPUSH KEY KEY",
    "LPOS KEY ELEMENT [RANK NUMBER] [count COUNT] [MAXLEN COUNT]",
    "LMPOP 1 KEY END [count COUNT]",
    "LMPOP 2 KEY KEY END [count COUNT]",
    "LMPOP COUNT KEY END",
];
const HASHES: &[&str] = &[
    "HSET KEY FIELD ELEMENT",
    "HSET KEY FIELD ELEMENT FIELD ELEMENT",
    "HSET KEY FIELD",
    "HMSET KEY FIELD ELEMENT",
    "HSET KEY MANY ELEMENT MANY ELEMENT MANY ELEMENT MANY ELEMENT",
    "HSETNX KEY FIELD ELEMENT",
    "HGET KEY FIELD",
    "HMGET KEY FIELD+",
    "HDEL KEY FIELD+",
    "HLEN KEY",
    "HSTRLEN KEY FIELD",
    "HEXISTS KEY FIELD",
    "HKEYS KEY",
    "HVALS KEY",
    "HGETALL KEY",
    "HINCRBY KEY FIELD NUMBER",
    "HINCRBYFLOAT KEY FIELD FLOAT",
    "HRANDFIELD KEY [COUNT]",
    "HRANDFIELD KEY COUNT WITHVALUES",
    "HSCAN KEY 0 count 100000 [MATCH PATTERN]",
    "HSCAN KEY x",
];
const SETS: &[&str] = &[
    "SADD KEY ELEMENT+",
    "SADD KEY ELEMENT+",
    "SADD KEY MANY MANY MANY MANY",
    "SREM KEY ELEMENT+",
    "SCARD KEY",
    "SISMEMBER KEY ELEMENT",
    "SMISMEMBER KEY ELEMENT+",
    "SMEMBERS KEY",
    "SPOP KEY [COUNT]",
    "SRANDMEMBER KEY [COUNT]",
    "SMOVE KEY KEY ELEMENT",
    "SINTER KEY KEY",
    "SINTER KEY KEY KEY",
    "SINTERSTORE KEY KEY KEY",
    "SUNION KEY KEY",
    "SUNIONSTORE KEY KEY KEY",
    "SDIFF KEY KEY",
    "SDIFF KEY KEY KEY",
    "SDIFFSTORE KEY KEY KEY",
    "SINTERCARD 2 KEY KEY [LIMIT COUNT]",
    "SINTERCARD COUNT KEY KEY",
    "SSCAN KEY 0 count 100000 [MATCH PATTERN]",
];
const SORTED_SETS: &[&str] = &[
    "ZADD KEY SCORE ELEMENT",
    "ZADD KEY SCORE ELEMENT SCORE ELEMENT",
    "ZADD lex 0 ELEMENT 0 ELEMENT 0 ELEMENT",
    "ZADD KEY [NX] [XX] [GT] [LT] [CH] [INCR] SCORE ELEMENT",
    "ZADD KEY [XX] [GT] SCORE ELEMENT SCORE ELEMENT",
    "ZADD KEY MANY MANY MANY MANY MANY MANY",
    "ZINCRBY KEY SCORE ELEMENT",
    "ZREM KEY ELEMENT+",
    "ZCARD KEY",
    "ZSCORE KEY ELEMENT",
    "ZMSCORE KEY ELEMENT+",
    "ZRANK KEY ELEMENT",
    "ZREVRANK KEY ELEMENT",
    "ZCOUNT KEY SMIN SMIN",
    "ZLEXCOUNT lex LMIN LMIN",
    "ZPOPMIN KEY [COUNT]",
    "ZPOPMAX KEY [COUNT]",
    "ZMPOP 1 KEY EXTREME [count COUNT]",
    "ZMPOP 2 KEY KEY EXTREME",
    "ZRANGE KEY NUMBER NUMBER [REV] [WITHSCORES]",
    "ZRANGE KEY 0 -1 WITHSCORES",
    "ZRANGE KEY SMIN SMIN BYSCORE [REV] [LIMIT NUMBER NUMBER] [WITHSCORES]",
    "ZRANGE lex LMIN LMIN BYLEX [REV] [LIMIT NUMBER NUMBER] [WITHSCORES]",
    "ZRANGE KEY 0 -1 [LIMIT 1 COUNT]",
    "ZREVRANGE KEY NUMBER NUMBER [WITHSCORES]",
    "ZRANGEBYSCORE KEY SMIN SMIN [WITHSCORES] [LIMIT NUMBER NUMBER]",
    "ZREVRANGEBYSCORE KEY SMIN SMIN [WITHSCORES] [LIMIT NUMBER NUMBER]",
    "ZRANGEBYLEX lex LMIN LMIN [LIMIT NUMBER NUMBER]",
    "ZREVRANGEBYLEX lex LMIN LMIN [LIMIT NUMBER NUMBER]",
    "ZRANGESTORE KEY KEY NUMBER NUMBER [REV]",
    "ZRANGESTORE KEY KEY SMIN SMIN BYSCORE [REV] [LIMIT NUMBER NUMBER]",
    "ZREMRANGEBYRANK KEY NUMBER NUMBER",
    "ZREMRANGEBYSCORE KEY SMIN SMIN",
    "ZREMRANGEBYLEX lex LMIN LMIN",
    "ZUNION 2 KEY KEY [WITHSCORES]",
    "ZUNION 2 KEY KEY WEIGHTS SCORE SCORE [AGGREGATE MAX] [WITHSCORES]",
    "ZINTER 2 KEY KEY [AGGREGATE MIN] [WITHSCORES]",
    "ZINTER 3 KEY KEY KEY WITHSCORES",
    "ZDIFF 2 KEY KEY [WITHSCORES]",
    "ZDIFF COUNT KEY KEY",
    "ZUNIONSTORE KEY 2 KEY KEY [WEIGHTS SCORE SCORE] [AGGREGATE SUM]",
    "ZINTERSTORE KEY 2 KEY KEY [WEIGHTS 2 0.1]",
    "ZDIFFSTORE KEY 2 KEY KEY",
    "ZINTERCARD 2 KEY KEY [LIMIT COUNT]",
    "ZRANDMEMBER KEY [COUNT]",
    "ZRANDMEMBER KEY COUNT WITHSCORES",
    "ZSCAN KEY 0 count 100000 [MATCH PATTERN]",
];
/// Entries, and what reads them. The times that pass are not the same on both sides.
const ENTRIES: &[&str] = &[
    "XADD KEY NEWID FIELD ELEMENT",
    "XADD KEY NEWID FIELD ELEMENT",
    "XADD KEY NEWID FIELD ELEMENT FIELD ELEMENT",
    "XADD KEY 5-* FIELD ELEMENT",
    "XADD KEY 5-* FIELD ELEMENT",
    "XADD KEY 5-* FIELD ELEMENT",
    "XADD KEY [NOMKSTREAM] [MAXLEN COUNT] NEWID FIELD ELEMENT",
    "XADD KEY [MINID ID] [LIMIT COUNT] NEWID FIELD ELEMENT",
    "XADD KEY MAXLEN ~ COUNT [LIMIT COUNT] 5-* FIELD ELEMENT",
    "XADD KEY NEWID FIELD",
    "XTRIM KEY MAXLEN [=] MANY",
    "XTRIM KEY MAXLEN ~ COUNT [LIMIT COUNT]",
    "XTRIM KEY MINID ID",
    "XTRIM KEY MINID ID [LIMIT COUNT] [MAXLEN 1]",
    "XLEN KEY",
    "XRANGE KEY - +",
    "XRANGE KEY RANGEID RANGEID [COUNT COUNT]",
    "XREVRANGE KEY RANGEID RANGEID [COUNT COUNT]",
    "XDEL KEY ID ID",
    "XSETID KEY ID [ENTRIESADDED MANY] [MAXDELETEDID ID]",
    "XREAD [COUNT COUNT] STREAMS KEY READID",
    "XREAD STREAMS KEY KEY READID READID",
    "XREAD STREAMS KEY KEY READID",
    "XREAD COUNT 2 KEY 0",
    "XGROUP CREATE KEY GROUP RANGEID [MKSTREAM] [ENTRIESREAD COUNT]",
    "XGROUP CREATE KEY g 0 MKSTREAM",
    "XGROUP CREATE KEY GROUP $",
    "XGROUP SETID KEY GROUP ID [ENTRIESREAD COUNT]",
    "XGROUP DESTROY KEY h",
    "XGROUP CREATECONSUMER KEY GROUP CONSUMER",
    "XGROUP DELCONSUMER KEY GROUP CONSUMER",
    "XREADGROUP GROUP GROUP CONSUMER [COUNT COUNT] [NOACK] STREAMS KEY >",
    "XREADGROUP GROUP g CONSUMER [COUNT COUNT] STREAMS KEY >",
    "XREADGROUP GROUP g CONSUMER [COUNT 2] STREAMS KEY KEY > READID",
    "XREADGROUP GROUP g CONSUMER STREAMS KEY READID",
    "XACK KEY GROUP ID ID ID",
    "XACK KEY g ID",
    "XPENDING KEY GROUP",
    "XPENDING KEY GROUP [IDLE 0] RANGEID RANGEID COUNT [CONSUMER]",
    "XPENDING KEY g - + 100",
    "XPENDING KEY g IDLE 100000000 - + 100",
    "XCLAIM KEY g CONSUMER 0 ID ID [FORCE] [JUSTID]",
    "XCLAIM KEY GROUP CONSUMER COUNT ID [RETRYCOUNT MANY] [FORCE] [LASTID ID]",
    "XCLAIM KEY g CONSUMER 100000000 ID ID",
    "XCLAIM KEY g CONSUMER 0 ID [TIME x] [IDLE x] [now]",
    "XAUTOCLAIM KEY g CONSUMER 0 RANGEID [COUNT COUNT] [JUSTID]",
    "XAUTOCLAIM KEY GROUP CONSUMER 100000000 0",
    "XINFO GROUPS KEY",
    "XINFO CONSUMERS KEY GROUP",
    "TYPE KEY",
];

const PLACES: &[&str] = &[
    "GEOADD KEY LON LAT ELEMENT",
    "GEOADD KEY LON LAT ELEMENT LON LAT ELEMENT",
    "GEOADD KEY LON LAT ELEMENT LON LAT ELEMENT LON LAT ELEMENT",
    "GEOADD KEY [NX] [XX] [CH] LON LAT ELEMENT",
    "GEOADD KEY LON LAT",
    "GEODIST KEY ELEMENT ELEMENT [UNIT]",
    "GEOHASH KEY ELEMENT+",
    "GEOPOS KEY ELEMENT+",
    "GEOPOS KEY",
    "ZADD KEY MANY ELEMENT",
    "ZRANGE KEY 0 -1 WITHSCORES",
    "ZREM KEY ELEMENT",
    "GEOSEARCH KEY FROMMEMBER ELEMENT BYRADIUS METRES UNIT [WITHDIST] [WITHCOORD] [WITHHASH]",
    "GEOSEARCH KEY FROMLONLAT LON LAT BYRADIUS METRES UNIT",
    "GEOSEARCH KEY FROMLONLAT LON LAT BYBOX METRES METRES UNIT [ASC] [DESC]",
    "GEOSEARCH KEY FROMLONLAT LON LAT BYRADIUS METRES km [COUNT 100] [WITHDIST]",
    "GEOSEARCH KEY FROMLONLAT LON LAT [BYBOX METRES METRES km] [BYRADIUS METRES km] [COUNT COUNT] [ANY]",
    "GEOSEARCH KEY FROMMEMBER ELEMENT BYBOX METRES METRES km [FROMLONLAT 0 0] [ELEMENT]",
    "GEORADIUS KEY LON LAT METRES UNIT [WITHDIST] [WITHCOORD] [WITHHASH] [ASC]",
    "GEORADIUS_RO KEY LON LAT METRES km [COUNT 100] [ANY] [DESC] [STORE KEY]",
    "GEORADIUSBYMEMBER KEY ELEMENT METRES UNIT [WITHDIST] [COUNT 100] [STORE KEY] [STOREDIST KEY]",
    "GEORADIUSBYMEMBER_RO KEY ELEMENT METRES km [WITHCOORD] [ELEMENT]",
    "GEORADIUS KEY LON LAT METRES km [STORE KEY] [STOREDIST KEY] [COUNT 100]",
    "GEOSEARCHSTORE KEY KEY FROMLONLAT LON LAT BYRADIUS METRES UNIT [STOREDIST] [WITHDIST]",
    "GEOSEARCHSTORE KEY KEY FROMMEMBER ELEMENT BYBOX METRES METRES UNIT [ASC]",
];
const SKETCHES: &[&str] = &[
    "PFADD KEY",
    "PFADD KEY ELEMENT+",
    "PFADD KEY ELEMENT+",
    "PFADD KEY MANY MANY MANY MANY MANY MANY",
    "PFADD KEY MANY MANY MANY MANY MANY MANY",
    "PFCOUNT KEY",
    "PFCOUNT KEY KEY",
    "PFMERGE KEY KEY",
    "PFMERGE KEY",
    "PFMERGE KEY KEY KEY KEY",
];
/// Commands that do not show how Redis keeps a sketch.
const AROUND_SKETCHES: &[&str] = &[
    "DEL KEY",
    "RENAME KEY KEY",
    "COPY KEY KEY REPLACE",
    "TYPE KEY",
    "EXPIRE KEY 1000",
    "TTL KEY",
    "RPUSH KEY ELEMENT",
    "SET KEY ELEMENT",
];

const KEYS: &[&str] = &[
    "DEL KEY",
    "UNLINK KEY KEY",
    "RENAME KEY KEY",
    "RENAMENX KEY KEY",
    "COPY KEY KEY [REPLACE]",
    "COPY KEY KEY [DB 0] [REPLACE]",
    "TYPE KEY",
    "EXISTS KEY KEY",
    "DBSIZE",
    "KEYS PATTERN",
    "SCAN 0 count 100000 [MATCH PATTERN]",
    "SCAN 0 count 100000 TYPE zset",
    "SCAN 0 count NUMBER",
    "EXPIRE KEY 1000",
    "PERSIST KEY",
    "TTL KEY",
    "RANDOMKEY",
    "SET KEY ELEMENT",
    "GET KEY",
    "APPEND KEY ELEMENT",
    "INCR KEY",
    "MGET KEY KEY KEY",
    "STRLEN KEY",
    "LCS KEY KEY",
    "LCS KEY KEY [LEN] [IDX] [WITHMATCHLEN]",
    "LCS KEY KEY IDX MINMATCHLEN COUNT [WITHMATCHLEN]",
    "SETRANGE KEY 2 ELEMENT",
    "GETSET KEY ELEMENT",
    "GETRANGE KEY 0 -1",
    "SETNX KEY ELEMENT",
    "GETDEL KEY",
    "SET KEY ELEMENT GET",
];

/// Not compared where sets, bits or `SORT` change values: there it may differ.
const ENCODING: &[&str] = &["OBJECT ENCODING KEY"];

const SORTS: &[&str] = &[
    "RPUSH KEY ELEMENT+",
    "RPUSH KEY MANY MANY MANY MANY",
    "SADD KEY MANY MANY MANY",
    "ZADD KEY SCORE MANY SCORE MANY",
    "SET MANY MANY",
    "HSET MANY f MANY",
    "SORT KEY",
    "SORT KEY ALPHA [DESC]",
    "SORT KEY [DESC] [LIMIT NUMBER NUMBER]",
    "SORT KEY BY * [GET #] [GET *] [ALPHA] [DESC]",
    "SORT KEY BY *->f [GET *->f] [GET #] [LIMIT 1 2]",
    "SORT KEY [GET *] STORE KEY",
    "SORT_RO KEY [ALPHA]",
    "SORT KEY ELEMENT",
    "LRANGE KEY 0 -1",
];
const BITMAPS: &[&str] = &[
    "SET KEY ELEMENT",
    "SETBIT KEY MANY NUMBER",
    "SETBIT KEY NUMBER 1",
    "GETBIT KEY NUMBER",
    "BITCOUNT KEY",
    "BITCOUNT KEY NUMBER NUMBER",
    "BITCOUNT KEY NUMBER NUMBER BIT",
    "BITPOS KEY 1 [NUMBER]",
    "BITPOS KEY 0 [NUMBER]",
    "BITPOS KEY NUMBER NUMBER NUMBER",
    "BITPOS KEY 0 NUMBER NUMBER BIT",
    "BITOP AND KEY KEY KEY",
    "BITOP OR KEY KEY KEY KEY",
    "BITOP XOR KEY KEY KEY",
    "BITOP NOT KEY KEY",
    "BITFIELD KEY GET u8 NUMBER SET i5 #1 NUMBER",
    "BITFIELD KEY INCRBY u4 3 COUNT OVERFLOW SAT INCRBY i8 MANY NUMBER",
    "BITFIELD KEY OVERFLOW FAIL INCRBY u2 NUMBER COUNT GET i64 0",
    "BITFIELD KEY SET u63 7 NUMBER GET u63 #0",
    "BITFIELD_RO KEY GET u3 MANY",
    "BITFIELD_RO KEY SET u3 0 1",
    "GET KEY",
];

/// Commands whose replies have no order.
const UNORDERED: &[&str] =
    &["HKEYS", "HVALS", "SMEMBERS", "SINTER", "SUNION", "SDIFF", "KEYS", "SCAN", "SSCAN"];
/// … nor have the pairs of these.
const UNORDERED_PAIRS: &[&str] = &["HGETALL", "HSCAN", "ZSCAN"];
/// Commands that reply by chance.
const CHANCE: &[&str] = &["SPOP", "SRANDMEMBER", "HRANDFIELD", "ZRANDMEMBER", "RANDOMKEY"];

fn command(forms: &[&str], others: &[&str], dice: &mut Dice) -> Vec<Vec<u8>> {
    let from = if dice.one_in(8) { others } else { forms };
    let form = *dice.pick(from);
    let mut words = Vec::new();
    let mut skipping = false;
    for token in form.split(' ') {
        if token.starts_with('[') {
            skipping = !dice.one_in(3);
        }
        let ends = token.ends_with(']');
        let bare = token.trim_matches(['[', ']']);
        if !skipping {
            let (kind, repeats) = match bare.strip_suffix('+') {
                Some(kind) => (kind, 1 + dice.below(4)),
                None => (bare, 1),
            };
            for _ in 0..repeats {
                words.push(word(kind, dice).unwrap_or_else(|| kind.as_bytes().to_vec()));
            }
        }
        skipping &= !ends;
    }
    if words.len() > 1 && !form.starts_with("OBJECT") && dice.one_in(60) {
        words.pop();
    }
    words
}

/// The elements of a reply, each as it was sent; those of inner arrays stand alone.
fn elements(reply: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut rest = reply;
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        let line = &rest[..end + 2];
        let length = || std::str::from_utf8(&line[1..end]).ok().and_then(|text| text.parse::<usize>().ok());
        let whole = match line[0] {
            b'$' => line.len() + length().map_or(0, |length| length + 2),
            _ => line.len(),
        };
        found.push(rest[..whole].to_vec());
        rest = &rest[whole..];
    }
    found
}

/// A reply of `XPENDING` or `XINFO` without the times that entries and consumers have been idle.
fn without_idle(reply: &[u8]) -> Vec<u8> {
    let mut all = elements(reply);
    for at in 1..all.len() {
        let of_entry =
            at >= 3 && all[at - 3] == b"*4\r\n" && all[at - 2][0] == b'$' && all[at - 1][0] == b'$';
        if all[at][0] == b':' && (of_entry || all[at - 1] == b"$4\r\nidle\r\n") {
            all[at] = b":idle\r\n".to_vec();
        }
    }
    all.concat()
}

fn same(name: &str, command: &[Vec<u8>], want: &[u8], got: &[u8]) -> bool {
    if want == got {
        return true;
    }
    // Time passes between the answers of the two.
    let (want, got) = if name == "XPENDING" || name == "XINFO" {
        (&*without_idle(want), &*without_idle(got))
    } else {
        (want, got)
    };
    if want == got {
        return true;
    }
    // The sign of a score of zero depends on how Redis has stored it.
    let unsigned = |reply: &[u8]| {
        let elements = elements(reply).into_iter().map(|element| match element.as_slice() {
            b"$2\r\n-0\r\n" => b"$1\r\n0\r\n".to_vec(),
            b",-0\r\n" => b",0\r\n".to_vec(),
            _ => element,
        });
        elements.collect::<Vec<_>>().concat()
    };
    let (want, got) = (&*unsigned(want), &*unsigned(got));
    if want == got {
        return true;
    }
    let is_whole = |reply: &[u8]| reply.starts_with(b"*2\r\n$1\r\n0\r\n");
    if name == "SCAN" && want.starts_with(b"*2\r\n") && !(is_whole(want) && is_whole(got)) {
        // Cut short: what came first is the other's choice.
        return got.starts_with(b"*2\r\n");
    }
    let (mut want, mut got) = (elements(want), elements(got));
    if name == "TTL" {
        return want.len() == got.len() && want[0][0] == got[0][0];
    }
    if CHANCE.contains(&name) {
        let kinds = |all: &[Vec<u8>]| -> Vec<u8> { all.iter().map(|element| element[0]).collect() };
        return want.first().map(|head| head[0] == b'$') == got.first().map(|head| head[0] == b'$')
            && (kinds(&want) == kinds(&got) && (want[0][0] == b'$' || want[0] == got[0]));
    }
    // To Redis' strcoll a NUL is an end: what begins with it equals the empty string. By texts of other keys
    // many are equal. Equal ones come in any order.
    let has = |word: &[u8]| command.iter().any(|arg| arg.eq_ignore_ascii_case(word));
    let by_texts = has(b"ALPHA") && (has(b"BY") || want.iter().flatten().any(|byte| *byte == 0));
    let has_equals = name.starts_with("SORT") && by_texts;
    // Places at the same distance come in any order, and so do all without a wish.
    let has_equals = has_equals || name == "GEOSEARCH" || name.starts_with("GEORADIUS");
    if UNORDERED.contains(&name) || has_equals {
        want.sort();
        got.sort();
        return want == got;
    }
    if UNORDERED_PAIRS.contains(&name) {
        let heads = if name == "HGETALL" { 1 } else { 3 };
        let pairs = |all: &[Vec<u8>]| {
            let mut pairs: Vec<Vec<u8>> = all[heads.min(all.len())..].chunks(2).map(<[_]>::concat).collect();
            pairs.sort();
            (all[..heads.min(all.len())].to_vec(), pairs)
        };
        return pairs(&want) == pairs(&got);
    }
    false
}

fn check(forms: &[&str]) {
    check_among(forms, KEYS, STREAMS);
}

/// Plays streams of these commands, and sometimes one of the others.
fn check_among(forms: &[&str], others: &[&str], streams: u64) {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("redis.sock");
    let Some(mut server) = start(&socket) else { return };
    server.wait_for("ready to accept connections");
    for seed in support::seeds(streams) {
        let version = if seed.is_multiple_of(2) { Version::Resp2 } else { Version::Resp3 };
        let mut peer = Peer::connect(&socket, version);
        let mut store = Store::new(64 << 20);
        let mut dice = Dice::new(seed);
        peer.ask(&[b"FLUSHALL".to_vec()]);
        let mut ears = Ears::open(&socket, &mut store);
        for step in 0..COMMANDS {
            let command = command(forms, others, &mut dice);
            let want = peer.ask(&command);
            let got = local(&mut store, &command, version);
            let name = String::from_utf8_lossy(&command[0]).to_ascii_uppercase();
            assert!(
                same(&name, &command, &want, &got),
                "SEED={seed}, command {step}: {}\n redis: {}\n local: {}",
                command.iter().map(|arg| printable(arg)).collect::<Vec<_>>().join(" "),
                printable(&want),
                printable(&got),
            );
            let shown = command.iter().map(|arg| printable(arg)).collect::<Vec<_>>().join(" ");
            ears.compare(&mut store, &format!("SEED={seed}, command {step}: {shown}"));
            if name == "SPOP" && command.len() > 1 {
                let delete = [b"DEL".to_vec(), command[1].clone()];
                assert_eq!(peer.ask(&delete), local(&mut store, &delete, version));
            }
        }
        drop(ears);
        carry(&mut Peer::connect(&socket, Version::Resp2), &["a", "b", "c", "d"], &format!("SEED={seed}"));
    }
}

fn local(store: &mut Store, command: &[Vec<u8>], version: Version) -> Vec<u8> {
    let args: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
    let mut reply = Vec::new();
    store.execute_redis(&args, now_ms(), version, &mut reply);
    reply
}

#[test]
fn lists_as_redis() {
    check(&[LISTS, ENCODING].concat());
}

#[test]
fn hashes_as_redis() {
    check(&[HASHES, ENCODING].concat());
}

#[test]
fn sets_as_redis() {
    check(SETS);
}

#[test]
fn sorted_sets_as_redis() {
    check(&[SORTED_SETS, ENCODING].concat());
}

#[test]
fn sort_as_redis() {
    check(SORTS);
}

#[test]
fn bits_as_redis() {
    check(BITMAPS);
}

#[test]
fn sketches_as_redis() {
    check_among(SKETCHES, AROUND_SKETCHES, STREAMS / 6);
}

#[test]
fn places_as_redis() {
    check(PLACES);
}

#[test]
fn streams_as_redis() {
    check(ENTRIES);
}

#[test]
fn keys_of_all_types_as_redis() {
    check(&[KEYS, LISTS, HASHES, SETS, SORTED_SETS, ENTRIES, ENCODING].concat());
}
