//! Takes memcached's meta commands.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_fuzz::play("memcache_meta", bytes));
