//! Takes values as DUMP writes them.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_fuzz::play("redis_dump", bytes));
