//! See `nuthatch_wire::memcache::fuzzing::request`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_wire::memcache::fuzzing::request(bytes));
