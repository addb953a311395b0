//! Reads users' rules and what else is written of them.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_fuzz::play("access_rules", bytes));
