//! See `nuthatch_wire::redis::fuzzing::request`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_wire::redis::fuzzing::request(bytes));
