//! See `nuthatch_wire::nsq::fuzzing::lookup`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_wire::nsq::fuzzing::lookup(bytes));
