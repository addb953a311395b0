//! Takes the snappy layer of a connection.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_fuzz::play("snappy", bytes));
