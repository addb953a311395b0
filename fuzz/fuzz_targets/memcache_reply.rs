//! Takes memcached's replies, meta ones included.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_fuzz::play("memcache_reply", bytes));
