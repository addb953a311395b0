//! Takes RESP2 and RESP3 replies.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_fuzz::play("redis_reply", bytes));
