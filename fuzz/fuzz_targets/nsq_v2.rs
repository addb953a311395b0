//! See `nuthatch_wire::nsq::fuzzing::v2`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_wire::nsq::fuzzing::v2(bytes));
