//! Takes requests to the embedded cache.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_fuzz::play("embedded_redis", bytes));
