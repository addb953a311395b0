//! Takes messages of an upgrade.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_fuzz::play("upgrade", bytes));
