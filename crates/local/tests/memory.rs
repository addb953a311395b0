//! The account beside the process: what the store counts is what memory grows by, within a factor.
//!
//! One test, since it reads the memory of its process.

use nuthatch_local::Store;
use wire::redis::Version;

/// The account may be this much above what the process grows by, and not at all below but for pages.
const ABOVE_MAX: f64 = 1.35;
const BELOW_MAX: f64 = 1.10;

fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("a number") * 4096
}

fn fill(name: &str, mut request: impl FnMut(usize) -> Vec<Vec<u8>>) {
    let (mut store, mut out) = (Store::new(1 << 30), Vec::new());
    let before = resident();
    let mut step = 0;
    while store.bytes() < 12 << 20 {
        let request = request(step);
        let args: Vec<&[u8]> = request.iter().map(Vec::as_slice).collect();
        store.execute_redis(&args, 0, Version::Resp2, &mut out);
        assert_ne!(out.first(), Some(&b'-'), "{}", String::from_utf8_lossy(&out));
        out.clear();
        step += 1;
    }
    let grown = (resident() - before) as f64;
    let counted = store.bytes() as f64;
    // Memory that is given back would be what the next store grows into.
    std::mem::forget(store);
    eprintln!("{name}: {step} requests, counted {counted}, grown by {grown}: {:.2}", counted / grown);
    assert!(counted < grown * ABOVE_MAX, "{name}: {counted} counted, {grown} used");
    assert!(counted * BELOW_MAX > grown, "{name}: {counted} counted, {grown} used");
}

fn words(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn what_is_counted_is_what_is_used() {
    let value = "v".repeat(100);
    fill("strings", |i| words(&["SET", &format!("key:{i:012}"), &value]));
    fill("small hashes", |i| words(&["HSET", &format!("h{}", i / 10), &format!("field{i}"), "a value"]));
    fill("one hash", |i| words(&["HSET", "h", &format!("field{i}"), &value]));
    fill("lists", |i| words(&["RPUSH", &format!("l{}", i % 100), &value]));
    fill("sets", |i| words(&["SADD", &format!("s{}", i % 20), &format!("member:{i}")]));
    fill("a stream", |i| words(&["XADD", "x", "*", &format!("field{}", i % 3), &value]));
    fill("a sorted set", |i| {
        words(&["ZADD", "z", &(i * 7919 % 1_000_003).to_string(), &format!("member:{i}")])
    });
}
