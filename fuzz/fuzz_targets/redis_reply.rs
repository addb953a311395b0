//! See `nuthatch_wire::redis::fuzzing::reply`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_wire::redis::fuzzing::reply(bytes));
