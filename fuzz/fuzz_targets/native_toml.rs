//! Takes nuthatch.toml.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_fuzz::play("native_toml", bytes));
