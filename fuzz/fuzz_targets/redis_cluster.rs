//! Takes redirects, and what a node says about its cluster.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_fuzz::play("redis_cluster", bytes));
