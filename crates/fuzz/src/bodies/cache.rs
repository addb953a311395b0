//! The embedded cache under requests of any content: no panic, one sound reply to each request, and the limit
//! holds.

use local::Store;
use wire::redis::{
    Limits, ReplyLimits, ReplyScan, ReplyScanner, RequestScanner, Scan, Version, encode_inline,
};

/// Small, so that eviction and refusals come soon.
const BYTES_MAX: usize = 64 << 10;

/// Plays requests, arrays and inline ones, on a store of 64 KiB; each is a second after the one before.
pub fn requests(bytes: &[u8]) {
    let mut store = Store::new(BYTES_MAX);
    let (mut rest, mut now_ms) = (bytes, 1_700_000_000_000);
    while !rest.is_empty() {
        let len = match RequestScanner::new().scan(rest, &Limits::default()) {
            Scan::Done(request) => {
                play(&mut store, &rest[..request.len()], now_ms);
                request.len()
            }
            Scan::Inline { len } => {
                let mut array = Vec::new();
                if encode_inline(&rest[..len], &mut array).is_ok() && !array.is_empty() {
                    play(&mut store, &array, now_ms);
                }
                len
            }
            Scan::Skip { len } => len,
            Scan::NeedMore { .. } | Scan::Bad(_) => return,
        };
        rest = &rest[len..];
        now_ms += 1000;
    }
}

/// Restores a value from bytes without a version and a checksum, and uses it if it was taken.
pub fn restore(bytes: &[u8]) {
    let mut store = Store::new(BYTES_MAX);
    let payload = [bytes, b"\x0a\0", &[0; 8]].concat();
    let now_ms = 1_700_000_000_000;
    let mut ask = |args: &[&[u8]]| {
        let mut reply = Vec::new();
        store.execute_redis(args, now_ms, Version::Resp2, &mut reply);
        assert!(store.bytes() <= BYTES_MAX as u64, "{} bytes", store.bytes());
        reply
    };
    if ask(&[b"RESTORE", b"k", b"0", &payload]) != b"+OK\r\n" {
        return;
    }
    let dumped = ask(&[b"DUMP", b"k"]);
    let start = dumped.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let again = &dumped[start..dumped.len() - 2];
    let reply = ask(&[b"RESTORE", b"again", b"0", again]);
    assert!(reply == b"+OK\r\n" || reply.starts_with(b"-OOM"), "{}", reply.escape_ascii());
    for request in [
        "XINFO STREAM k FULL",
        "XREADGROUP GROUP g c STREAMS k >",
        "XADD k * f v",
        "ZRANGE k 0 -1 WITHSCORES",
        "ZPOPMIN k",
        "LPOP k",
        "SPOP k",
        "HGETALL k",
        "HINCRBY k f 1",
        "APPEND k x",
        "PFADD k x",
        "SORT k",
    ] {
        ask(&request.split(' ').map(str::as_bytes).collect::<Vec<_>>());
    }
}

fn play(store: &mut Store, frame: &[u8], now_ms: u64) {
    let args: Vec<&[u8]> =
        wire::redis::Args::of(frame).into_iter().flatten().map(|argument| argument.bytes()).collect();
    let version = if args.len().is_multiple_of(2) { Version::Resp2 } else { Version::Resp3 };
    let mut reply = Vec::new();
    let block = store.execute_redis(&args, now_ms, version, &mut reply);
    assert!(store.bytes() <= BYTES_MAX as u64, "{} bytes after {}", store.bytes(), frame.escape_ascii());
    if block.is_some() {
        return assert!(reply.is_empty(), "a request that waits has no reply");
    }
    let scanned = ReplyScanner::new().scan(&reply, &ReplyLimits::default());
    assert!(
        matches!(scanned, ReplyScan::Done(found) if found.len() == reply.len()),
        "{} got {}",
        frame.escape_ascii(),
        reply.escape_ascii()
    );
}
