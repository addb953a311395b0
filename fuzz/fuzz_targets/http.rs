//! Takes requests to the queue's HTTP API: path, query, body.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_fuzz::play("http", bytes));
