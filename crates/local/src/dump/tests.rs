use proptest::prelude::*;
use wire::redis::Version;

use super::*;
use crate::Store;

/// Runs a request and returns the body of its reply, a bulk string, or the whole line.
fn run(store: &mut Store, args: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    store.execute_redis(args, 1000, Version::Resp2, &mut out);
    if out.first() != Some(&b'$') || out.starts_with(b"$-1") {
        return out;
    }
    let start = out.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    out[start..out.len() - 2].to_vec()
}

fn said(store: &mut Store, request: &str) -> String {
    let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
    String::from_utf8_lossy(&run(store, &args)).into_owned()
}

/// Requests that write values of every type, and those that show them.
const WRITES: [&str; 16] = [
    "SET string value",
    "SET number 12345",
    "APPEND grown piece",
    "RPUSH list a bb 3",
    "SADD set a bb 3",
    "SADD numbers 1 2 70000 -5000000000",
    "HSET hash f v g 7",
    "ZADD zset 1.5 a -inf b 3 c",
    "PFADD sketch a b c",
    "XADD stream 5-1 f v",
    "XADD stream 5-2 f w",
    "XADD stream 7-1 other 130 more text",
    "XDEL stream 5-2",
    "XGROUP CREATE stream g 0 ENTRIESREAD 1",
    "XREADGROUP GROUP g c COUNT 1 STREAMS stream >",
    "XGROUP CREATECONSUMER stream g idle",
];
const SHOWS: [&str; 14] = [
    "GET string",
    "GET number",
    "GET grown",
    "LRANGE list 0 -1",
    "SMEMBERS set",
    "SMEMBERS numbers",
    "HGETALL hash",
    "ZRANGE zset 0 -1 WITHSCORES",
    "PFCOUNT sketch",
    "XRANGE stream - +",
    "XINFO STREAM stream FULL",
    "XPENDING stream g - + 10",
    "XINFO CONSUMERS stream g",
    "XLEN stream",
];

#[test]
fn values_of_every_type_come_back() {
    let (mut store, mut other) = (Store::new(1 << 20), Store::new(1 << 20));
    WRITES.iter().for_each(|request| drop(said(&mut store, request)));
    for key in ["string", "number", "grown", "list", "set", "numbers", "hash", "zset", "sketch", "stream"] {
        let payload = run(&mut store, &[b"DUMP", key.as_bytes()]);
        assert_eq!(run(&mut other, &[b"RESTORE", key.as_bytes(), b"0", &payload]), b"+OK\r\n", "{key}");
        assert_eq!(run(&mut other, &[b"DUMP", key.as_bytes()]), payload, "{key}");
    }
    for request in SHOWS {
        // Blocks are filled anew: their number may differ.
        let shown = [&mut store, &mut other].map(|store| said(store, request));
        assert_eq!(shown[0], shown[1], "{request}");
    }
}

#[test]
fn a_long_value_comes_back() {
    let (mut store, mut other) = (Store::new(8 << 20), Store::new(8 << 20));
    for n in 0..1000 {
        said(&mut store, &format!("XADD stream {n}-1 name {n} {n} x"));
        said(&mut store, &format!("HSET hash f{n} {}", "v".repeat(n * 2)));
    }
    let long = "x".repeat(70_000);
    said(&mut store, &format!("XADD stream 5000-1 name {long}"));
    for (key, request) in [("stream", "XRANGE stream - +"), ("hash", "HGETALL hash")] {
        let payload = run(&mut store, &[b"DUMP", key.as_bytes()]);
        assert_eq!(run(&mut other, &[b"RESTORE", key.as_bytes(), b"0", &payload]), b"+OK\r\n");
        assert_eq!(said(&mut store, request), said(&mut other, request));
    }
}

#[test]
fn options_and_refusals_of_restore() {
    let mut store = Store::new(1 << 16);
    said(&mut store, "SET k v");
    let payload = run(&mut store, &[b"DUMP", b"k"]);
    let damaged = {
        let mut damaged = payload.clone();
        damaged[2] ^= 1;
        damaged
    };
    let ok = "+OK\r\n";
    let cases: [(&[&[u8]], &str); 14] = [
        (&[b"k", b"0", &payload], "-BUSYKEY Target key name already exists.\r\n"),
        (&[b"k", b"0", &payload, b"replace"], ok),
        (&[b"l", b"-1", &payload], "-ERR Invalid TTL value, must be >= 0\r\n"),
        (&[b"l", b"x", &payload], "-ERR value is not an integer or out of range\r\n"),
        (&[b"l", b"0", &damaged], "-ERR DUMP payload version or checksum are wrong\r\n"),
        (&[b"l", b"0", b""], "-ERR DUMP payload version or checksum are wrong\r\n"),
        (&[b"l", b"0", b"\x63\x01v\x0a\0\0\0\0\0\0\0\0\0"], "-ERR Bad data format\r\n"),
        (&[b"l", b"0", &payload, b"IDLETIME", b"-1"], "-ERR Invalid IDLETIME value, must be >= 0\r\n"),
        (&[b"l", b"0", &payload, b"FREQ", b"256"], "-ERR Invalid FREQ value, must be >= 0 and <= 255\r\n"),
        (&[b"l", b"0", &payload, b"FREQ", b"1", b"IDLETIME", b"1"], "-ERR syntax error\r\n"),
        (&[b"l", b"0", &payload, b"FREQ", b"200"], ok),
        (&[b"i", b"0", &payload, b"IDLETIME", b"1"], ok),
        (&[b"m", b"500", &payload], ok),
        (&[b"m", b"999", &payload, b"ABSTTL", b"REPLACE"], ok),
    ];
    for (args, reply) in cases {
        let args: Vec<&[u8]> = [&b"RESTORE"[..]].into_iter().chain(args.iter().copied()).collect();
        assert_eq!(String::from_utf8_lossy(&run(&mut store, &args)), reply, "{:?}", args.get(4..));
    }
    assert_eq!(said(&mut store, "EXISTS k l m"), ":2\r\n", "m has expired");
    assert_eq!(said(&mut store, "OBJECT IDLETIME i"), ":1\r\n");
    assert_eq!(said(&mut store, "DUMP none"), "$-1\r\n");
}

/// Payloads that redis-server wrote, without their foot, and what they hold: see `tests/servers/dump.rs` for
/// those of the server that is installed.
#[test]
fn packed_forms_of_redis() {
    let cases: [(&[u8], &str, &str); 6] = [
        // A ziplist of "a", 3, 1000 and 100000.
        (
            b"\x0a\x1a\x1a\0\0\0\x13\0\0\0\x04\0\0\x01a\x03\xf4\x02\xc0\xe8\x03\x04\xd0\xa0\x86\x01\0\xff",
            "LRANGE k 0 -1",
            "*4\r\n$1\r\na\r\n$1\r\n3\r\n$4\r\n1000\r\n$6\r\n100000\r\n",
        ),
        // A quicklist of one listpack of "a" and -1.
        (
            b"\x12\x01\x02\x0d\x0d\0\0\0\x02\0\x81a\x02\xdf\xff\x02\xff",
            "LRANGE k 0 -1",
            "*2\r\n$1\r\na\r\n$2\r\n-1\r\n",
        ),
        (b"\x0b\x0c\x02\0\0\0\x02\0\0\0\xff\xff\x01\0", "SMEMBERS k", "*2\r\n$2\r\n-1\r\n$1\r\n1\r\n"),
        (b"\x10\x0d\x0d\0\0\0\x02\0\x81f\x02\x81v\x02\xff", "HGETALL k", "*2\r\n$1\r\nf\r\n$1\r\nv\r\n"),
        (
            b"\x11\x0c\x0c\0\0\0\x02\0\x81m\x02\x02\x01\xff",
            "ZRANGE k 0 -1 WITHSCORES",
            "*2\r\n$1\r\nm\r\n$1\r\n2\r\n",
        ),
        (b"\0\xc3\x04\x09\x00a\xc0\x00", "GET k", "aaaaaaaaa"),
    ];
    for (body, request, shown) in cases {
        let mut store = Store::new(1 << 16);
        let payload = [body, b"\x0a\0", &[0; 8]].concat();
        let reply = run(&mut store, &[b"RESTORE", b"k", b"0", &payload]);
        assert_eq!(String::from_utf8_lossy(&reply), "+OK\r\n", "{request}");
        assert_eq!(said(&mut store, request), shown);
    }
}

proptest! {
    /// Rubbish, and payloads that were damaged: refused or taken, without a panic, and within the limit.
    #[test]
    fn rubbish_is_borne(
        which in 0usize..10,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
        rubbish in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut store = Store::new(1 << 20);
        WRITES.iter().for_each(|request| drop(said(&mut store, request)));
        let keys = ["string", "number", "grown", "list", "set", "numbers", "hash", "zset", "sketch", "stream"];
        let mut body = run(&mut store, &[b"DUMP", keys[which].as_bytes()]);
        body.truncate(body.len() - FOOT);
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        if is_cut {
            body.truncate(cut.index(body.len()));
        }
        for body in [body, rubbish] {
            let mut other = Store::new(1 << 16);
            let payload = [&body[..], b"\x0a\0", &[0; 8]].concat();
            if run(&mut other, &[b"RESTORE", b"k", b"0", &payload]) == b"+OK\r\n" {
                // It can be used, and written again.
                let payload = run(&mut other, &[b"DUMP", b"k"]);
                prop_assert_eq!(run(&mut other, &[b"RESTORE", b"l", b"0", &payload]), b"+OK\r\n");
                for request in ["XINFO STREAM k FULL", "ZRANGE k 0 -1", "LPOP k", "SPOP k", "HGETALL k", "XADD k * f v"] {
                    said(&mut other, request);
                }
            }
            prop_assert!(other.bytes() <= other.bytes_max() as u64);
        }
    }
}
