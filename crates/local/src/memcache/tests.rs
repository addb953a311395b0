//! Sessions of memcached commands, with time.

use std::collections::BTreeMap;

use super::*;
use crate::Surroundings;

/// One step: the time in seconds, the line, the data block, the reply.
type Step = (u64, &'static str, &'static str, &'static str);

fn check(bytes_max: usize, steps: &[Step]) {
    let mut store = Store::new(bytes_max);
    for &(now_s, line, data, reply) in steps {
        let mut out = b"before".to_vec();
        store.execute_memcache(line.as_bytes(), data.as_bytes(), now_s, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), format!("before{reply}"), "{line}");
    }
}

#[test]
fn the_table_is_sorted() {
    assert!(COMMANDS.is_sorted_by(|a, b| a.name < b.name));
}

#[test]
fn items_expire() {
    check(
        1 << 20,
        &[
            (1000, "set k 7 10 1", "v", "STORED\r\n"),
            (1009, "get k", "", "VALUE k 7 1\r\nv\r\nEND\r\n"),
            (1009, "mg k t", "", "HD t1\r\n"),
            (1010, "get k", "", "END\r\n"),
            (1010, "set k 0 -1 1", "v", "STORED\r\n"),
            (1010, "get k", "", "END\r\n"),
            (1010, "set k 0 2000000000 1", "v", "STORED\r\n"),
            (1_999_999_999, "mg k t s", "", "HD t1 s1\r\n"),
            (2_000_000_000, "mg k t s", "", "EN\r\n"),
            (2_000_000_000, "add k 0 0 1", "w", "STORED\r\n"),
            (2_000_000_000, "touch k 5", "", "TOUCHED\r\n"),
            (2_000_000_004, "gat 100 k", "", "VALUE k 0 1\r\nw\r\nEND\r\n"),
            (2_000_000_103, "get k", "", "VALUE k 0 1\r\nw\r\nEND\r\n"),
            (2_000_000_104, "append k 0 0 1", "x", "NOT_STORED\r\n"),
        ],
    );
}

#[test]
fn a_flush_may_wait() {
    check(
        1 << 20,
        &[
            (1000, "set k 0 0 1", "v", "STORED\r\n"),
            (1000, "flush_all 10", "", "OK\r\n"),
            (1009, "mg k", "", "HD\r\n"),
            (1009, "set later 0 0 1", "v", "STORED\r\n"),
            (1010, "get k later", "", "END\r\n"),
            (1010, "set k 0 0 1", "v", "STORED\r\n"),
            (1011, "mg k", "", "HD\r\n"),
            (1011, "flush_all noreply", "", ""),
            (1011, "mg k", "", "EN\r\n"),
        ],
    );
}

#[test]
fn one_client_refills() {
    check(
        1 << 20,
        &[
            (1000, "mg k N30 t s", "", "HD t30 s0 W\r\n"),
            (1000, "mg k N30 t s", "", "HD t30 s0 Z\r\n"),
            (1001, "ms k 3 T60", "new", "HD\r\n"),
            (1002, "mg k v R10 l h", "", "VA 3 l1 h0\r\nnew\r\n"),
            (1055, "mg k v R10 l h", "", "VA 3 l53 h1 W\r\nnew\r\n"),
            (1055, "mg k R10", "", "HD Z\r\n"),
            (1055, "md k I T90 q", "", ""),
            (1056, "mg k t c v", "", "VA 3 t89 c3 X W\r\nnew\r\n"),
            (1056, "mg k", "", "HD Z X\r\n"),
            (1056, "ms k 2 C2 I", "xx", "HD\r\n"),
            (1056, "mg k v t", "", "VA 2 t89 Z X\r\nxx\r\n"),
            (1056, "ms k 2 C9 I c", "yy", "EX c0\r\n"),
            (1056, "ms k 2 C4 c", "yy", "HD c5\r\n"),
            (1056, "mg k v", "", "VA 2\r\nyy\r\n"),
        ],
    );
}

#[test]
fn numbers_keep_their_width() {
    check(
        1 << 20,
        &[
            (1, "set n 5 0 3", "100", "STORED\r\n"),
            (1, "decr n 1", "", "99\r\n"),
            (1, "get n", "", "VALUE n 5 3\r\n99 \r\nEND\r\n"),
            (1, "incr n 901", "", "1000\r\n"),
            (1, "get n", "", "VALUE n 5 4\r\n1000\r\nEND\r\n"),
            (1, "incr n 18446744073709551615", "", "999\r\n"),
            (1, "decr n 5000", "", "0\r\n"),
            (1, "ma n MD D3 v", "", "VA 1\r\n0\r\n"),
            (1, "ma m N0 J13 v t", "", "VA 2 t-1\r\n13\r\n"),
            (1, "ma m q", "", ""),
            (1, "ma m v", "", "VA 2\r\n15\r\n"),
        ],
    );
}

#[test]
fn binary_keys_never_come_back_raw() {
    // "a\r\nb" in base64; memcached loses the flag when an item grows, and answers the raw bytes.
    check(
        1 << 20,
        &[
            (1, "mg YQ0KYg== b N0 k", "", "HD kYQ0KYg== b W\r\n"),
            (1, "ms YQ0KYg== 1 b", "9", "HD\r\n"),
            (1, "ma YQ0KYg== b", "", "HD\r\n"),
            (1, "ms YQ0KYg== 1 b MA k", "0", "HD kYQ0KYg== b\r\n"),
            (1, "mg YQ0KYg== b k v", "", "VA 3 kYQ0KYg== b\r\n100\r\n"),
        ],
    );
}

#[test]
fn what_does_not_fit() {
    let small = "SERVER_ERROR out of memory storing object\r\n";
    let data: &str = Box::leak("x".repeat(5000).into_boxed_str());
    check(
        4096,
        &[
            (1, "set k 0 0 1", "v", "STORED\r\n"),
            (1, "add k 0 0 5000", data, small),
            (1, "get k", "", "VALUE k 0 1\r\nv\r\nEND\r\n"),
            (1, "set k 0 0 5000", data, small),
            (1, "get k", "", "END\r\n"),
            (1, "set k 0 0 5000 noreply", data, ""),
            (1, "ms k 5000 q", data, small),
            (1, "set k 0 0 2000000", "", "SERVER_ERROR object too large for cache\r\n"),
            (1, "set k 0 0 3", "toolong", "CLIENT_ERROR bad data chunk\r\n"),
        ],
    );
}

#[test]
fn malformed_lines_are_answered() {
    let lines = [
        ("", "ERROR\r\n"),
        (" ", "ERROR\r\n"),
        ("\0", "ERROR\r\n"),
        ("get", "ERROR\r\n"),
        ("GET k", "ERROR\r\n"),
        ("get\tk", "ERROR\r\n"),
        ("set k 0 0", "ERROR\r\n"),
        ("set k 0 0 1 2 3", "ERROR\r\n"),
        ("set k -1 0 1", "CLIENT_ERROR bad command line format\r\n"),
        ("set k 0 0 -1", "CLIENT_ERROR bad command line format\r\n"),
        ("set k 0 0 2147483646", "CLIENT_ERROR bad command line format\r\n"),
        ("ms k", "CLIENT_ERROR bad command line format\r\n"),
        ("me", "CLIENT_ERROR bad command line format\r\n"),
        ("mg k \u{ff}", "CLIENT_ERROR duplicate flag\r\n"),
        ("mg !!! b", "CLIENT_ERROR error decoding key\r\n"),
        ("delete k 5", "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n"),
        ("stats nonsense", "ERROR\r\n"),
        ("lru tune", "ERROR\r\n"),
    ];
    for (line, reply) in lines {
        check(1 << 20, &[(1, Box::leak(line.to_owned().into_boxed_str()), "", reply)]);
    }
}

/// Answer to `stats`, without `END`.
fn stats(store: &mut Store, which: &str) -> BTreeMap<String, String> {
    let mut out = Vec::new();
    store.execute_memcache(format!("stats{which}").as_bytes(), b"", 100, &mut out);
    let text = String::from_utf8(out).expect("text");
    let lines = text.strip_suffix("END\r\n").expect("ends");
    let pairs =
        lines.lines().map(|line| line.strip_prefix("STAT ").expect("a line").split_once(' ').expect("two"));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Each command in turn, with the change of these counters in memcached 1.6.18.
#[test]
fn commands_are_counted_as_memcached_counts_them() {
    let steps = [
        ("get x", "", "cmd_get 1 get_misses 1"),
        ("set x 0 0 1", "1", "cmd_set 1 curr_items 1 total_items 1"),
        ("set x 0 0 1", "1", "cmd_set 1 total_items 1"),
        ("get x y", "", "cmd_get 2 get_hits 1 get_misses 1"),
        ("gat 0 x", "", "cmd_touch 1 touch_hits 1"),
        ("gat 0 y", "", "cmd_touch 1 touch_misses 1"),
        ("touch x 0", "", "cmd_touch 1 touch_hits 1"),
        ("touch y 0", "", "cmd_touch 1 touch_misses 1"),
        ("incr x 1", "", "incr_hits 1"),
        ("incr y 1", "", "incr_misses 1"),
        ("decr x 1", "", "decr_hits 1"),
        ("decr y 1", "", "decr_misses 1"),
        ("delete y", "", "delete_misses 1"),
        ("cas x 0 0 1 999", "1", "cmd_set 1 cas_badval 1"),
        ("cas y 0 0 1 1", "1", "cmd_set 1 cas_misses 1"),
        ("add x 0 0 1", "1", "cmd_set 1"),
        ("replace y 0 0 1", "1", "cmd_set 1"),
        ("append x 0 0 1", "1", "cmd_set 1 total_items 1"),
        ("append y 0 0 1", "1", "cmd_set 1"),
        ("mg x v", "", "cmd_get 1 get_hits 1"),
        ("mg y v", "", "cmd_get 1 get_misses 1"),
        ("ms x 1", "1", "cmd_set 1 total_items 1"),
        ("ms x 1 C99", "1", "cmd_set 1 cas_badval 1"),
        ("ma x", "", "incr_hits 1"),
        ("ma y", "", "incr_misses 1"),
        ("mn", "", ""),
        ("md y", "", "delete_misses 1"),
        ("me x", "", "cmd_meta 1"),
        ("mg x T60 v", "", "cmd_touch 1 touch_hits 1"),
        ("md x", "", "delete_hits 1 curr_items -1"),
        ("flush_all", "", "cmd_flush 1"),
    ];
    let mut store = Store::new(1 << 20);
    for (line, data, moves) in steps {
        let before = stats(&mut store, "");
        store.execute_memcache(line.as_bytes(), data.as_bytes(), 100, &mut Vec::new());
        let after = stats(&mut store, "");
        let number = |of: &BTreeMap<String, String>, name: &str| of[name].parse::<i64>().unwrap_or(0);
        let moved = after.keys().filter(|name| *name != "bytes" && before[*name] != after[*name]);
        let moved: Vec<_> =
            moved.map(|name| format!("{name} {}", number(&after, name) - number(&before, name))).collect();
        let words: Vec<_> = moves.split_ascii_whitespace().collect();
        let mut expected: Vec<_> = words.chunks(2).map(|pair| pair.join(" ")).collect();
        expected.sort();
        assert_eq!(moved, expected, "{line}");
    }
    let too_large = vec![b'x'; 2 << 20];
    store.execute_memcache(b"set k 0 0 2097152", &too_large, 100, &mut Vec::new());
    assert_eq!(stats(&mut store, "")["store_too_large"], "1");
    store.execute_memcache(b"stats reset", b"", 100, &mut Vec::new());
    let left: Vec<_> =
        stats(&mut store, "").into_iter().filter(|(_, value)| value != "0").map(|(name, _)| name).collect();
    let constant = ["accepting_conns", "limit_maxbytes", "pid", "pointer_size", "threads", "time", "version"];
    assert_eq!(left, constant);
}

/// Without these, prometheus' `memcached_exporter` reports memcached as down.
#[test]
fn exporters_find_what_they_cannot_do_without() {
    let mut store = Store::new(1 << 20);
    store.surroundings =
        Surroundings { connections_max: Some(100), connections: 3, ..Surroundings::default() };
    let general = stats(&mut store, "");
    for name in ["cmd_set", "cas_hits", "cas_misses", "cas_badval", "max_connections", "curr_connections"] {
        assert!(general[name].parse::<u64>().is_ok(), "{name}");
    }
    assert_eq!(general["curr_connections"], "3");
    assert_eq!(stats(&mut store, " settings")["maxconns"], "100");
    assert_eq!(stats(&mut store, " items").len(), 0);
    store.execute_memcache(b"set k 0 0 1", b"x", 100, &mut Vec::new());
    assert_eq!(stats(&mut store, " items")["items:1:number"], "1");
    for name in ["1:cmd_set", "1:cas_hits", "1:cas_badval", "1:get_hits", "total_malloced"] {
        assert!(stats(&mut store, " slabs").contains_key(name), "{name}");
    }
}

proptest::proptest! {
    #[test]
    fn any_line_is_answered_or_silent(line in "[a-z ]{0,12}[ -~\\x00-\\x1f]{0,60}", data: Vec<u8>) {
        let mut store = Store::new(1 << 16);
        let mut out = Vec::new();
        store.execute_memcache(line.as_bytes(), &data, 1, &mut out);
        proptest::prop_assert!(out.is_empty() || out.ends_with(b"\r\n"));
    }

    #[test]
    fn any_meta_line_is_answered_or_silent(
        name in "m[gsdaen]", key in "[a-zA-Z0-9+/=]{1,12}", flags in "( [a-zA-Z][a-zA-Z0-9-]{0,6}){0,8}", data: Vec<u8>,
    ) {
        let mut store = Store::new(1 << 16);
        for line in [format!("{name} {key}{flags}"), format!("{name} {key} {}{flags}", data.len())] {
            let mut out = Vec::new();
            store.execute_memcache(line.as_bytes(), &data, 1, &mut out);
            proptest::prop_assert!(out.is_empty() || out.ends_with(b"\r\n"));
        }
    }
}
