//! See `nuthatch_wire::memcache::fuzzing::reply`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_wire::memcache::fuzzing::reply(bytes));
