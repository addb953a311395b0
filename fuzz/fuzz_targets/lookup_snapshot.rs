//! Takes snapshots of a lookup.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_fuzz::play("lookup_snapshot", bytes));
