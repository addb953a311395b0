//! Takes RESP requests, inline commands, routing.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_fuzz::play("redis_request", bytes));
